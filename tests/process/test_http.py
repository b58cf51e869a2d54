"""What gunicorn's sync worker does not do: connections that stay open, pipelining, and no desynchronised one ever."""

import signal

import pytest

from harness import chunks, eventually, render

ARGS = ("--keep-alive", 5)


@pytest.fixture(scope="module")
def server():
    from harness import OURS, Server

    with Server(OURS, *ARGS) as server:
        yield server.start(workers=1)


def test_connection_is_kept(server):
    with server.connect() as connection:
        for _ in range(10):
            response = connection.request("GET", "/")
            assert (response.status, response.get("connection")) == (200, "keep-alive")


def test_client_asks_to_close(server):
    response = server.get("/", headers={"Connection": "close"})
    assert response.closed and response.extra == b""


def test_http_1_0_closes_unless_asked(server):
    assert server.get("/", http="1.0").closed
    with server.connect() as connection:
        for _ in range(2):
            response = connection.request("GET", "/", {"Connection": "keep-alive"}, http="1.0")
            assert response.get("connection") == "keep-alive"


def test_body_without_length_is_chunked_and_kept(server):
    with server.connect() as connection:
        for _ in range(3):
            assert connection.request("GET", "/stream").body == b"one\ntwo\nthree\n"


def test_pipelined_requests_are_answered_in_order(server):
    targets = ["/", "/stream", "/headers", "/status?line=204%20No%20Content", "/early-hints", "/"]
    with server.connect() as connection:
        connection.send(b"".join(render("GET", target) for target in targets))
        statuses = [connection.response().status for _ in targets]
    assert statuses == [200, 200, 200, 204, 200, 200]


def test_pipelined_bodies(server):
    bodies = [b"one", [b"tw", b"o"], b"", b"x" * 100_000, [b"y" * 70_000, b"z"]]
    with server.connect() as connection:
        connection.send(b"".join(render("POST", "/echo", body=body) for body in bodies))
        answers = [connection.response().body for _ in bodies]
    assert answers == [b"".join(body) if isinstance(body, list) else body for body in bodies]


@pytest.mark.parametrize("target", ["/status?line=204%20No%20Content", "/status?line=304%20Not%20Modified", "/empty", "/"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_next_response_starts_where_this_one_ends(server, method, target):
    with server.connect() as connection:
        connection.request(method, target)
        assert connection.request("GET", "/").body == b"Hello, World!\n"


@pytest.mark.parametrize("body", [b"x" * 1000, b"x" * 3_000_000, [b"x" * 1000], [b"x" * 65536] * 40])
def test_unread_body_is_not_the_next_request(server, body):
    with server.connect() as connection:
        assert connection.request("POST", "/unread", body=body).body == b"unread\n"
        try:
            again = connection.request("GET", "/")
        except ConnectionError:
            return  # Closing is as good an answer to a body that nobody wants.
        assert again.body == b"Hello, World!\n"


@pytest.mark.parametrize("target", [
    "/raise-inside", "/raise-inside?length=100", "/length?says=10&sends=5", "/recover-late",
])
def test_cut_response_closes_the_connection(server, target):
    with server.connect() as connection:
        response = connection.request("GET", target)
        assert not response.complete
        assert connection.ended() == b""


def test_longer_body_than_its_length_leaves_nothing_behind(server):
    with server.connect() as connection:
        assert connection.request("GET", "/length?says=5&sends=10").body == b"xxxxx"
        try:
            again = connection.request("GET", "/")
        except ConnectionError:
            return
        assert again.body == b"Hello, World!\n"


def test_idle_connection_is_closed_after_the_keep_alive_time():
    from harness import OURS, Server

    with Server(OURS, "--keep-alive", 1) as server:
        server.start(workers=1)
        with server.connect() as connection:
            connection.request("GET", "/")
            assert connection.ended() == b""


def test_kept_connection_ends_with_the_server():
    from harness import OURS, Server

    with Server(OURS, "--keep-alive", 60) as server:
        server.start(workers=1)
        with server.connect() as connection:
            connection.request("GET", "/")
            assert server.stop() == 0
            assert connection.ended() == b""


def test_request_on_a_kept_connection_is_answered_while_the_server_stops():
    from harness import OURS, Server

    with Server(OURS, "--keep-alive", 60) as server:
        server.start(workers=1)
        with server.connect() as connection:
            connection.request("GET", "/")
            server.signal(signal.SIGTERM)
            eventually(lambda: connection.request("GET", "/").get("connection") == "close", what="the end is announced")
            assert connection.ended() == b""
        assert server.wait_exit() == 0


def test_a_byte_at_a_time_equals_all_at_once(server):
    requests = render("POST", "/echo", body=[b"one", b"two"]) + render("GET", "/headers") + render("GET", "/")

    def answers(pieces):
        with server.connect() as connection:
            for piece in pieces:
                connection.send(piece)
            return [connection.response().body for _ in range(3)]

    assert answers([requests]) == answers([requests[n : n + 1] for n in range(len(requests))])


def test_large_upload_is_spooled(server):
    part = b"0123456789abcdef" * 65536
    with server.connect() as connection:
        connection.send(render("POST", "/count", {"Transfer-Encoding": "chunked"}))
        for _ in range(48):
            connection.send(b"%x\r\n%s\r\n" % (len(part), part))
        connection.send(chunks([]))
        assert connection.response().text().split()[0] == str(48 * len(part))
    [worker] = server.workers()

    def small():
        with open(f"/proc/{worker}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) < 80 << 10

    eventually(small, what="the worker's memory is below 80 MiB after a body of 48")


def test_application_sees_that_its_client_has_gone(serve):
    server = serve("--keep-alive", 5, app="watching:app")
    server.write("watching.py", (
        "import os, time\n"
        "def app(environ, start_response):\n"
        "    gone = environ['gunicorn_rs.client_gone']\n"
        "    os.write(2, b'at first %r\\n' % gone())\n"
        "    while environ['PATH_INFO'] == '/long' and not gone():\n"
        "        time.sleep(0.01)\n"
        "    os.write(2, b'and then %r\\n' % gone())\n"
        "    start_response('200 OK', [('Content-Length', '0')])\n"
        "    return []\n"
        "os.write(2, b'probe loaded in %d\\n' % os.getpid())\n"
    ))
    server.start(workers=1)
    assert server.get("/").status == 200
    server.wait_log("at first False\nand then False")
    with server.connect() as client:
        client.send(render("GET", "/long"))
        eventually(lambda: server.log().count("at first False") == 2)
    server.wait_log("and then True")
    assert server.get("/").status == 200


def test_early_hints_come_before_the_response(server):
    with server.connect() as connection:
        response = connection.request("GET", "/early-hints")
        assert [hint.status for hint in response.interim] == [103, 103]
        assert connection.request("GET", "/").status == 200


def test_continue_is_not_sent_for_an_unread_body(server):
    with server.connect() as connection:
        connection.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert connection.head().status == 100
        connection.send("hello")
        assert connection.response().body == b"hello"
        assert connection.request("GET", "/").status == 200

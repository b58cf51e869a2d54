"""The asgi kind: what an application is told, what it receives and sends, and what becomes of its mistakes."""

import json
import socket
import time
from zlib import crc32

import pytest

from harness import eventually, render
from harness.procs import private_bytes

KEEP = ("--keep-alive", 30)
LARGE = 20 << 20
"""Size of a body that no buffer of the kernel holds."""
SLACK = 8 << 20
"""What a worker may grow by while such a body passes through it."""
CLOSE = {"Connection": "close"}


def scope_of(server, target="/scope", headers=(), **options):
    """The scope as the application sees it: each key with its type and value."""
    return json.loads(server.get(target, headers=headers, **options).body)


def note(server, text, timeout=10.0):
    """Waits until the application has noted `text`."""
    return server.wait_log(f"^probe: {text}", timeout=timeout)


# The scope


def test_scope(asgi):
    server = asgi(*KEEP)
    with server.connect() as client:
        mine = client.socket.getsockname()
        headers = [("Host", "h"), ("X-Two", "1"), ("x-two", "2"), ("X-Latin", "caf\xe9")]
        scope = json.loads(client.request("GET", "/scope/a%20b/%C3%A9/%2f?x=%20y&z", headers).body)
    host, port = server.address()
    state = scope.pop("state")
    assert scope == {
        "type": ["str", "http"],
        "asgi": ["dict", {"version": ["str", "3.0"], "spec_version": ["str", "2.5"]}],
        "http_version": ["str", "1.1"],
        "method": ["str", "GET"],
        "scheme": ["str", "http"],
        "path": ["str", "/scope/a b/\xe9//"],
        "raw_path": ["bytes", "/scope/a%20b/%C3%A9/%2f"],
        "query_string": ["bytes", "x=%20y&z"],
        "root_path": ["str", ""],
        "headers": ["list", [
            ["tuple", [["bytes", "host"], ["bytes", "h"]]],
            ["tuple", [["bytes", "x-two"], ["bytes", "1"]]],
            ["tuple", [["bytes", "x-two"], ["bytes", "2"]]],
            ["tuple", [["bytes", "x-latin"], ["bytes", "caf\xe9"]]],
        ]],
        "client": ["tuple", [["str", "127.0.0.1"], ["int", mine[1]]]],
        "server": ["tuple", [["str", host], ["int", port]]],
        "extensions": ["dict", {
            "http.response.trailers": ["dict", {}],
            "http.response.early_hint": ["dict", {}],
            "http.response.pathsend": ["dict", {}],
        }],
    }
    assert state == ["dict", {"shared": ["list", []], "number": ["int", 7]}]


def test_scope_of_another_request(asgi):
    scope = scope_of(asgi(), "/scope", http="1.0")
    assert scope["http_version"] == ["str", "1.0"]
    assert scope["query_string"] == ["bytes", ""]
    body = asgi().request("QUERY", "http://other/scope", {"Host": "other"}, body=b"x").body
    scope = json.loads(body)
    assert scope["method"] == ["str", "QUERY"]
    assert (scope["path"], scope["raw_path"]) == (["str", "/scope"], ["bytes", "/scope"])


def test_asterisk(asgi):
    server = asgi()
    assert server.request("OPTIONS", "*").status == 200


def test_scope_on_a_unix_socket(asgi):
    server = asgi(bind="unix:here.sock")
    path = str(server.path("here.sock"))
    scope = scope_of(server, address=path)
    assert scope["server"][1][0][0] == "str" and scope["server"][1][0][1].endswith("here.sock")
    assert scope["server"][1][1] == ["NoneType", None]
    assert scope["client"] == ["NoneType", None]


def test_scheme_and_client_of_a_trusted_proxy(asgi):
    server = asgi("--forwarded-client", "x-forwarded-for", "--forwarded-allow-ips", "127.0.0.1")
    scope = scope_of(server, headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"})
    assert scope["scheme"] == ["str", "https"]
    assert scope["client"] == ["tuple", [["str", "198.51.100.7"], ["int", 0]]]


@pytest.mark.parametrize("target, path", [
    ("/prefix/scope/x%20y", "/prefix/scope/x y"),
    pytest.param("/scope/x%20y", "/prefix/scope/x y", id="the proxy has stripped it"),
    pytest.param("/prefixed/x", "/prefix/prefixed/x", id="another name that begins alike"),
])
def test_root_path(asgi, target, path):
    """The path has the root path in it (ASGI, HTTP connection scope), also where a proxy has taken it off."""
    server = asgi("--root-path", "/prefix", app="scopes:app", start=False)
    server.write("scopes.py", (
        "import asgi_probe\n"
        "async def app(scope, receive, send):\n"
        "    shown = asgi_probe.scope_as_json if scope['type'] == 'http' else asgi_probe.app\n"
        "    await shown(scope, receive, send)\n"
    ))
    scope = scope_of(server.start(workers=1), target)
    assert (scope["root_path"], scope["path"]) == (["str", "/prefix"], ["str", path])
    assert scope["raw_path"] == ["bytes", target]


def test_objects_of_the_scope_belong_to_one_request(asgi):
    server = asgi(*KEEP)
    assert [server.get("/extend").body for _ in range(3)] == [b"[]"] * 3


def test_state_is_copied_for_each_request(asgi):
    """Shallowly: what is in it is shared, its keys are not."""
    server = asgi()
    for number in range(3):
        assert json.loads(server.get("/state").body) == {"seen": {"shared": [1] * number, "number": 7}}


# What it receives


def test_messages(asgi):
    server = asgi(*KEEP)
    empty = [{"type": "http.request", "body": "bytes", "more_body": False}]
    assert json.loads(server.get("/messages").body) == empty
    assert json.loads(server.request("POST", "/messages", body=b"x" * 100).body) == empty
    assert json.loads(server.request("POST", "/messages", body=[b"x", b"y"]).body)[-1]["more_body"] is False


@pytest.mark.parametrize("body", [b"", b"a body", b"x" * 300000, [b"in", b"chunks"], [b"y" * 100000] * 5])
def test_echo(asgi, body):
    server = asgi(*KEEP)
    expected = b"".join(body) if isinstance(body, list) else body
    with server.connect() as client:
        for _ in range(3):
            assert client.request("POST", "/echo", body=body).body == expected


def test_large_body_comes_in_parts(asgi):
    server = asgi("--limit-request-body", 0)
    data = bytes(range(256)) * (LARGE // 256)
    size, checksum, largest = map(int, server.request("POST", "/count?largest", body=data).body.split())
    assert (size, checksum) == (LARGE, crc32(data))
    assert largest <= 4 << 20


def test_expect_continue(asgi):
    server = asgi()
    with server.connect() as client:
        client.send(render("POST", "/echo", {"Expect": "100-continue", "Content-Length": "4"}))
        assert client.head().status == 100
        assert client.send(b"body").response().body == b"body"


def test_slow_application_makes_the_client_wait(asgi):
    server = asgi("--limit-request-body", 0, *KEEP)
    [worker] = server.workers()
    server.get("/")
    before = private_bytes(worker)
    gate = server.path("gate")
    with server.connect() as client:
        client.send(render("POST", f"/count-late?gate={gate}", {"Content-Length": str(LARGE)}))
        client.socket.setblocking(False)
        sent = send_until_it_stalls(client.socket, LARGE, server)
        note(server, "has begun")
        assert sent < LARGE, "the client could send all though nobody reads"
        assert private_bytes(worker) - before < SLACK
        assert server.get("/").status == 200
        gate.touch()
        client.socket.settimeout(15)
        client.send(bytes(LARGE - sent))
        assert client.response().body == b"late"


def send_until_it_stalls(wire, most, server):
    """Sends zeros until the socket takes no more while the server answers others; returns how many."""
    sent, stalled = 0, 0
    while stalled < 50 and sent < most:
        try:
            sent += wire.send(bytes(min(65536, most - sent)))
            stalled = 0
        except BlockingIOError:
            stalled += 1
            server.get("/")
    return sent


def test_client_that_goes_while_the_application_waits_for_it(asgi):
    server = asgi()
    with server.connect() as client:
        client.send(render("GET", "/disconnect"))
        note(server, "waits for the end")
    note(server, "received http.disconnect, then http.disconnect")
    assert "ERROR" not in server.log()
    assert server.get("/").status == 200


def test_client_that_shuts_its_side_down(asgi):
    """A half-closed connection is one that still reads: the response arrives."""
    server = asgi()
    gate = server.path("gate")
    with server.connect() as client:
        client.send(render("GET", f"/wait?gate={gate}"))
        note(server, "waits")
        client.socket.shutdown(socket.SHUT_WR)
        server.get("/")
        gate.touch()
        assert client.response().body == b"waited\n"


def test_client_that_goes_in_the_middle_of_its_body(asgi):
    server = asgi("--limit-request-body", 0)
    with server.connect() as client:
        client.send(render("POST", "/disconnect-in-body", {"Content-Length": str(LARGE)}) + bytes(1 << 20))
        note(server, "reads")
    note(server, "body is cut off")
    assert server.get("/").status == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_body_that_pauses_too_long(asgi, chunked):
    server = asgi("--limit-request-body", 0, "--client-body-timeout", 1)
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(LARGE)}
    data = b"100000\r\n" + bytes(1 << 20) + b"\r\n" if chunked else bytes(1 << 20)
    with server.connect() as client:
        client.send(render("POST", "/disconnect-in-body", framing) + data)
        assert client.response().status == 408
    note(server, "body is cut off")


def test_bad_chunk_ends_the_body(asgi):
    server = asgi("--limit-request-body", 0)
    with server.connect() as client:
        client.send(render("POST", "/disconnect-in-body", {"Transfer-Encoding": "chunked"}))
        client.send(b"100000\r\n" + bytes(1 << 20) + b"\r\n")
        note(server, "reads")
        client.send(b"no size\r\n")
        assert client.response().status == 400
    note(server, "body is cut off")


def test_unread_body_is_no_request(asgi):
    server = asgi("--limit-request-body", 0, *KEEP)
    with server.connect() as client:
        client.send(render("POST", "/unread", {"Content-Length": "400000"}) + b"x" * 300000)
        assert client.response().body == b"unread\n"
        client.send(b"x" * 100000)
        assert b"HTTP/1.1" not in (client.ended() or b"")


def test_receive_after_the_response_tells_of_its_end(asgi):
    server = asgi(*KEEP)
    with server.connect() as client:
        assert client.request("GET", "/after").body == b"after\n"
        note(server, "after the response: http.disconnect")
        assert client.request("GET", "/").status == 200


def test_listener_beside_a_stream(asgi):
    """A task that waits for the client to go learns nothing while it is there, and of the end when there is one."""
    server = asgi(*KEEP)
    with server.connect() as client:
        assert client.request("GET", "/two-listeners").body == b"one two three waits"
    note(server, "the listener got http.disconnect")


# What it sends


def test_hello(asgi):
    response = asgi(*KEEP).get("/")
    assert (response.status, response.reason, response.body) == (200, "OK", b"Hello, World!\n")
    assert response.get("content-length") == "14" and response.get("date")
    assert response.get("connection") == "keep-alive"


def test_head_of_the_response(asgi):
    response = asgi().get("/headers")
    shown = [(name, value) for name, value in response.headers if name.lower().startswith(("x-", "set-"))]
    assert shown == [
        ("X-First", "1"), ("x-lower", "a"), ("set-cookie", "a=1"), ("set-cookie", "b=2; Path=/"),
        ("x-latin", "caf\xe9"),
    ]


def test_odd_types_and_defaults(asgi):
    server = asgi()
    response = server.get("/odd-types")
    assert (response.get("x-list"), response.body) == ("1", b"array view")
    least = server.get("/least")
    assert (least.status, least.body, least.get("content-length")) == (200, b"", "0")


@pytest.mark.parametrize("method, status", [("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 404)])
def test_responses_without_a_body(asgi, method, status):
    with asgi(*KEEP).connect() as client:
        response = client.request(method, f"/status?code={status}&body=none")
        assert response.status == status
        assert response.get("content-length") in (None, "4" if method == "HEAD" else None)
        assert response.get("transfer-encoding") is None
        # Nothing is left of the body in front of the next response.
        assert client.request("GET", "/").body == b"Hello, World!\n"


def test_head_of_a_stream(asgi):
    with asgi(*KEEP).connect() as client:
        assert client.request("HEAD", "/stream").body == b""
        assert client.request("HEAD", "/large?size=1000000").get("content-length") == "1000000"
        assert client.request("GET", "/").status == 200


def test_stream(asgi):
    server = asgi(*KEEP)
    response = server.get("/stream")
    assert (response.get("transfer-encoding"), response.body) == ("chunked", b"one\ntwo\nthree\n")
    old = server.get("/stream", http="1.0")
    assert (old.get("transfer-encoding"), old.body, old.closed) == (None, b"one\ntwo\nthree\n", True)


def test_http_1_0(asgi):
    server = asgi(*KEEP)
    assert server.get("/", http="1.0").closed
    with server.connect() as client:
        for _ in range(2):
            response = client.request("GET", "/", {"Connection": "keep-alive"}, http="1.0")
            assert response.get("connection") == "keep-alive"


def test_parts_leave_at_once(asgi):
    server = asgi()
    gate = server.path("gate")
    with server.connect() as client:
        client.send(render("GET", f"/gated?gate={gate}"))
        assert client.head().status == 200
        assert client._until(b"first\n") and not gate.exists()
        gate.touch()
        client._until(b"second\n")


def test_pipelining(asgi):
    with asgi(*KEEP).connect() as client:
        tokens = [str(number).encode() for number in range(50)]
        client.send(b"".join(render("POST", "/echo", body=token) for token in tokens))
        assert [client.response().body for _ in tokens] == tokens


def test_keep_alive(asgi):
    server = asgi("--keep-alive", 1)
    with server.connect() as client:
        for _ in range(20):
            assert client.request("GET", "/").get("connection") == "keep-alive"
        assert client.ended() == b""
        assert server.get("/", headers=CLOSE).closed


@pytest.mark.parametrize("target", [
    f"/large?size={LARGE}&tell=1",
    pytest.param(f"/large?size={LARGE}&length=none&tell=1", id="without a length"),
])
def test_slow_reader_makes_the_application_wait(asgi, target):
    server = asgi(*KEEP)
    [worker] = server.workers()
    server.get("/")
    before = private_bytes(worker)
    with server.connect() as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send(render("GET", target))
        note(server, "0 MiB are sent")
        for _ in range(100):
            assert server.get("/").status == 200
        assert "probe: 19 MiB are sent" not in server.log()
        assert private_bytes(worker) - before < SLACK
        assert len(client.response().body) == LARGE
    note(server, "19 MiB are sent")


def test_large_response_in_one_message(asgi):
    body = bytes(range(256)) * (LARGE // 256)
    assert asgi().get(f"/block?size={LARGE}").body == body


def test_reader_that_takes_nothing_is_given_up(asgi):
    server = asgi("--client-send-timeout", 1)
    with server.connect() as client:
        client.send(render("GET", "/streams-on"))
        note(server, "send raises ConnectionResetError, an OSError")
    assert server.get("/").status == 200


def test_reader_that_is_slow_but_steady_is_not_given_up(asgi):
    server = asgi("--client-send-timeout", 1)
    with server.connect() as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send(render("GET", f"/blocks?size={LARGE}", CLOSE))
        began, taken = time.monotonic(), 0
        while data := client.socket.recv(1 << 20):
            taken += len(data)
            # For three seconds some bytes at a time.
            if time.monotonic() - began < 3:
                server.get("/")
                eventually(lambda seen=time.monotonic(): time.monotonic() - seen > 0.02)
        assert taken > 2 * LARGE


@pytest.mark.parametrize("says, sends", [(2, 4), (4, 2)])
def test_length_that_is_not_that_of_the_body(asgi, says, sends):
    server = asgi(*KEEP)
    with server.connect() as client:
        response = client.request("GET", f"/length?says={says}&sends={sends}")
        assert (response.body, response.complete) == (b"xx", says < sends)
    server.wait_log(f"Content-Length is {says}, but the body has {sends} bytes")


def test_client_that_goes_while_it_is_sent_to(asgi):
    server = asgi()
    with server.connect() as client:
        client.send(render("GET", "/streams-on"))
        assert client.head().status == 200
    note(server, "send raises ConnectionResetError, an OSError")
    assert "Traceback" not in server.log()
    assert server.get("/").status == 200


def test_early_hints(asgi):
    server = asgi()
    response = server.get("/early-hint")
    assert [(hint.status, hint.all("link")) for hint in response.interim] == [
        (103, ["</style.css>; rel=preload; as=style", "</a.js>"]), (103, ["</b.js>"]),
    ]
    assert response.body == b"hinted\n"
    assert server.get("/early-hint", http="1.0").interim == []


def test_trailers(asgi):
    server = asgi(*KEEP)
    with server.connect() as client:
        client.send(render("GET", "/trailers", {"TE": "trailers", **CLOSE}))
        data = client.ended()
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head.lower() and b"trailer: x-sum, x-more" in head.lower()
    assert body == b"8\r\ntrailed\n\r\n0\r\nx-sum: 1\r\nx-more: 2\r\n\r\n"


def test_trailers_need_chunks(asgi):
    response = asgi().get("/trailers", http="1.0")
    assert (response.body, response.closed) == (b"trailed\n", True)


@pytest.mark.parametrize("size", [0, 10, 300000, LARGE])
def test_pathsend(asgi, size):
    server = asgi(*KEEP)
    data = (bytes(range(256)) * (size // 256 + 1))[:size]
    server.path("file").write_bytes(data)
    with server.connect() as client:
        response = client.request("GET", "/pathsend?name=file")
        assert (response.body == data, response.get("content-length")) == (True, str(size))
        assert client.request("GET", "/pathsend?name=file&length=none").get("content-length") == str(size)
        assert client.request("HEAD", "/pathsend?name=file").get("content-length") == str(size)
        assert client.request("GET", "/").status == 200


@pytest.mark.parametrize("path, error", [
    ("/is/not/there", b"FileNotFoundError"), ("relative", b"ValueError"), ("/", b"IsADirectoryError"),
])
def test_pathsend_of_what_is_no_file(asgi, path, error):
    """The application may still answer by something else."""
    server = asgi()
    server.path("relative").touch()
    assert server.get(f"/pathsend-checked?path={path}").body == error


# What it does wrong

RUNTIME = "RuntimeError"
WRONG = {
    "body-first": RUNTIME, "path-first": RUNTIME, "trailers-first": RUNTIME, "websocket": RUNTIME, "nonsense": RUNTIME,
    "no-type": "KeyError", "number-type": "TypeError", "word-status": "ValueError", "no-status": RUNTIME,
    "short-status": "ValueError", "number-name": "TypeError", "split-value": "ValueError",
    "space-name": "ValueError", "word-length": "ValueError", "single": "(ValueError|TypeError)",
    "start-twice": RUNTIME, "text-body": "TypeError", "number-body": "TypeError", "trailers-before-body": RUNTIME,
}
WRONG_IN_BODY = {
    "start-in-body": RUNTIME, "path-after-body": RUNTIME, "trailers-not-announced": RUNTIME, "hint-in-body": RUNTIME,
    "body-after-announced": RUNTIME,
}
WRONG_AFTERWARDS = {
    name: RUNTIME
    for name in ["start-after-body", "body-after-body", "path-after-path", "body-after-path", "hint-after-body"]
}


@pytest.fixture(scope="module")
def module_server():
    """One server of the module for each loop."""
    from harness import OURS, Server

    servers = {}

    def get(loop):
        if loop not in servers:
            args = ("--worker-class", "asgi", "--asgi-loop", loop, "--keep-alive", 30)
            servers[loop] = Server(OURS, *args, app="asgi_probe:app").start(workers=1)
        return servers[loop]

    yield get
    for server in servers.values():
        server.close()


def wrong(server, name, error):
    """The response to the order `name`, once the application has had its exception."""
    response = server.get(f"/order?name={name}")
    note(server, rf"{name} raises {error}\b")
    return response


@pytest.mark.parametrize("name", WRONG)
def test_wrong_message_before_the_head_leaves(asgi, module_server, name):
    server = module_server(asgi.loop)
    response = wrong(server, name, WRONG[name])
    assert response.status == 500 and "injected" not in str(response.headers)
    server.wait_log(rf"Exception in ASGI application at GET /order\?name={name}\n(.*\n)*.*in order")


@pytest.mark.parametrize("name", WRONG_IN_BODY)
def test_wrong_message_in_the_body(asgi, module_server, name):
    response = wrong(module_server(asgi.loop), name, WRONG_IN_BODY[name])
    assert response.status == 200 and not response.complete


@pytest.mark.parametrize("name", WRONG_AFTERWARDS)
def test_wrong_message_after_the_response(asgi, module_server, name):
    response = wrong(module_server(asgi.loop), name, WRONG_AFTERWARDS[name])
    assert response.status == 200 and response.complete


@pytest.mark.parametrize("target, message", [
    ("/raise", "failure before the head"),
    ("/raise-started", "failure before the body"),
    ("/exit", "SystemExit"),
])
def test_exception_before_the_head(asgi, target, message):
    server = asgi()
    [worker] = server.workers()
    response = server.get(target)
    assert (response.status, response.closed) == (500, True)
    assert message not in response.text()
    server.wait_log(rf"\[ERROR\] Exception in ASGI application at GET {target}\nTraceback(.*\n)*.*{message}")
    assert server.get("/").status == 200 and server.workers() == [worker]


@pytest.mark.parametrize("length", ["", "100"])
def test_exception_inside_the_body(asgi, length):
    server = asgi()
    with server.connect() as client:
        response = client.request("GET", f"/raise-inside?length={length}")
        assert (response.status, response.complete) == (200, False)
        assert client.ended() == b""
    server.wait_log(r"Exception in ASGI application at GET /raise-inside.*\nTraceback(.*\n)*.*failure inside the body")


def test_exception_after_the_response(asgi):
    server = asgi(*KEEP)
    with server.connect() as client:
        assert client.request("GET", "/raise-after").body == b"complete\n"
        server.wait_log(r"\[ERROR\] Exception in ASGI application.*\nTraceback(.*\n)*.*failure after the response")
        assert client.request("GET", "/").status == 200


@pytest.mark.parametrize("target, status, complaint", [
    ("/never", 500, "without starting the response"), ("/half", 200, "without completing the response"),
])
def test_no_response_or_half_of_one(asgi, target, status, complaint):
    server = asgi()
    with server.connect() as client:
        response = client.request("GET", target)
        assert (response.status, response.complete) == (status, status == 500)
        assert client.ended() == b""
    server.wait_log(complaint)


# Tasks


def test_task_is_a_real_one(asgi):
    facts = json.loads(asgi().get("/task").body)
    assert facts == {
        "task": True, "timeout": True, "anyio cancels": True, "anyio thread": 42, "to_thread": 43,
    }


def test_context_of_a_request_is_its_own(asgi):
    server = asgi(*KEEP)
    with server.connect() as client, server.connect() as other:
        for number in range(20):
            assert client.request("GET", f"/context?value={number}").body == b"unset %d" % number
            assert other.request("GET", f"/context?value={number}x").body == b"unset %dx" % number
        client.send(b"".join(render("GET", f"/context?value={number}") for number in range(20)))
        assert [client.response().body for _ in range(20)] == [b"unset %d" % number for number in range(20)]


@pytest.mark.parametrize("grace", [0, 1])
def test_task_is_cancelled_when_its_client_has_gone(asgi, grace):
    server = asgi("--asgi-disconnect-grace-period", grace)
    with server.connect() as client:
        client.send(render("GET", "/stays"))
        note(server, "stays")
    gone = time.monotonic()
    note(server, "is cancelled")
    assert grace == 0 or time.monotonic() - gone > grace / 2
    assert "ERROR" not in server.log()
    assert server.get("/").status == 200


def test_client_that_goes_during_background_work_does_not_end_it(asgi):
    server = asgi("--asgi-disconnect-grace-period", 0)
    gate = server.path("gate")
    with server.connect() as client:
        assert client.request("GET", f"/background?gate={gate}").body == b"answered\n"
    for _ in range(20):
        server.get("/")
    gate.touch()
    note(server, "background work is done")


def test_connection_goes_on_during_background_work(asgi):
    server = asgi(*KEEP)
    gate = server.path("gate")
    with server.connect() as client:
        assert client.request("GET", f"/background?gate={gate}").body == b"answered\n"
        assert client.request("GET", "/").body == b"Hello, World!\n"
        assert client.request("GET", f"/spawn?gate={gate}").body == b"spawned\n"
        gate.touch()
    note(server, "background work is done")
    note(server, "spawned work is done")


def test_requests_at_the_same_time(asgi):
    server = asgi()
    gate = server.path("gate")
    clients = [server.connect() for _ in range(100)]
    for client in clients:
        client.send(render("GET", f"/wait?gate={gate}"))
    eventually(lambda: server.log().count("probe: waits") == 100)
    assert server.get("/").status == 200
    gate.touch()
    assert [client.response().body for client in clients] == [b"waited\n"] * 100
    for client in clients:
        client.close()


def test_access_log(asgi):
    line = "%(m)s %(U)s %(q)s %(s)s %(B)s %(H)s %({x-a}i)s"
    server = asgi("--access-logfile", "-", "--access-logformat", line, *KEEP)
    server.get("/headers?q", headers={"X-A": "a"})
    server.request("POST", "/echo", body=b"four")
    server.get("/raise")
    with server.connect() as client:
        client.send(render("GET", "/disconnect"))
        note(server, "waits for the end")
    written = ["GET /headers q 200 8 HTTP/1.1 a", "POST /echo  200 4 HTTP/1.1 -", "GET /raise  500 .*"]
    for line in [*written, "GET /disconnect .*"]:
        server.wait_log(f"^{line}$", "stdout")

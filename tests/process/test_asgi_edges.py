"""The asgi kind: tasks and what they await at their edges, and what was lost there once."""

import json
import socket
import struct
import sys

import pytest
from websockets.sync.client import connect as dial

from harness import render
from harness.procs import private_bytes

APP = "asgi_edges:app"
KEEP = ("--keep-alive", 30)
SIZE = 200 << 20
"""Size of a file that no buffer holds."""
OPENING = [
    ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]


@pytest.fixture
def edges(asgi):
    """As `asgi`, with the application `asgi_edges`."""
    return lambda *args, **options: asgi(*args, app=APP, **options)


def note(server, text):
    """Waits until the application has noted `text`."""
    return server.wait_log(f"^probe: {text}")


def websocket(server, path):
    host, port = server.address()
    return dial(f"ws://{host}:{port}/{path}", max_size=None, open_timeout=15, close_timeout=15, compression=None)


def opened(server, path):
    """A WebSocket that answers nothing by itself."""
    client = server.connect()
    assert client.request("GET", f"/{path}", OPENING).status == 101
    return client


def long_body(path):
    """A request whose body has come in part, enough for the application to begin."""
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    return f"{head}100000\r\n{'x' * 0x100000}\r\n"


# The first step


def test_first_step_is_that_of_the_task(edges):
    server = edges(*KEEP)
    with server.connect() as client:
        for _ in range(3):
            facts = json.loads(client.request("GET", "/first-step").body)
            assert facts.pop("version") == list(sys.version_info[:2])
            assert facts == {
                "listed": True, "mark": "unset", "anyio sees": True, "anyio cancels": True, "same task": True,
                "inherited": "mine", "kept": "mine",
            }


@pytest.mark.parametrize("error", ["", "exit", "interrupt", "cancel", "generator"])
def test_exception_in_the_first_step(edges, error):
    server = edges(*KEEP)
    [worker] = server.workers()
    for _ in range(3):
        assert server.get(f"/first-step-raises?{error}").status == 500
    assert json.loads(server.get("/first-step-is-last").body) == ["unset", True]
    assert server.workers() == [worker]


def test_first_step_that_cancels_itself_or_is_late(edges):
    server = edges()
    assert json.loads(server.get("/first-step-cancels").body) == "CancelledError"
    assert json.loads(server.get("/first-step-times-out").body) == "TimeoutError"


def test_first_step_leaves_nothing_to_the_next_request(edges):
    server = edges(*KEEP)
    with server.connect() as client:
        client.send(b"".join([render("GET", "/first-step-is-last")] * 50))
        assert {client.response().body for _ in range(50)} == {b'["unset", true]'}


# Files


def test_pathsend_of_a_large_file_takes_no_memory(edges):
    """The kernel sends it (sendfile(2)), for as long as the client likes."""
    server = edges()
    [worker] = server.workers()
    with open(server.path("file"), "wb") as file:
        file.truncate(SIZE)
    server.get("/first-step")
    before = private_bytes(worker)
    with server.connect() as client:
        client.send(render("GET", "/pathsend"))
        assert client.head().get("content-length") == str(SIZE)
        note(server, "the response is complete")
        taken, held = len(client.buffer), []
        for part in (SIZE // 2, SIZE):
            while taken < part:
                taken += len(client.socket.recv(1 << 20))
            held.append(private_bytes(worker))
    assert taken == SIZE
    assert max(held) - before < 4 << 20


# Awaitables where coroutines are usual


def test_awaitables_are_coroutines(edges):
    server = edges()
    response = server.request("POST", "/wrapped", body=b"hello")
    assert json.loads(response.body) == {
        "receive is one": True, "send is one": True, "body": "hello", "nobody sends": "TimeoutError",
        "results": [None], "errors": ["RuntimeError", "RuntimeError"], "listener waits": True,
    }
    note(server, "listener: http.disconnect")


def test_awaitables_that_wait_are_coroutines(edges):
    server = edges()
    with server.connect() as client:
        client.send(render("GET", "/slow-reader"))
        note(server, "all wait")
        body = client.response().body
    assert body[: 8 << 20] == bytes(8 << 20)
    assert body[8 << 20:].startswith(b"123{")
    assert json.loads(body[(8 << 20) + 3:]) == {
        "times out": "TimeoutError", "waits": True, "both wait": True, "cancelled": "CancelledError",
        "gathered": [None, None, None],
    }


def test_awaitables_of_a_websocket_are_coroutines(edges):
    server = edges()
    with websocket(server, "websocket") as client:
        assert client.recv(timeout=15) == "first"
        client.send("hello")
        assert json.loads(client.recv(timeout=15)) == {
            "received": "hello", "nobody sends": "TimeoutError", "error": "RuntimeError",
        }
        assert client.recv(timeout=15) == bytes(32 << 20)
        assert client.recv(timeout=15) == "last"


# What was lost once


def test_body_that_comes_before_the_first_await_is_not_lost(edges):
    server = edges()
    with server.connect() as client:
        client.send(long_body("/slow-first-step"))
        note(server, "blocks")
        client.send("80000\r\n" + "x" * 0x80000 + "\r\n")
        server.path("edge").touch()
        client.send("1\r\nx\r\n0\r\n\r\n")
        assert json.loads(client.response().body) == 0x180001


def test_end_that_comes_with_the_request_is_not_lost(edges):
    """The poll tells of both at once and only once, and before anybody has asked for it."""
    server = edges(*KEEP)
    with server.connect() as client, server.connect() as other:
        # From the first request on the poll watches for everything: it has no reason to tell of it anew.
        assert client.request("GET", "/first-step").status == 200
        other.send(render("GET", "/slow-first-step"))
        note(server, "blocks")
        client.send(render("GET", "/waits-for-the-end"))
        client.socket.shutdown(socket.SHUT_WR)
        server.path("edge").touch()
        note(server, "received http.disconnect")
        assert other.response().status == 200


def test_receive_that_is_woken_and_cancelled_leaves_the_message(edges, asgi):
    server = edges()
    with server.connect() as client:
        client.send(long_body("/woken-and-cancelled"))
        note(server, "blocks")
        client.send("5\r\nhello\r\n")
        server.path("edge").touch()
        client.send("0\r\n\r\n")
        error, length = json.loads(client.response().body)
    assert length == 0x100005
    assert asgi.loop != "asyncio" or error == "CancelledError"


def test_receive_that_is_cancelled_loses_no_part_of_the_body(edges):
    server = edges()
    words = [b"%d," % number for number in range(3000)]
    with server.connect() as client:
        client.send("POST /parts HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for word in words:
            client.send(b"%x\r\n%s\r\n" % (len(word), word))
        client.send(b"0\r\n\r\n")
        assert json.loads(client.response().body) == b"".join(words).decode()


@pytest.mark.parametrize("body, reader, first", [(30, 1, "send raised"), (1, 30, "receive gave up")])
def test_body_and_reader_have_deadlines_of_their_own(edges, body, reader, first):
    """Both pause; the one that may pause for longer puts off nothing."""
    server = edges("--client-body-timeout", body, "--client-send-timeout", reader)
    with server.connect() as client:
        client.send(long_body("/both-wait"))
        note(server, first)


def test_send_after_a_refusal_is_an_oserror(edges):
    server = edges()
    with server.connect() as client:
        client.send(long_body("/refused"))
        note(server, "has begun")
        client.send("no chunk\r\n")
        assert client.response().status == 400
    note(server, "received http.disconnect")
    note(server, r"send raised \['ConnectionResetError', 'ConnectionResetError'\], and receive gives http.disconnect")
    assert "ERROR" not in server.log()


def test_all_who_wait_are_woken_when_the_client_goes(edges):
    server = edges()
    with server.connect() as client:
        client.send(render("GET", "/waiters"))
        note(server, "all wait")
    note(server, r"listeners: \['http.disconnect', 'http.disconnect', 'http.disconnect'\]")
    note(server, r"senders: \[True, True, True\]")


def test_all_who_wait_are_woken_when_a_websocket_goes(edges):
    server = edges()
    with opened(server, "websocket-waiters"):
        note(server, "all wait")
    note(server, r"senders: \[True, True, True\]")
    note(server, r"listeners: \['websocket.disconnect', 'websocket.disconnect', 'websocket.disconnect'\]")


def frame(opcode, payload=b""):
    """A client's frame; its mask of zeros changes nothing."""
    assert len(payload) < 126
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload


def message(client):
    """The next message or control frame: its opcode, and its length. Pings are answered."""
    first, length = client._take(2)
    if length == 126:
        length, = struct.unpack("!H", client._take(2))
    elif length == 127:
        length, = struct.unpack("!Q", client._take(8))
    assert len(client._take(length)) == length
    if first == 0x89:
        client.send(frame(10))
    return first & 0x0F, length


def test_websocket_that_was_slow_once_is_not_given_up_later(edges):
    """The time that it had to take what waited is over when it has; that it is idle after that is its right."""
    server = edges("--client-send-timeout", 1, "--asgi-disconnect-grace-period", 2, "--ws-ping-interval", 0)
    with opened(server, "websocket-takes") as client:
        client.send(frame(1, b"8000000"))
        assert message(client) == (2, 8_000_000)
        with server.connect() as other:
            other.send(render("GET", "/stays"))
            note(server, "stays")
        # That is the two seconds of its grace.
        note(server, "is cancelled")
        client.send(frame(1, b"5"))
        assert message(client) == (2, 5)


def test_websocket_that_has_pinged_too_much_is_heard_again(edges):
    """While its pongs wait nothing is read of it; once it has taken them, it is."""
    server = edges()
    with opened(server, "websocket-takes") as client:
        pings = frame(9, bytes(125)) * 1000
        client.socket.setblocking(False)
        sent, quiet = 0, 0
        while quiet < 200:
            try:
                sent, quiet = sent + client.socket.send(pings[sent % len(pings):]), 0
            except BlockingIOError:
                # Somebody else has to be served in between: so it is not only late.
                quiet += 1
                server.get("/first-step-is-last") if quiet % 20 == 0 else None
        client.socket.setblocking(True)
        client.socket.settimeout(15)
        whole = sent // 131
        for _ in range(whole):
            assert message(client) == (10, 125)
        if sent % 131:
            client.send(pings[sent % len(pings):][: 131 - sent % 131])
            assert message(client) == (10, 125)
        client.send(frame(1, b"5"))
        assert message(client) == (2, 5)


def test_alarms_are_set_once_and_always(edges, asgi):
    if asgi.loop != "asyncio":
        pytest.skip("uvloop does not show its timers")
    server = edges("--ws-ping-interval", 1, *KEEP)
    clients = [opened(server, "websocket-takes") for _ in range(20)]
    idle = [server.connect() for _ in range(20)]
    for _ in range(3):
        for client in idle:
            assert client.request("GET", "/first-step-is-last").status == 200
        for client in clients:
            client.send(frame(1, b"5"))
            assert next(got for got in iter(lambda: message(client), None) if got != (9, 0)) == (2, 5)
        for client in clients:
            assert message(client) == (9, 0)
        assert json.loads(idle[0].request("GET", "/timers").body) <= 1
    for client in clients + idle:
        client.close()


def test_background_work_is_not_cancelled_when_the_grace_is_over(edges):
    server = edges("--asgi-disconnect-grace-period", 1)
    with server.connect() as client, server.connect() as other:
        client.send(render("GET", "/background"))
        client.head()
        client.socket.shutdown(socket.SHUT_WR)
        assert client.ended().endswith(b"\r\n0\r\n\r\n")
        note(server, "works")
        other.send(render("GET", "/stays"))
        note(server, "stays")
        other.close()
        # It went later: the grace of the first one is over, too.
        note(server, "is cancelled")
    assert server.get("/open-gate?work").status == 200
    note(server, "work is done")
    assert "work is cancelled" not in server.log()


def test_logger_that_fails_takes_no_request_with_it(edges):
    server = edges("--worker-connections", 3)
    for _ in range(5):
        assert server.get("/logger-raises").status == 500
    with opened(server, "logger-raises") as client:
        # A Close that says why.
        assert message(client) == (8, 2)
    assert server.stop() == 0
    # Past the logger, both are told.
    log = server.log()
    assert log.count("\nConnectionError: the error tracker is down") == 6
    assert "\nLookupError: for the tracker" in log
    assert "Worker exiting" in log


def test_request_for_which_no_task_can_be_made_is_answered(asgi):
    server = asgi("--worker-connections", 3, app="tasks:app", start=False)
    server.write("tasks.py", (
        "import asyncio\n"
        "from asgi_edges import app\n"
        "class Task(asyncio.Task):\n"
        "    made = 0\n"
        "    def __init__(self, coroutine, **keywords):\n"
        "        Task.made += 'Runner.run' in repr(coroutine)\n"
        "        if 0 < Task.made <= 5:\n"
        "            coroutine.close()\n"
        "            raise MemoryError('no task')\n"
        "        super().__init__(coroutine, **keywords)\n"
        "asyncio.Task = Task\n"
    ))
    server.start(workers=1)
    with server.connect() as client:
        client.send(render("GET", "/", OPENING))
        assert client.response().status == 500
    assert [server.get("/first-step-is-last").status for _ in range(5)] == [500] * 4 + [200]
    server.wait_log("^MemoryError: no task")
    assert server.stop() == 0

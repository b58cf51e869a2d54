"""WebSockets (RFC 6455, ASGI 2.5) under the asgi kind, with the `websockets` package as the client."""

import asyncio
import contextlib
import json
import os
import re
import select
import signal
import socket
import struct
import threading

import pytest
from harness import eventually, procs
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

pytestmark = pytest.mark.sync_only("the kind is asgi in either run")

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
OPENING = [
    ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", KEY),
]


@pytest.fixture(params=["asyncio", "uvloop"])
def sockets(serve, request):
    """Makes started servers of the application `sockets:app`."""

    def start(*args):
        return serve("-k", "asgi", "--asgi-loop", request.param, *args, app="sockets:app").start(1)

    return start


def url(server, path):
    """The address of what the application does under this path."""
    host, port = server.address()
    return f"ws://{host}:{port}/{path}"


def dial(server, path, **options):
    """A client; it tells of each step that takes too long."""
    options.setdefault("max_size", None)
    return connect(url(server, path), open_timeout=15, close_timeout=15, **options)


def raw(server, path, headers=OPENING):
    """A connection whose handshake is answered, and that answers nothing by itself."""
    connection = server.connect()
    assert connection.request("GET", f"/{path}", headers).status == 101
    return connection


def frame(opcode, payload=b"", final=True):
    """A client's frame; its mask of zeros changes nothing."""
    assert len(payload) < 126
    return bytes([opcode | (0x80 if final else 0), 0x80 | len(payload)]) + bytes(4) + payload


def masked(opcode, payload, final=True, bits=0):
    """A client's frame of any length; its mask of zeros changes nothing."""
    head = bytes([opcode | bits | (0x80 if final else 0), 0xFF]) + struct.pack("!Q", len(payload))
    assert len(payload) > 0xFFFF
    return head + bytes(4) + payload


def received(server, count=1):
    """What the application has received at last: so many messages."""
    lines = eventually(
        lambda: (found := re.findall(r"told received: (.*)", server.log())) and len(found) >= count and found,
        what=lambda: f"{count} messages were received:\n{server.log()}",
    )
    return [json.loads(line) for line in lines]


def disconnect(code, reason=""):
    return {"type": "websocket.disconnect", "code": code, "reason": reason}


def test_messages_go_both_ways(sockets):
    server = sockets()
    with dial(server, "echo") as client:
        large = ("a" * 70_000, b"b" * 10_000_000, "c" * 10_000_000)
        for message in ("", "hello", "\u00e9\U0001f600", b"", b"\0\xff", *large):
            client.send(message)
            assert client.recv(timeout=15) == message
        client.send(["in ", "three ", "parts"])
        assert client.recv(timeout=15) == "in three parts"
        assert client.ping().wait(15)
        client.close(4002, "bye")
    assert received(server) == [disconnect(4002, "bye")]
    assert server.stop() == 0


def test_many_small_messages_in_one_packet(sockets):
    server = sockets()
    with raw(server, "echo") as client:
        client.send(b"".join(frame(2, str(n).encode()) for n in range(2000)))
        expected = b"".join(bytes([0x82, len(str(n))]) + str(n).encode() for n in range(2000))
        assert client._take(len(expected)) == expected


def test_frames_that_come_with_the_handshake_count(sockets):
    server = sockets()
    with server.connect() as client:
        lines = "".join(f"{name}: {value}\r\n" for name, value in OPENING)
        client.send(f"GET /echo HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode() + frame(1, b"early"))
        assert client.response().status == 101
        assert client._take(7) == b"\x81\x05early"


def test_compression_is_agreed_upon_unless_it_is_turned_off(sockets):
    for args, names in (((), ["permessage-deflate"]), (("--no-ws-compression",), [])):
        server = sockets(*args)
        with dial(server, "echo") as client:
            assert [extension.name for extension in client.protocol.extensions] == names
            client.send("abc" * 100_000)
            assert client.recv(timeout=15) == "abc" * 100_000


def test_scope_subprotocols_and_headers(sockets):
    server = sockets()
    with dial(server, "scope_of?a=b%20c", subprotocols=["one", "two"], additional_headers={"X-Seen": "yes"}) as client:
        scope = json.loads(client.recv(timeout=15))
        assert client.subprotocol == "two"
        assert client.response.headers["x-answer"] == "42"
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=15)
    assert (scope["type"], scope["scheme"], scope["http_version"]) == ("websocket", "ws", "1.1")
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}
    assert (scope["path"], scope["query_string"]) == ("/scope_of", repr(b"a=b%20c"))
    assert scope["subprotocols"] == ["one", "two"]
    assert ["x-seen", "yes"] in scope["headers"]
    assert scope["extensions"] == {"websocket.http.response": {}}
    assert "method" not in scope
    with dial(server, "scope_of") as client:
        assert json.loads(client.recv(timeout=15))["subprotocols"] == []
        assert client.subprotocol is None


def test_application_refuses(sockets):
    server = sockets("--access-logfile", "-")
    with pytest.raises(InvalidStatus) as refused:
        dial(server, "refuse")
    assert refused.value.response.status_code == 403
    assert received(server) == [disconnect(1006)]
    with pytest.raises(InvalidStatus) as refused:
        dial(server, "deny")
    response = refused.value.response
    assert (response.status_code, response.headers["x-why"], response.body) == (401, "because", b"not you")
    with dial(server, "returning"):
        pass
    for path, status in (("refuse", 403), ("deny", 401), ("returning", 101)):
        server.wait_log(rf'"GET /{path} HTTP/1.1" {status} ', "stdout")
        assert len(re.findall(f"/{path} ", server.log("stdout"))) == 1


@pytest.mark.parametrize(
    ("path", "status", "line"),
    [
        ("silent", 403, "ASGI: the application has returned without answering the WebSocket's handshake"),
        ("failing", 500, "Exception in ASGI application at GET /failing"),
    ],
)
def test_application_ends_without_an_answer(sockets, path, status, line):
    server = sockets()
    with pytest.raises(InvalidStatus) as refused:
        dial(server, path)
    assert refused.value.response.status_code == status
    server.wait_log(re.escape(line))
    assert server.log().count("ASGI") == 1


@pytest.mark.parametrize(("path", "code"), [("returning", 1000), ("failing_later", 1011), ("closing", 4001)])
def test_application_ends_an_open_one(sockets, path, code):
    server = sockets()
    with dial(server, path) as client:
        with pytest.raises(ConnectionClosed):
            while True:
                client.recv(timeout=15)
        assert client.close_code == code
    if path == "closing":
        assert client.close_reason == "enough"
        assert received(server) == [disconnect(4001, "enough")]
        assert server.log().count("told raised: RuntimeError: ") == 2
    assert server.log().count("Exception in ASGI") == (path == "failing_later")


def test_messages_in_the_wrong_order(sockets):
    server = sockets()
    with dial(server, "disorderly") as client:
        assert client.recv(timeout=15) == "done"
    kinds = re.findall(r"told raised: (\w+): ", server.log())
    assert kinds == ["RuntimeError"] * 3 + ["ValueError"] * 2 + ["RuntimeError"] * 2 + ["ValueError"] * 2


@pytest.mark.parametrize(
    ("change", "status", "rule"),
    [
        ({"Sec-WebSocket-Version": "8"}, 426, "websocket-version-unsupported"),
        ({"Sec-WebSocket-Key": "short"}, 400, "websocket-key"),
    ],
)
def test_bad_handshake_is_refused_by_the_server(sockets, change, status, rule):
    server = sockets("--access-logfile", "-")
    response = server.request("GET", "/echo", {**dict(OPENING), **change}.items())
    assert (response.status, response.closed) == (status, True)
    assert (response.get("sec-websocket-version") == "13") == (status == 426)
    server.wait_log(f"Invalid request from ip=127.0.0.1: {rule}")
    server.wait_log(rf'"GET /echo HTTP/1.1" {status} ', "stdout")


def test_how_clients_end(sockets):
    server = sockets()
    with raw(server, "echo") as client:
        client.send(frame(8))
        assert client.ended() == b"\x88\x00"
    assert received(server)[-1] == disconnect(1005)
    with raw(server, "echo"):
        pass
    assert received(server, 2)[-1] == disconnect(1006)
    with raw(server, "echo") as client:
        # It is closed by a reset.
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert received(server, 3)[-1] == disconnect(1006)
    with raw(server, "echo") as client:
        client.send(frame(1, b"\xff"))
        assert client.ended().startswith(b"\x88")
    assert received(server, 4)[-1]["code"] == 1007
    server.wait_log("Invalid WebSocket frame from ip=127.0.0.1: UTF-8")
    assert "Exception" not in server.log()


def test_message_that_is_too_long(sockets):
    server = sockets("--websocket-max-message-size", 1000)
    with dial(server, "echo") as client:
        client.send("a" * 1000)
        assert client.recv(timeout=15) == "a" * 1000
        client.send("a" * 1001)
        with pytest.raises(ConnectionClosedError):
            client.recv(timeout=15)
        assert client.close_code == 1009
    assert received(server)[0]["code"] == 1009


def test_silent_clients_are_asked(sockets):
    server = sockets("--ws-ping-interval", 1, "--ws-ping-timeout", 1)
    with dial(server, "echo", ping_interval=None) as alive, raw(server, "echo") as dead:
        assert dead._take(2) == b"\x89\x00"
        assert dead.ended().startswith(b"\x88")
        assert received(server) == [disconnect(1006)]
        alive.send("still here")
        assert alive.recv(timeout=15) == "still here"


def test_slow_reader_holds_up_the_sender(sockets):
    server = sockets("--no-ws-compression")
    with raw(server, "flood") as client:
        server.wait_log("told sent: 0")
        with dial(server, "echo") as other:
            other.send("anybody?")
            assert other.recv(timeout=15) == "anybody?"
        assert server.log().count("told sent") < 20
        for _ in range(64):
            assert client._take(10)[:2] == b"\x82\x7f"
            assert len(client._take(1 << 20)) == 1 << 20
    server.wait_log("told sent: 63")


def test_sender_learns_that_the_client_has_gone(sockets):
    server = sockets("--no-ws-compression")
    with raw(server, "flood"):
        server.wait_log("told sent: 0")
    server.wait_log("told broken: ConnectionResetError")
    assert "Exception" not in server.log()


def test_tasks_send_at_the_same_time(sockets):
    server = sockets()
    with dial(server, "chatter") as client:
        assert sorted(client.recv(timeout=15)[0] for _ in range(20)) == list(range(20))
    server.wait_log("told chattered")


def test_slow_application_holds_up_the_client(sockets):
    server = sockets("--no-ws-compression")
    with dial(server, "gated", compression=None) as client:
        sender = threading.Thread(target=lambda: [client.send(bytes(256 * 1024)) for _ in range(200)])
        sender.start()
        with dial(server, "echo") as other:
            other.send("anybody?")
            assert other.recv(timeout=15) == "anybody?"
        worker = server.workers()[0]
        assert resident(worker) < 100 << 20 and sender.is_alive()
        with dial(server, "open_gate"):
            pass
        assert client.recv(timeout=15) == str(200 * 256 * 1024)
        sender.join()


def resident(pid):
    """Bytes of memory that a process has (proc(5))."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_receive_that_is_given_up_loses_no_message(sockets):
    server = sockets()
    with dial(server, "impatient") as client:
        for number in range(300):
            client.send(str(number))
        assert client.recv(timeout=15) == "True"


def test_a_hundred_at_once(sockets):
    server = sockets()

    async def one(number):
        async with connect_async(url(server, "echo"), open_timeout=15) as client:
            for turn in range(10):
                await client.send(f"{number} {turn}")
                assert await client.recv() == f"{number} {turn}"

    async def everybody():
        await asyncio.wait_for(asyncio.gather(*(one(number) for number in range(100))), 60)

    asyncio.run(everybody())
    assert received(server, 100) == [disconnect(1000)] * 100


def closed(client):
    """The code by which the server has closed."""
    with pytest.raises(ConnectionClosed):
        client.recv(timeout=15)
    return client.close_code


def test_stop_tells_clients_and_application(sockets):
    server = sockets()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(dial(server, "echo")) for _ in range(5)]
        stack.enter_context(raw(server, "echo"))
        server.signal(signal.SIGTERM)
        assert [closed(client) for client in clients] == [1012] * 5
        # The sixth does not answer; it is not waited for without end.
        assert server.wait_exit() == 0
    assert received(server) == [disconnect(1012)] * 6


def test_reload_tells_the_clients_of_the_old_workers(sockets):
    server = sockets()
    old = server.workers()
    with dial(server, "echo") as client:
        server.signal(signal.SIGHUP)
        assert closed(client) == 1012
    server.wait_workers(1, without=old)
    with dial(server, "echo") as client:
        client.send("again")
        assert client.recv(timeout=15) == "again"


def test_an_idle_one_is_small(sockets):
    server = sockets()
    (worker,) = server.workers()
    with contextlib.ExitStack() as stack:
        open_many(stack, server, 100)
        before = procs.private_bytes(worker)
        open_many(stack, server, 800)
        each = (procs.private_bytes(worker) - before) / 800
    # The scope, the task and the frames of the application are in it.
    assert each < 12_000, each


def open_many(stack, server, count):
    """Opens so many WebSockets, and waits until their application waits, too."""
    clients = [stack.enter_context(raw(server, "echo")) for _ in range(count)]
    for client in clients:
        client.send(frame(9))
        assert client._take(2) == b"\x8a\x00"


MB = 1 << 20


def small_echoes(server, count=50):
    """A client with small messages is served meanwhile."""
    with dial(server, "echo") as client:
        for number in range(count):
            client.send(str(number))
            assert client.recv(timeout=15) == str(number)


def has_answer(client):
    """Whether something of an answer has come."""
    return bool(select.select([client.socket], [], [], 0)[0])


def test_messages_in_progress_share_the_memory_of_the_worker(sockets):
    """One who finds no memory waits until another gives it back; those who need none go on."""
    server = sockets("--buffer-memory", 1 << 20)
    [worker] = server.workers()
    with raw(server, "echo") as first, raw(server, "echo") as second:
        first.send(masked(2, bytes(700_000), final=False))
        # The application has no message of it: that it has been read shows in the memory.
        small_echoes(server)
        second.send(masked(2, b"2" * 400_000))
        small_echoes(server)
        assert not has_answer(second)
        before = procs.private_bytes(worker)
        with contextlib.ExitStack() as others:
            for _ in range(40):
                others.enter_context(raw(server, "echo")).send(masked(2, bytes(200_000), final=False)[:150_000])
            small_echoes(server)
            assert procs.private_bytes(worker) - before < 40 * (48 << 10), "each keeps no more than a few pages"
        first.send(masked(0, bytes(70_000)))
        assert first._take(10) == b"\x82\x7f" + struct.pack("!Q", 770_000)
        assert first._take(770_000) == bytes(770_000)
        assert second._take(10) == b"\x82\x7f" + struct.pack("!Q", 400_000)
        assert second._take(400_000) == b"2" * 400_000


def test_one_who_gets_no_memory_in_time_is_told_to_try_again(sockets):
    server = sockets("--buffer-memory", 1 << 20, "--client-send-timeout", 1)
    with raw(server, "echo") as first, raw(server, "echo") as second:
        first.send(masked(2, bytes(700_000), final=False))
        small_echoes(server)
        second.send(masked(2, bytes(400_000)))
        assert second._take(4)[2:] == struct.pack("!H", 1013)
        first.send(masked(0, bytes(70_000)))
        assert first._take(10) == b"\x82\x7f" + struct.pack("!Q", 770_000)
    assert disconnect(1013, "the server has no memory left") in received(server)
    server.wait_log("A WebSocket of ip=127.0.0.1 is closed: the server has no memory left")


def test_a_message_larger_than_all_the_memory_is_refused_at_once(sockets):
    server = sockets("--buffer-memory", 1 << 20)
    with dial(server, "echo") as client:
        client.send(bytes(900_000))
        assert client.recv(timeout=15) == bytes(900_000)
        with pytest.raises(ConnectionClosedError) as closed:
            client.send([bytes(100_000)] * 30)
            client.recv(timeout=15)
    assert closed.value.rcvd.code == 1009


def test_what_unfolds_beyond_the_memory_is_dropped(sockets):
    """The bytes that come are few; what they are decompressed to has no room beside what others hold."""
    server = sockets("--buffer-memory", 1 << 20)
    with raw(server, "echo") as first, dial(server, "echo") as client:
        first.send(masked(2, bytes(700_000), final=False))
        small_echoes(server)
        with pytest.raises(ConnectionClosedError) as closed:
            client.send(bytes(900_000))
            client.recv(timeout=15)
        assert closed.value.rcvd.code == 1013
        small_echoes(server)
    with dial(server, "echo") as client, pytest.raises(ConnectionClosedError) as closed:
        client.send(bytes(10_000_000))
        client.recv(timeout=15)
    assert closed.value.rcvd.code == 1009

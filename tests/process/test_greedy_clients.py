"""What fast and many clients cannot do: take all of a worker, or all of its places. While they try, normal clients, each
on a connection of its own, are answered within a second by the one worker that there is."""

import os
import socket
import time
from contextlib import ExitStack

import pytest

from harness import KINDS, OURS, WORKER, Background, Server, app_of, eventually, procs, render
from harness.patrol import HELLO, Patrol

pytestmark = pytest.mark.skipif(WORKER != "sync", reason="these name the kind themselves")

MB = 1_000_000
PLACES = 20
"""Connections that a worker with a small table has."""
STALL_SECONDS = 4.0
"""Longest that a newcomer waits where all who are there have begun to send or to receive."""
BUFFER_BYTES = 4 << 20
"""What a worker may hold for one that is as fast as it can."""


@pytest.fixture(params=KINDS)
def serve_kind(request, serve):
    """`serve_kind("--threads", 2)` is a server of each kind with one worker; it must end with the same one."""
    started = []

    def start(*args):
        server = serve("--workers", 1, "-k", request.param, *args, app=app_of(request.param, "probe")).start(workers=1)
        started.append((server, server.workers()))
        return server

    yield start
    for server, workers in started:
        assert server.workers() == workers, server.log()


@pytest.fixture
def attack():
    """Closes the attackers' connections after the test."""
    with ExitStack() as stack:
        yield stack


class Greedy(Background):
    """A client on a thread of its own, which runs `work(connection, ending)`; `ending` is set when it is to stop."""

    def __init__(self, server, work):
        super().__init__()
        self.connection = server.connect()
        self.work = work
        self.result = None

    def __exit__(self, *exception):
        super().__exit__(*exception)
        self.connection.close()

    def run(self):
        self.result = self.work(self.connection, self.ending)

    def is_done(self, timeout=0.0):
        """Waits up to `timeout` seconds until the client is done; returns whether it is."""
        self.thread.join(timeout)
        return not self.thread.is_alive()


def hole(server, size):
    """A file of so many bytes, which takes no room on the disk."""
    with server.path("large").open("wb") as file:
        file.truncate(size)
    return server.path("large")


def upload(head, path, times=1, end=b""):
    """Sends this head, the file so often, and the end, as fast as it goes: the kernel does it; gives the answer."""

    def work(connection, ending):
        connection.send(head)
        connection.socket.setblocking(True)
        with path.open("rb") as file:
            for _ in range(times):
                file.seek(0)
                while not ending.is_set() and os.sendfile(connection.socket.fileno(), file.fileno(), None, 8 * MB):
                    pass
        return connection.send(end).response()

    return work


def head_of(length, size):
    """The head of an upload of `size` bytes, so many bytes long."""
    start = render("POST", "/take", {"Content-Length": str(size)}).removesuffix(b"\r\n")
    fields = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 5000) for number in range(2))
    last = b"X-Last: " + b"x" * (length - len(start + fields) - len(b"X-Last: \r\n\r\n")) + b"\r\n\r\n"
    return start + fields + last


def test_body_behind_a_head_that_fills_the_buffer(serve_kind, attack):
    server = serve_kind()
    patrol = Patrol(server)
    patrol.expect(1, BUFFER_BYTES)
    head = head_of(16 * 1024 - 1, 60 * MB)
    assert len(head) == 16_383
    greedy = attack.enter_context(Greedy(server, upload(head, hole(server, 60 * MB))))
    patrol.until_done(greedy, timeout=10)
    assert greedy.result.body == b"taken\n"


def upload_by_length(server):
    """A long body of which the server copies every byte into a file."""
    return upload(render("POST", "/take", {"Content-Length": str(1000 * MB)}), hole(server, 1000 * MB))


def upload_in_chunks(server):
    """A body that is more work for the server than for anybody who sends it: chunks of one byte."""
    server.path("chunks").write_bytes(b"1\r\nx\r\n" * MB)
    head = render("POST", "/take", {"Transfer-Encoding": "chunked"})
    return upload(head, server.path("chunks"), 50, b"0\r\n\r\n")


@pytest.mark.parametrize("work", [upload_by_length, upload_in_chunks])
def test_upload_as_fast_as_it_goes(serve_kind, attack, work):
    server = serve_kind()
    patrol = Patrol(server)
    patrol.expect(1, BUFFER_BYTES)
    greedy = attack.enter_context(Greedy(server, work(server)))
    requests = patrol.until_done(greedy, timeout=60)
    assert greedy.result.body == b"taken\n"
    assert requests > 3, "the others had their turns meanwhile"


def swallow(connection, ending):
    """Takes what comes, faster than anybody can send it: the kernel throws it away (tcp(7), `MSG_TRUNC`)."""
    connection.send(render("GET", "/file?name=large"))
    block, taken = bytearray(MB), 0
    while not ending.is_set() and (length := connection.socket.recv_into(block, MB, socket.MSG_TRUNC)):
        taken += length
    return taken


def test_readers_as_fast_as_it_goes(serve_kind, attack):
    server = serve_kind()
    hole(server, 50_000 * MB)
    patrol = Patrol(server)
    patrol.expect(2, BUFFER_BYTES)
    readers = [attack.enter_context(Greedy(server, swallow)) for _ in range(2)]
    for _ in range(30):
        patrol.request()
    assert not any(reader.is_done() for reader in readers), "the attack has lasted"


def test_full_table_of_silent_senders(serve_kind, attack):
    server = serve_kind("--worker-connections", PLACES)
    patrol = Patrol(server)
    for _ in range(PLACES):
        client = attack.enter_context(server.connect())
        client.send(render("POST", "/echo", {"Content-Length": "2"}) + b"x")
    eventually(lambda: procs.sockets(server.workers()[0]) >= PLACES, what="all are connected")
    patrol.request(STALL_SECONDS)
    # The others have not moved since, either.
    patrol.request()


def test_full_table_of_refused_clients_that_stay(serve_kind, attack):
    server = serve_kind("--worker-connections", PLACES)
    patrol = Patrol(server)
    for _ in range(3):
        clients = [attack.enter_context(server.connect()) for _ in range(PLACES)]
        for client in clients:
            client.send(b"X\r\n\r\n")
        patrol.request()
    for _ in range(10):
        patrol.request()


def test_reader_that_only_trickles(serve_kind, attack):
    size, rate = 51_200_000, 10 * MB
    server = serve_kind("--client-min-rate", rate, "--client-send-timeout", 1)
    client = attack.enter_context(server.connect())
    client.send(render("GET", f"/block?size={size}"))
    assert server.get("/").body == HELLO, "the application is done with it"
    taken, due, began = 0, time.monotonic(), time.monotonic()
    while data := client.socket.recv(rate // 80):
        taken += len(data)
        # Half of the rate, and never a pause that would be too long.
        due += len(data) / (rate / 2)
        eventually(lambda due=due: time.monotonic() >= due, what="time goes by")
    assert taken < size
    assert time.monotonic() - began < size / (rate / 2)

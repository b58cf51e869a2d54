"""What slow and hostile clients cannot do: hold a worker, or make it grow. While each attack lasts, normal clients,
each on a connection of its own, are answered within a second; afterwards the attackers get what is theirs."""

import resource
import socket
import struct
import time
from contextlib import ExitStack
from itertools import cycle, islice
from zlib import crc32

import pytest

from harness import OURS, Crowd, Server, app_of, eventually, render
from harness.procs import descriptors, private_bytes

KINDS = ["sync", "asgi"]
"""The worker kinds that the attacks are made on."""
WORKERS = 2
FILES = 4096
"""Descriptors that the clients may need."""
OWN_FILES = 10
"""Descriptors that a worker may open for itself after it has loaded its application: its event loop's."""
ANSWER_SECONDS = 1.0
"""Longest that a normal client waits."""

SLACK_BYTES = 4 << 20
"""What a worker may grow by whatever happens."""
HEAD_BYTES = 20 << 10
"""What it may hold for a client that has sent no more than a head, good or bad;"""
BODY_BYTES = 640 << 10
"""for one that sends a body, of which the longer part lies in a file;"""
RESPONSE_BYTES = 1280 << 10
"""for one that reads a response."""

HELLO = b"Hello, World!\n"
LARGE = 20 << 20
"""Size of a response that no buffer of the kernel holds (tcp(7): `tcp_wmem`, `tcp_rmem`)."""
BLOCK = bytes(range(256))
CLOSE = {"Connection": "close"}


class Patrol:
    """The normal clients of a server under attack."""

    def __init__(self, server):
        self.server = server
        self.address = server.address()
        self.workers = server.workers()
        self.waited()
        self.descriptors = self._descriptors()
        self.most_bytes = max(self._memory()) + SLACK_BYTES

    def expect(self, attackers, each_bytes):
        """Lets a worker hold so many bytes of its own for each of so many attackers."""
        self.most_bytes += attackers * each_bytes

    def request(self):
        """One normal request; what its client and the workers feel of the attack is within bounds."""
        waited, held = self.waited(), self._memory()
        assert waited < ANSWER_SECONDS, f"a normal client has waited {waited:.1f} s"
        assert max(held) < self.most_bytes, f"workers hold {held} bytes, at most {self.most_bytes} are good"

    def until_done(self, crowd, timeout):
        """Normal requests until all of a crowd are done."""
        deadline = time.monotonic() + timeout
        while not crowd.is_done(timeout=0.05):
            self.request()
            assert time.monotonic() < deadline, f"not done within {timeout} s"

    def waited(self):
        """How many seconds a normal request takes on a connection of its own."""
        began = time.monotonic()
        response = self.server.get("/", address=self.address)
        assert (response.status, response.body) == (200, HELLO)
        return time.monotonic() - began

    def is_calm(self):
        """Whether the workers have closed all connections of the attack."""
        return self._descriptors() <= self.descriptors + WORKERS * OWN_FILES

    def _memory(self):
        return [private_bytes(pid) for pid in self.workers]

    def _descriptors(self):
        return sum(descriptors(pid) for pid in self.workers)


@pytest.fixture(scope="module", autouse=True)
def many_files():
    """Lets this process have as many connections as the attacks need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(params=KINDS)
def server(request):
    """A server of each kind, which must end as it began: with the same workers."""
    args = ("--workers", WORKERS, "-k", request.param, "--keep-alive", 60)
    with Server(OURS, *args, app=app_of(request.param, "probe")) as server:
        workers = server.start(workers=WORKERS).workers()
        yield server
        assert server.workers() == workers, server.log()


@pytest.fixture
def patrol(server):
    return Patrol(server)


@pytest.fixture
def attack():
    """Closes the attackers' connections after the test."""
    with ExitStack() as stack:
        yield stack


def slow_head(ending):
    """A head that goes on until it may end, a byte at a time."""
    start = render("GET", "/", CLOSE).removesuffix(b"\r\n") + b"X-Slow: "
    yield from (start[at : at + 1] for at in range(len(start)))
    while not ending.is_set():
        yield b"x"
    yield b"\r\n\r\n"


def test_slow_heads_and_idle_connections(server, patrol, attack):
    patrol.expect(200 + 400, HEAD_BYTES)
    idle = [attack.enter_context(server.connect(patrol.address)) for _ in range(200)]
    assert all(client.request("GET", "/").body == HELLO for client in idle)
    crowd = attack.enter_context(Crowd(patrol.address, 400, slow_head, beat=0.03))
    for _ in range(100):
        # Between two normal requests each of the slow heads has become longer.
        beats = crowd.beats
        eventually(lambda beats=beats: crowd.beats > beats, what="all slow clients send")
        patrol.request()
    assert all(is_complete(answer, HELLO) for answer in crowd.answers())
    assert all(client.request("GET", "/").body == HELLO for client in idle)
    patrol.request()


def slow_upload(_ending):
    """1 MB in ten steps; at a beat of a second it takes ten seconds."""
    step = BLOCK[:250] * 400
    yield render("POST", "/count", {**CLOSE, "Content-Length": str(10 * len(step))})
    for _ in range(10):
        yield step


def test_slow_uploads(patrol, attack):
    patrol.expect(16, BODY_BYTES)
    crowd = attack.enter_context(Crowd(patrol.address, 16, slow_upload, beat=1.0))
    patrol.until_done(crowd, timeout=40)
    assert crowd.beats > 10
    uploaded = BLOCK[:250] * 4000
    expected = f"{len(uploaded)} {crc32(uploaded)}".encode()
    assert all(is_complete(answer, expected) for answer in crowd.answers())


def is_complete(answer, body):
    """Whether the bytes are a good response with this body and its length, and no more."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    return head.startswith(b"HTTP/1.1 200 ") and rest == body and b"content-length: %d" % len(body) in head.lower()


class Reader:
    """A client that takes its response as slowly as it likes."""

    def __init__(self, connection, target):
        self.connection = connection.send(render("GET", target, CLOSE))
        self.received = bytearray()

    def take(self, most):
        """Takes some bytes; returns whether there were any."""
        data = self.connection.socket.recv(most)
        self.received += data
        return bool(data)

    def body(self):
        """Takes all that is left; returns the body."""
        while self.take(1 << 20):
            pass
        head, _, body = self.received.partition(b"\r\n\r\n")
        return unchunked(body) if b"transfer-encoding: chunked" in head.lower() else body


def unchunked(data):
    """The body of chunks that are complete (RFC 9112, section 7.1)."""
    body, at = bytearray(), 0
    while True:
        line_end = data.index(b"\r\n", at)
        size, at = int(data[at:line_end], 16), line_end + 2
        body += data[at : at + size]
        at += size
        assert data[at : at + 2] == b"\r\n"
        at += 2
        if size == 0:
            assert at == len(data)
            return body


@pytest.mark.parametrize("target, of_application", [
    pytest.param("/file?name=large", 0, id="file"),
    pytest.param(f"/block?size={LARGE}", LARGE, id="block"),
    pytest.param(f"/large?size={LARGE}", 0, id="generator"),
    pytest.param(f"/large?size={LARGE}&length=none", 0, id="generator-without-length"),
])
def test_slow_readers(server, patrol, attack, target, of_application):
    expected = BLOCK * (LARGE // len(BLOCK))
    server.path("large").write_bytes(expected)
    patrol.expect(1, of_application)
    patrol.expect(2 * WORKERS, RESPONSE_BYTES)
    readers = []
    for _ in range(2 * WORKERS):
        readers.append(Reader(attack.enter_context(server.connect(patrol.address)), target))
        assert readers[-1].take(1)
        patrol.request()
    for _ in range(25):
        assert all(reader.take(4096) for reader in readers)
        patrol.request()
    assert all(reader.body() == expected for reader in readers)
    patrol.request()


@pytest.mark.parametrize("reset", [False, True], ids=["closes", "resets"])
def test_vanished_client_ends_its_generator(server, patrol, reset):
    patrol.expect(1, RESPONSE_BYTES)
    gate = server.path("gate")
    with server.connect() as client:
        client.send(render("GET", f"/left?gate={gate}"))
        assert client.head().status == 200
        if reset:
            # No time to linger: close(2) sends a reset (socket(7), SO_LINGER).
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    for _ in range(10):
        patrol.request()
    gate.touch()
    taken = int(server.wait_log(r"probe left after (\d+) of 1024 blocks")[1])
    assert taken < 1024
    for _ in range(10):
        patrol.request()


BAD = [
    (400, b"GET / HTTP/1.1\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"),
    (501, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
    (505, b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
]


def test_refused_clients_that_do_not_leave(server, patrol, attack):
    patrol.expect(1000, HEAD_BYTES)
    for number, (status, message) in enumerate(islice(cycle(BAD), 1000)):
        client = attack.enter_context(server.connect(patrol.address))
        assert client.send(message).head().status == status
        if number % 10 == 0:
            patrol.request()
    eventually(patrol.is_calm, what="the workers have closed what they refused")
    patrol.request()


def endless_nonsense(ending):
    """A message that is refused, and bytes behind it that do not end before the connection does."""
    yield BAD[0][1]
    while not ending.is_set():
        yield b"x"


def test_refused_clients_that_go_on_sending(patrol, attack):
    patrol.expect(200, HEAD_BYTES)
    crowd = attack.enter_context(Crowd(patrol.address, 200, endless_nonsense, beat=0.05))
    patrol.until_done(crowd, timeout=20)
    assert all(client.received.startswith(b"HTTP/1.1 400 ") for client in crowd.clients)
    eventually(patrol.is_calm, what="the workers have closed what they refused")

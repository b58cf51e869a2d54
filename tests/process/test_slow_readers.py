"""Readers that are slower than the application: what they hold of a worker, and the thread that sends to them."""

import pytest

APP = '''
import os
import resource

PART = bytes(range(256)) * 4096


def app(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return BODIES.get(environ["PATH_INFO"], lambda write: [b"hello"])(write)


def stream(write):
    for _ in range(24):
        yield PART


def forking(write):
    for _ in range(8):
        yield PART
    child = os.fork()
    if child == 0:
        try:
            write(b"from the child")
        except BrokenPipeError:
            os._exit(7)
        os._exit(1)
    yield b"child: %d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for _ in range(8):
        yield PART


def starved(write):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
    try:
        for _ in range(24):
            yield PART
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def threads(write):
    for _ in range(30):
        yield PART[:10_000]
    yield b"threads: %d" % len(os.listdir("/proc/self/task"))


BODIES = {
    "/large": lambda write: [PART * 64],
    "/stream": stream,
    "/forking": forking,
    "/starved": starved,
    "/threads": threads,
}
os.write(2, b"probe loaded in %d\\n" % os.getpid())
'''
PART = bytes(range(256)) * 4096


@pytest.fixture
def server(serve):
    server = serve(app="slow:app", apps=False)
    server.write("slow.py", APP)
    return server.start(workers=1)


def ask(client, target):
    """By HTTP/1.0, so that the body is what comes until the end."""
    client.send(f"GET {target} HTTP/1.0\r\n\r\n")


def body(client):
    """The answer's body, read without delay."""
    parts = []
    while part := client.socket.recv(1024 * 1024):
        parts.append(part)
    return b"".join(parts).partition(b"\r\n\r\n")[2]


def get(server, target):
    with server.connect() as client:
        ask(client, target)
        return body(client)


def test_slow_reader_of_a_stream_does_not_hold_the_worker(server):
    with server.connect() as first, server.connect() as second:
        for reader in (first, second):
            ask(reader, "/stream")
        assert get(server, "/") == b"hello"
        for reader in (first, second):
            assert body(reader) == PART * 24


@pytest.mark.sync_only("on threads the second request does not wait for the first")
def test_fork_of_the_application_sends_nothing(server):
    with server.connect() as reader:
        ask(reader, "/forking")
        # The application is done with the first request when it answers the second one.
        assert get(server, "/") == b"hello"
        assert body(reader) == PART * 8 + b"child: 7" + PART * 8


def test_stream_without_descriptors_goes_at_its_readers_pace(server):
    assert get(server, "/starved") == PART * 24
    assert get(server, "/stream") == PART * 24


@pytest.mark.sync_only("on threads the second request does not wait for the first")
def test_large_bodies_of_slow_readers_are_not_kept_in_memory(server):
    [worker] = server.workers()

    def memory():
        with open(f"/proc/{worker}/status") as status:
            [line] = [line for line in status if line.startswith("RssAnon:")]
        return int(line.split()[1]) * 1024

    before = memory()
    readers = [server.connect() for _ in range(5)]
    for reader in readers:
        ask(reader, "/large")
    assert get(server, "/") == b"hello"
    assert memory() - before < len(PART) * 16
    for reader in readers:
        assert body(reader) == PART * 64
        reader.close()


@pytest.mark.sync_only("it counts threads")
def test_readers_that_keep_up_cost_no_thread(server):
    assert get(server, "/threads") == PART[:10_000] * 30 + b"threads: 1"

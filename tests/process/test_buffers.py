"""Where a worker keeps what waits, and how much of it: the settings `tmp_upload_dir`, `buffer_memory`, `buffer_disk` and
`sendfile`."""

import fcntl
import os
import sys
import tempfile
import termios
from contextlib import ExitStack, contextmanager

import pytest

from harness import eventually, procs, render

MB = 1_000_000


def unnamed_files(pid, directory):
    """How many files without a name `pid` has open in this directory (proc_pid_fd(5))."""
    count = 0
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{number}")
        except FileNotFoundError:
            continue
        count += target.startswith(f"{directory}/") and target.endswith(" (deleted)")
    return count


def test_long_bodies_lie_in_the_upload_directory(serve):
    server = serve("--config", "own.py")
    directory = server.path("uploads")
    directory.mkdir()
    server.write("own.py", f"tmp_upload_dir = {str(directory)!r}\n")
    [worker] = server.start(workers=1).workers()
    with server.connect() as client:
        client.send(render("POST", "/count", {"Content-Length": str(2 * MB)}) + bytes(MB))
        eventually(lambda: unnamed_files(worker, directory) == 1, what="the body is kept there")
        assert os.listdir(directory) == [], "it has no name"
        client.send(bytes(MB))
        assert client.response().body.startswith(b"%d " % (2 * MB))
    eventually(lambda: unnamed_files(worker, directory) == 0, what="it goes with its request")


POSITION = '''
import os

os.write(2, b"probe loaded in %d\\n" % os.getpid())


def app(environ, start_response):
    class Telling(environ["wsgi.file_wrapper"]):
        def close(self):
            os.write(2, b"the file was read up to %d\\n" % self.filelike.tell())
            super().close()

    start_response("200 OK", [])
    return Telling(open("large", "rb"))
'''


@pytest.mark.parametrize("flags, position", [((), 0), (("--no-sendfile",), 100_000)], ids=["sendfile", "no-sendfile"])
def test_files_are_read_where_the_kernel_may_not_send_them(serve, flags, position):
    server = serve(*flags, app="telling:app", apps=False)
    server.write("telling.py", POSITION)
    server.path("large").write_bytes(b"x" * 100_000)
    server.start(workers=1)
    assert server.get("/").body == b"x" * 100_000
    server.wait_log(rf"the file was read up to {position}$")


@contextmanager
def unfinished(server, count, size):
    """So many uploads of `size` bytes, which the server has, and one more, which does not come."""
    with ExitStack() as stack:
        head = render("POST", "/count", {"Content-Length": str(size + 1)})
        clients = [stack.enter_context(server.connect()).send(head + bytes(size)) for _ in range(count)]
        eventually(lambda: not any(map(unsent, clients)), what="all has arrived")
        # Who comes later is served later.
        assert server.get("/").status == 200
        yield clients


def unsent(client):
    """Bytes that the other end's system has not received (tcp(7), `SIOCOUTQ`)."""
    return int.from_bytes(fcntl.ioctl(client.socket, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def test_bodies_beyond_the_bound_in_files_are_refused(serve):
    server = serve("--buffer-disk", MB).start(workers=1)
    [worker] = server.workers()
    assert server.request("POST", "/count", body=bytes(MB)).status == 200
    assert server.request("POST", "/count", body=bytes(MB + 1)).status == 503
    # What is short stays in memory, whatever others have in files.
    with unfinished(server, 1, MB - 1) as [client]:
        assert unnamed_files(worker, tempfile.gettempdir()) == 1
        assert server.request("POST", "/count", body=bytes(600_000)).status == 503
        assert server.request("POST", "/count", body=bytes(100_000)).status == 200
        client.send(b"x")
        assert client.response().status == 200
    has_room(server, MB)


def has_room(server, size):
    """Waits until such a body is taken: what an earlier one held is given back after its client has the response."""
    eventually(lambda: server.request("POST", "/count", body=bytes(size)).status == 200, what="there is room")


def test_bodies_beyond_the_bound_in_memory_are_kept_in_files(serve):
    server = serve("--buffer-memory", 1 << 20).start(workers=1)
    [worker] = server.workers()
    server.request("POST", "/count", body=bytes(400_000))
    before = procs.private_bytes(worker)
    with unfinished(server, 40, 400_000) as clients:
        assert unnamed_files(worker, tempfile.gettempdir()) >= 38
        held = procs.private_bytes(worker) - before
        assert held < (1 << 20) + 40 * (36 << 10) + (2 << 20), f"{held} bytes"
        for client in clients:
            client.send(b"x")
            assert client.response().body.startswith(b"400001 ")


def test_bodies_beyond_both_bounds_are_refused(serve):
    server = serve("--buffer-memory", 1 << 20, "--buffer-disk", 0).start(workers=1)
    with unfinished(server, 2, 400_000) as clients:
        assert server.request("POST", "/count", body=bytes(400_000)).status == 503
        for client in clients:
            client.send(b"x")
            assert client.response().body.startswith(b"400001 ")
    has_room(server, 400_000)
    assert server.request("POST", "/count", body=bytes(2 * MB)).status == 503

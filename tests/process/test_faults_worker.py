"""Faults that meet a worker: it is orphaned, it hangs where no request runs, it is told twice to end."""

import os
import re
import signal
import socket
import time
from contextlib import suppress

import pytest

from harness import WORKER, eventually
from harness.procs import alive

HANG = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the user")

STUBBORN = (
    "import signal, time\n"
    "signal.signal(signal.SIGALRM, lambda *_: None)\n"
    "def hang(environ, start_response):\n"
    "    os.write(2, b'it hangs\\n')\n"
    "    while True:\n"
    "        signal.alarm(0)\n"
    "        time.sleep(0.1)\n"
)


def status(pid):
    """Fields of `/proc/PID/status` (proc(5))."""
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


@pytest.fixture
def public(serve):
    """Makes servers whose directory the user `nobody` may enter."""

    def make(*args, **options):
        server = serve(*args, **options)
        server.directory.chmod(0o755)
        return server

    return make


@pytest.mark.parametrize("user", [(), pytest.param(("--user", "nobody"), marks=AS_ROOT)])
def test_no_hung_worker_outlives_its_master(public, own_app, user):
    server = public(*user, "--graceful-timeout", 1, app="own:hang", apps=False)
    server.write("own.py", own_app("unused") + STUBBORN)
    server.start(workers=1)
    with server.connect() as connection:
        connection.send(HANG)
        server.wait_log("it hangs")
        server.signal(signal.SIGKILL)
        server.wait_exit()
        eventually(lambda: server.processes() == [], what="the hung worker has ended")


@AS_ROOT
@pytest.mark.parametrize("args, groups", [
    (("--user", "nobody"), {"0", None}), (("--group", "65534"), {"65534"}),
    (("--user", "nobody", "--group", "65534"), {"65534"}), (("--user", "54321"), {"0"}),
])
def test_supplementary_groups_of_root_are_given_up(public, own_app, args, groups):
    server = public(*args, app="own:app", apps=False)
    server.write("own.py", own_app("here"))
    # The shell's groups are the server's: such as a login of root on many systems has.
    before = os.getgroups()
    os.setgroups([0, 1, 2, 3])
    try:
        server.start(workers=1)
    finally:
        os.setgroups(before)
    [worker] = server.workers()
    assert not {"1", "2", "3"} & set(status(worker)["Groups"].split())
    assert status(worker)["Gid"].split()[0] in groups
    assert server.get("/").body == b"here"


def test_worker_that_cannot_end_is_replaced(serve, own_app):
    server = serve("--timeout", 1, "--graceful-timeout", 1, app="own:app", apps=False)
    server.write("own.py", own_app("here") + (
        "import threading, time\n"
        "threading.Thread(target=lambda: [time.sleep(1) for _ in range(10000)]).start()\n"
    ))
    server.start(workers=1)
    [stuck] = server.workers()
    os.kill(stuck, signal.SIGTERM)
    server.wait_log(rf"Worker exiting \(pid: {stuck}\)")
    server.wait_log(rf"WORKER TIMEOUT \(pid:{stuck}\)")
    server.wait_workers(1, without=[stuck])
    assert server.get("/").body == b"here"


def test_recycled_worker_that_cannot_end_is_killed(serve, own_app):
    server = serve("--max-requests", 2, "--graceful-timeout", 1, app="own:app", apps=False)
    server.write("own.py", own_app("here") + (
        "import threading, time\n"
        "threading.Thread(target=lambda: [time.sleep(1) for _ in range(10000)]).start()\n"
    ))
    server.start(workers=1)
    [stuck] = server.workers()
    for _ in range(2):
        assert server.get("/").body == b"here"
    server.wait_log(rf"Worker exiting \(pid: {stuck}\)")
    server.wait_workers(1, without=[stuck])
    assert server.get("/").body == b"here"


def test_idle_worker_without_its_interpreter_s_lock_is_replaced(serve, own_app):
    server = serve("--timeout", 1, app="own:app", apps=False)
    server.write("own.py", own_app("here") + (
        "import ctypes, threading, time\n"
        "def hold():\n"
        "    time.sleep(0.3)\n"
        "    ctypes.PyDLL(None).sleep(10000)\n"
        "if not os.path.exists('held'):\n"
        "    open('held', 'w').close()\n"
        "    threading.Thread(target=hold, daemon=True).start()\n"
    ))
    server.start(workers=1)
    [stuck] = server.workers()
    server.wait_log(rf"WORKER TIMEOUT \(pid:{stuck}\)")
    server.wait_workers(1, without=[stuck])
    assert server.get("/").body == b"here"


def test_stopped_idle_worker_is_replaced(serve):
    server = serve("--timeout", 1).start(workers=1)
    [stopped] = server.workers()
    os.kill(stopped, signal.SIGSTOP)
    server.wait_log(rf"WORKER TIMEOUT \(pid:{stopped}\)")
    server.wait_workers(1, without=[stopped])
    assert not alive(stopped)
    assert server.get("/").status == 200


def test_idle_worker_sleeps(serve):
    server = serve("--timeout", 2).start(workers=1)
    [worker] = server.workers()
    server.get("/")
    before = int(status(worker)["voluntary_ctxt_switches"])
    time.sleep(2.2)
    # Twice in a timeout, and now and then for something else; with threads, the last looks at the desk come first.
    assert int(status(worker)["voluntary_ctxt_switches"]) - before <= (6 if WORKER == "sync" else 14)


def test_interrupt_from_the_terminal_is_quiet(serve):
    for _ in range(6):
        server = serve("--workers", 3).start(workers=3)
        server.get("/")
        for pid in [server.pid, *(pid for pid in server.processes() if pid != server.pid)]:
            # The first ones may have ended the others.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
        assert server.wait_exit() == 0
        assert "Traceback" not in server.log() and "Exception ignored" not in server.log(), server.log()


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGQUIT])
def test_interrupt_of_the_interpreter_s_start_is_quiet(serve, sig):
    for count in range(1, 5):
        for _ in range(3):
            server = serve("--workers", 3).launch()
            eventually(lambda count=count, server=server: len(server.processes()) >= count)
            for pid in server.processes()[::-1]:
                try:
                    os.kill(pid, sig)
                except ProcessLookupError:
                    pass
            assert server.wait_exit() in (0, -sig)
            # What a worker's SystemExit leaves behind in the middle of an import is the interpreter's to say.
            assert "KeyboardInterrupt" not in server.log() and "interpreter ended" not in server.log(), server.log()


def test_worker_is_deaf_to_what_only_the_master_acts_on(serve):
    server = serve().start(workers=1)
    [worker] = server.workers()
    for sig in (signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR2, signal.SIGWINCH):
        os.kill(worker, sig)
        assert server.get("/").status == 200
    assert server.workers() == [worker]
    assert not re.search("Worker exiting|was sent", server.log())


def test_large_names_of_the_config_do_not_matter(serve):
    server = serve()
    server.write("gunicorn.conf.py", (
        "WORDS = ['word%d' % n for n in range(9000)]\n"
        "globals().update(('LARGE_%d' % n, ['x' * 5000] * 10) for n in range(100))\n"
        "proc_name = 'has-large-names'\n"
    ))
    server.start(workers=1)
    assert server.get("/").status == 200


def test_config_that_defines_too_much_is_told_so(serve):
    server = serve()
    server.write("gunicorn.conf.py", "globals().update(('NAME_%d' % n, 'x' * 500) for n in range(1000))\n")
    assert server.run() == 1
    assert "defines too much" in server.log()
    assert "gunicorn.conf.py" in server.log() and "Traceback" not in server.log()


def sockets_of(pid, inode):
    """Descriptors of `pid` that are the socket `inode`."""
    links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    return links.count(f"socket:[{inode}]")


@pytest.mark.parametrize("preload", [(), ("--preload",)])
def test_inherited_listener_is_open_once_in_a_worker(serve, preload):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = serve(*preload, bind=f"fd://{listener.fileno()}")
        server.inherit = (listener.fileno(),)
        server.start(workers=1)
        inode = os.fstat(listener.fileno()).st_ino
        [worker] = server.workers()
        assert sockets_of(worker, inode) == 1
        server.signal(signal.SIGHUP)
        [worker] = server.wait_workers(1, without=[worker])
        assert sockets_of(worker, inode) == 1
        assert server.get("/").status == 200


def test_worker_holds_no_pipe_of_its_fork(serve):
    server = serve("--workers", 2).start(workers=2)

    def pipes(pid):
        links = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
        return {link for link in links if link.startswith("pipe:")}

    first, second = map(pipes, server.workers())
    # Its own are the two ends of the pipe that a signal wakes it by: one pipe. All others it shares with its siblings.
    assert len(first - second) == 1 and len(second - first) == 1

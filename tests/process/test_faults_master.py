"""Faults that meet the master: a zygote that dies or hangs, a second server, sockets and pid files in its way."""

import os
import signal
import socket
import subprocess

from harness import eventually
from harness.procs import alive, title


def zygotes(server):
    """Pids of the living zygotes of the server."""
    return [pid for pid in server.processes() if title(pid).startswith("gunicorn: zygote")]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_zygote_killed_on_a_fixed_port(serve):
    port = free_port()
    server = serve(bind=f"127.0.0.1:{port}").start(workers=1)
    [zygote], before = zygotes(server), server.workers()
    os.kill(zygote, signal.SIGKILL)
    server.wait_log(r"The zygote of generation 1 was sent SIGKILL!")
    server.wait_workers(1, without=before)
    assert server.address() == ("127.0.0.1", port)
    assert server.get("/").status == 200
    assert zygotes(server) and zygote not in zygotes(server)


def test_zygote_killed_on_a_unix_socket(serve):
    server = serve(bind="unix:probe.sock").start(workers=1)
    before = server.workers()
    os.kill(zygotes(server)[0], signal.SIGKILL)
    server.wait_workers(1, without=before)
    assert server.get("/").status == 200
    assert server.stop() == 0
    assert not server.path("probe.sock").exists()


def test_stopped_zygote_does_not_stop_the_master(serve):
    server = serve().start(workers=1)
    [zygote] = zygotes(server)
    os.kill(zygote, signal.SIGSTOP)
    for _ in range(3000):
        server.signal(signal.SIGUSR1)
    before = server.workers()
    server.signal(signal.SIGHUP)
    server.wait_workers(1, without=before)
    eventually(lambda: not alive(zygote))
    assert server.get("/").status == 200


def test_retired_zygote_with_a_thread_is_ended(serve, own_app):
    server = serve("--preload", app="threaded:app", apps=False)
    server.write("threaded.py", own_app("hello") + (
        "import threading\n"
        "threading.Thread(target=threading.Event().wait).start()\n"
    ))
    server.start(workers=1)
    [first] = zygotes(server)
    server.signal(signal.SIGHUP)
    eventually(lambda: not alive(first))
    assert len(zygotes(server)) == 1


def test_second_server_leaves_the_sockets_of_the_first(serve):
    first = serve("--pid", "pid", bind="unix:probe.sock").start(workers=1)
    second = subprocess.run(first.command, cwd=first.directory, env=first.env, capture_output=True, timeout=30)
    assert second.returncode == 1
    assert f"Already running on PID {first.pid}" in second.stderr.decode()
    assert first.get("/").status == 200


def test_reload_that_names_the_same_socket_by_another_path(serve):
    server = serve(bind=None)
    server.path("real").mkdir()
    server.path("link").symlink_to("real")
    server.write("gunicorn.conf.py", "bind = 'unix:real/probe.sock'\n")
    server.start(workers=1)
    for path in ("link/probe.sock", "real/probe.sock"):
        before = server.workers()
        server.write("gunicorn.conf.py", f"bind = 'unix:{path}'\n")
        server.signal(signal.SIGHUP)
        server.wait_workers(1, without=before)
        assert server.get("/").status == 200


def test_reuse_port_may_change_at_a_reload(serve):
    port = free_port()
    server = serve(bind=f"127.0.0.1:{port}")
    server.write("gunicorn.conf.py", "reuse_port = False\n")
    server.start(workers=1)
    before = server.workers()
    server.write("gunicorn.conf.py", "reuse_port = True\n")
    server.signal(signal.SIGHUP)
    server.wait_workers(1, without=before)
    server.wait_log("Setting reuse_port: False -> True")


def test_reload_to_another_address_of_the_same_port_says_who_holds_it(serve):
    port = free_port()
    server = serve(bind=None)
    server.write("gunicorn.conf.py", f"bind = '127.0.0.1:{port}'\n")
    server.start(workers=1)
    server.write("gunicorn.conf.py", f"bind = '0.0.0.0:{port}'\n")
    server.signal(signal.SIGHUP)
    server.wait_log(f"the server itself holds that port, on http://127.0.0.1:{port}")
    assert server.get("/").status == 200


def test_failed_start_leaves_no_socket(serve):
    server = serve("--preload", bind="unix:probe.sock", app="no_such_module:app")
    assert server.run() == 3
    assert not server.path("probe.sock").exists()


def test_pid_file_that_was_removed_comes_back_at_a_reload(serve):
    server = serve("--pid", "pid").start(workers=1)
    server.path("pid").unlink()
    before = server.workers()
    server.signal(signal.SIGHUP)
    server.wait_workers(1, without=before)
    assert server.path("pid").read_text() == f"{server.pid}\n"


def test_failed_start_with_nobody_to_tell(serve):
    server = serve("--check-config", app="no_such_module:app")
    with open("/dev/full", "w") as full:
        ended = subprocess.run(server.command, cwd=server.directory, env=server.env, stderr=full, timeout=30)
    assert ended.returncode == 1


def test_check_leaves_nothing_behind(serve):
    server = serve("--check-config", "--error-logfile", "error.log", "--access-logfile", "access.log", "--pid", "pid")
    assert server.run() == 0
    assert not [name for name in ("error.log", "access.log", "pid") if server.path(name).exists()]


def test_end_with_a_stopped_zygote(serve):
    server = serve().start(workers=1)
    [zygote] = zygotes(server)
    os.kill(zygote, signal.SIGSTOP)
    server.signal(signal.SIGTTIN)
    server.wait_log("Handling signal: ttin")
    assert server.stop() == 0
    eventually(lambda: not alive(zygote), what="it is gone")

"""Workers that die, hang, fail or are told to end; and that none is ever left behind."""

import os
import re
import signal
import socket

import pytest

from harness import eventually
from harness.procs import alive

HANG = "GET /wait?gate=/nowhere/never HTTP/1.1\r\nHost: a\r\n\r\n"


def test_killed_workers_are_replaced_each_time(serve):
    server = serve("--workers", 2).start(workers=2)
    seen = set()
    for _ in range(5):
        workers = server.wait_workers(2, without=seen)[:1]
        seen.update(workers)
        os.kill(workers[0], signal.SIGKILL)
    server.wait_workers(2, without=seen)
    assert server.get("/").status == 200


@pytest.mark.sync_only("a request on a thread is not its worker")
def test_hung_worker_is_named_with_its_request_and_stack(serve):
    server = serve("--timeout", 1).start(workers=1)
    [hung] = server.workers()
    with server.connect() as connection:
        connection.send(HANG)
        server.wait_log(rf"\[CRITICAL\] WORKER TIMEOUT \(pid:{hung}\)")
        server.wait_log(r"GET /wait\?gate=/nowhere/never")
        server.wait_log(r'File ".*probe\.py", line \d+ in wait')
        server.wait_workers(1, without=[hung])
    assert server.get("/").status == 200


@pytest.mark.sync_only("a request on a thread is not its worker")
def test_worker_that_ignores_abort_is_killed(serve, own_app):
    server = serve("--timeout", 1, app="stubborn:app", apps=False)
    server.write("stubborn.py", own_app("unused") + (
        "import signal, time\n"
        "def app(environ, start_response):\n"
        "    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGABRT})\n"
        "    while True:\n"
        "        time.sleep(1)\n"
    ))
    server.start(workers=1)
    [hung] = server.workers()
    with server.connect() as connection:
        connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        server.wait_log(rf"WORKER TIMEOUT \(pid:{hung}\)")
        eventually(lambda: not alive(hung))
        server.wait_workers(1, without=[hung])


def test_idle_worker_is_not_taken_for_hung(serve):
    server = serve("--timeout", 1).start(workers=1)
    before = server.workers()
    with server.connect() as busy:
        busy.send("GET /sleep?seconds=0.6 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert busy.response().body == b"slept\n"
    # Longer than the timeout, and nothing to do for the worker: a file that never comes to be cannot end the wait early.
    with pytest.raises(AssertionError):
        server.wait_log("WORKER TIMEOUT", timeout=2.5)
    assert server.workers() == before


def test_slow_start_is_not_a_failure_of_the_others(serve, own_app):
    server = serve("--workers", 3, app="own:app", apps=False)
    server.write("own.py", "import time\ntime.sleep(0.5)\n" + own_app("slow start"))
    server.start(workers=3)
    assert server.get("/").body == b"slow start"


def test_workers_that_die_at_once_are_replaced_with_a_pause(serve, own_app):
    server = serve("--workers", 1, app="dying:app", apps=False)
    server.write("dying.py", own_app("unused") + "os.kill(os.getpid(), 9)\n")
    server.launch()
    eventually(lambda: len(re.findall("Booting worker", server.log())) >= 3)
    started = len(re.findall("Booting worker", server.log()))
    assert started < 100, "each start waits longer than the one before"
    assert server.stop() == 0


def test_master_killed_leaves_nothing_behind(serve):
    server = serve("--workers", 3).start(workers=3)
    server.signal(signal.SIGKILL)
    assert server.wait_exit() == -signal.SIGKILL
    eventually(lambda: server.processes() == [], what="workers and zygote have ended")


def test_master_killed_while_a_request_runs(serve):
    server = serve("--workers", 2, "--graceful-timeout", 1).start(workers=2)
    with server.connect() as connection:
        connection.send(HANG)
        server.wait_log("probe waits")
        server.signal(signal.SIGKILL)
        server.wait_exit()
        eventually(lambda: server.processes() == [], what="even the busy worker has ended")


def test_master_killed_at_once(serve):
    server = serve("--workers", 3).launch()
    eventually(lambda: len(server.processes()) > 1)
    server.signal(signal.SIGKILL)
    server.wait_exit()
    eventually(lambda: server.processes() == [])


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_end_at_any_moment_of_the_start(serve, sig):
    for count in range(1, 4):
        server = serve("--workers", 3).launch()
        eventually(lambda count=count, server=server: len(server.processes()) >= count)
        server.signal(sig)
        assert server.wait_exit() in (0, -sig)
        eventually(lambda server=server: server.processes() == [])


@pytest.mark.sync_only("when a busy thread hears of the stop is not known")
def test_term_with_requests_in_flight_and_pending(serve):
    server = serve("--workers", 1).start(workers=1)
    gate = server.path("gate")
    with server.connect() as busy:
        busy.send(f"GET /wait?gate={gate} HTTP/1.1\r\nHost: a\r\n\r\n")
        server.wait_log("probe waits")
        server.signal(signal.SIGTERM)
        server.wait_log("Handling signal: term")
        gate.touch()
        response = busy.response()
        assert (response.status, response.body) == (200, b"waited\n")
        assert response.get("connection") == "close"
    assert server.wait_exit() == 0


def test_ttin_and_ttou_in_numbers(serve):
    server = serve("--workers", 1).start(workers=1)
    for count in (2, 3, 4, 5):
        server.signal(signal.SIGTTIN)
        server.wait_workers(count)
    for count in (4, 3, 2, 1, 1):
        server.signal(signal.SIGTTOU)
        server.wait_workers(count)
    assert server.get("/").status == 200


def test_signals_in_a_burst(serve):
    server = serve("--workers", 2).start(workers=2)
    for _ in range(20):
        for sig in (signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR1, signal.SIGCHLD, signal.SIGWINCH):
            server.signal(sig)
    eventually(lambda: server.get("/").status == 200)
    assert server.stop() == 0


def test_slow_client_does_not_hold_the_worker(serve):
    server = serve("--workers", 1).start(workers=1)
    slow = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    with server.connect() as connection:
        for byte in slow:
            connection.send(bytes([byte]))
            assert server.get("/").status == 200
        assert connection.response().body == b"hello"


def test_many_slow_clients(serve):
    server = serve("--workers", 1).start(workers=1)
    clients = [server.connect() for _ in range(50)]
    for client in clients:
        client.send("GET / HTTP/1.1\r\nHo")
    assert server.get("/").status == 200
    for client in clients:
        client.send("st: a\r\n\r\n")
    assert all(client.response().status == 200 for client in clients)
    for client in clients:
        client.close()


def test_slow_reader_does_not_hold_the_worker(serve):
    server = serve("--workers", 1).start(workers=1)
    with server.connect() as reader:
        reader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.send("GET /large?size=400000 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert server.get("/").status == 200
        assert len(reader.response().body) == 400000


def test_max_requests_loses_no_request(serve, hammer):
    server = serve("--workers", 2, "--max-requests", 10, "--max-requests-jitter", 5).start(workers=2)
    with hammer(server) as client:
        eventually(lambda: len(client.bodies) >= 200, timeout=60)
    assert client.failures == []


def test_usr1_loses_no_line(serve, hammer):
    server = serve("--workers", 2, "--access-logfile", "access.log").start(workers=2)
    with hammer(server) as client:
        for number in range(5):
            count = len(client.bodies)
            eventually(lambda count=count: len(client.bodies) >= count + 20)
            server.path("access.log").rename(server.path(f"access.log.{number}"))
            server.signal(signal.SIGUSR1)
            eventually(server.path("access.log").exists)
    server.stop()
    lines = sum(path.read_text().count("GET / HTTP/1.1") for path in server.directory.glob("access.log*"))
    assert client.failures == []
    assert lines == len(client.bodies)


@pytest.mark.sync_only("under other kinds the interpreter need not take the application apart")
def test_rotation_of_the_logs_does_not_hurt_who_ends(serve):
    """Though the interpreter gives up its signals before it takes the last objects apart."""
    server = serve("--workers", 1, app="last:app")
    server.write("last.py", (
        "import loaded, os, signal\n"
        "class Last:\n"
        "    def __del__(self, os=os, number=signal.SIGUSR1):\n"
        "        os.kill(os.getpid(), number)\n"
        "        os.write(2, b'probe: takes itself apart\\n')\n"
        "last = Last()\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return []\n"
        "loaded.announce()\n"
    ))
    assert server.start(workers=1).stop() == 0
    assert "probe: takes itself apart" in server.log()


def test_preloading_shares_memory(serve):
    server = serve("--preload", "--workers", 2, app="big:app", apps=False)
    server.write("big.py", (
        "import os\n"
        "DATA = os.urandom(40 << 20)\n"
        "OBJECTS = [[n] for n in range(200_000)]\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [str(len(DATA)).encode()]\n"
    ))
    server.start(workers=2)
    assert server.get("/").body == str(40 << 20).encode()
    for worker in server.workers():
        with open(f"/proc/{worker}/smaps_rollup") as rollup:
            private = sum(int(line.split()[1]) for line in rollup if line.startswith("Private_"))
        assert private < 20 << 10, f"{private} KiB are the worker's alone"

"""What signals to the master do, and how each way to end it looks from outside."""

import json
import signal

import pytest

from harness import documented, eventually


def waiting_request(server, gate):
    """A connection whose request is inside the application, which waits for `gate` to exist."""
    connection = server.connect()
    connection.send(f"GET /wait?gate={gate} HTTP/1.1\r\nHost: a\r\n\r\n")
    server.wait_log("probe waits")
    return connection


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_end(serve, sig):
    server = serve("--workers", 2, "--pid", "pid").start(workers=2)
    assert server.stop(sig) == 0
    assert not server.path("pid").exists()
    assert f"Handling signal: {sig.name[3:].lower()}" in server.log()
    assert "Shutting down: Master" in server.log()
    assert server.processes() == []


def test_term_finishes_the_request_in_flight(serve):
    server = serve().start(workers=1)
    gate = server.path("gate")
    with waiting_request(server, gate) as connection:
        server.signal(signal.SIGTERM)
        server.wait_log("Handling signal: term")
        gate.touch()
        assert connection.response().body == b"waited\n"
    assert server.wait_exit() == 0


def test_graceful_timeout_bounds_the_end(serve):
    server = serve("--graceful-timeout", 1).start(workers=1)
    with waiting_request(server, server.path("never")):
        assert server.stop(signal.SIGTERM) == 0
    assert server.processes() == []


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGQUIT])
def test_quick_end_does_not_wait_for_the_request(serve, sig):
    server = serve().start(workers=1)
    with waiting_request(server, server.path("never")):
        assert server.stop(sig) == 0


def test_ttin_and_ttou(serve):
    server = serve("--workers", 1).start(workers=1)
    first = server.workers()
    server.signal(signal.SIGTTIN)
    two = server.wait_workers(2)
    assert first[0] in two
    # Both serve: one waits in the application while the other answers.
    with waiting_request(server, server.path("gate")) as waiting:
        assert server.get("/").status == 200
        server.path("gate").touch()
        assert waiting.response().status == 200
    server.signal(signal.SIGTTOU)
    assert server.wait_workers(1) == [two[1]], "the oldest goes first"
    server.signal(signal.SIGTTOU)
    server.wait_log(r"(?s)Handling signal: ttou.*Handling signal: ttou")
    assert server.get("/").status == 200
    assert len(server.workers()) == 1, "the last worker stays"


def test_hup_replaces_the_workers(serve):
    server = serve("--workers", 2).start(workers=2)
    before, master = server.workers(), server.pid
    server.signal(signal.SIGHUP)
    server.wait_workers(2, without=before)
    assert "Hang up: Master" in server.log()
    assert server.pid == master and not server.exited()
    assert server.get("/").status == 200


def test_hup_reads_the_config_again(serve):
    server = serve()
    server.write("gunicorn.conf.py", "workers = 1\nraw_env = ['ROUND=one']\n")
    server.start(workers=1)
    assert server.get("/process").text().count('"ROUND": "one"') == 1
    before = server.workers()
    server.write("gunicorn.conf.py", "workers = 3\nraw_env = ['ROUND=two']\n")
    server.signal(signal.SIGHUP)
    server.wait_workers(3, without=before)
    assert server.get("/process").text().count('"ROUND": "two"') == 1


def test_hup_loads_the_application_again(serve):
    server = serve(app="own:app", apps=False)
    source = (
        "import os\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Length', '3')])\n"
        "    return [b'%s']\n"
        "os.write(2, b'probe loaded in %%d\\n' %% os.getpid())\n"
    )
    server.write("own.py", source % "one")
    server.start(workers=1)
    assert server.get("/").body == b"one"
    before = server.workers()
    server.write("own.py", source % "two")
    server.signal(signal.SIGHUP)
    server.wait_workers(1, without=before)
    assert server.get("/").body == b"two"


def test_hup_with_a_broken_config(serve):
    # gunicorn's worker finds out within its timeout that it has been left behind.
    server = serve("--timeout", 2)
    server.write("gunicorn.conf.py", "workers = 1\n")
    server.start(workers=1)
    server.write("gunicorn.conf.py", "workers = (\n")
    server.signal(signal.SIGHUP)
    if documented(server.kind, "reload-keeps-serving", gunicorn=False, ours=True):
        server.wait_log("Reload given up")
        assert server.get("/").status == 200
    else:
        assert server.wait_exit() == 1


def test_hup_and_preload(serve):
    server = serve("--preload").start(workers=1)
    imported = json.loads(server.get("/process").body)["imported_in"]
    before = server.workers()
    server.signal(signal.SIGHUP)
    server.wait_workers(1, without=before)
    eventually(lambda: server.workers() and not set(server.workers()) & set(before))
    again = json.loads(server.get("/process").body)["imported_in"] != imported
    assert again == documented(server.kind, "preload-reload", gunicorn=False, ours=True)


def test_hup_waits_for_the_application(serve):
    gate_line = "import os, time\nwhile not os.path.exists('gate'):\n    time.sleep(0.01)\n"
    server = serve(app="own:app", apps=False)
    source = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'%s']\n"
    server.write("own.py", source % "one")
    server.start()
    eventually(lambda: server.get("/").body == b"one")
    before = server.workers()
    server.write("own.py", gate_line + source % "two")
    server.signal(signal.SIGHUP)
    eventually(lambda: set(server.workers()) - set(before), what="the new worker is loading")
    if documented(server.kind, "reload-after-ready", gunicorn=False, ours=True):
        assert server.get("/").body == b"one"
    else:
        eventually(lambda: not set(server.workers()) & set(before), what="the old worker is gone")
    server.path("gate").touch()
    eventually(lambda: server.get("/").body == b"two")


def test_max_requests_waits_for_the_application(serve):
    gate_line = "import os, time\nwhile not os.path.exists('gate'):\n    time.sleep(0.01)\n"
    server = serve("--max-requests", 3, app="own:app", apps=False)
    source = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'%s']\n"
    server.write("own.py", source % "one")
    server.start()
    assert server.get("/").body == b"one"
    before = server.workers()
    server.write("own.py", gate_line + source % "two")
    for _ in range(2):
        assert server.get("/").body == b"one"
    server.wait_log("Autorestarting worker after current request.")
    eventually(lambda: set(server.workers()) - set(before), what="the successor is loading")
    if documented(server.kind, "recycle-after-ready", gunicorn=False, ours=True):
        assert server.get("/").body == b"one"
    else:
        eventually(lambda: not set(server.workers()) & set(before), what="the old worker is gone")
    server.path("gate").touch()
    eventually(lambda: server.get("/").body == b"two")
    eventually(lambda: not set(server.workers()) & set(before), what="the old worker is gone")


def test_usr1_reopens_the_logs(serve):
    server = serve("--access-logfile", "access.log", "--error-logfile", "error.log", bind="unix:probe.sock")
    server.launch()
    server.wait_log("probe loaded")
    address = str(server.path("probe.sock"))
    assert server.get("/before", address=address).status == 200
    server.wait_log("GET /before", "access.log")
    for name in ("access.log", "error.log"):
        server.path(name).rename(server.path(name + ".1"))
    server.signal(signal.SIGUSR1)
    eventually(server.path("access.log").exists)

    def reopened():
        server.get("/after", address=address)
        return "GET /after" in server.log("access.log")

    eventually(reopened)
    assert "GET /before" not in server.log("access.log")
    server.stop()
    assert "Shutting down: Master" in server.log("error.log")


def test_killed_worker_is_replaced(serve):
    import os

    server = serve("--workers", 2).start(workers=2)
    killed = server.workers()[0]
    os.kill(killed, signal.SIGKILL)
    server.wait_workers(2, without=[killed])
    server.wait_log(rf"\[ERROR\] Worker \(pid:{killed}\) was sent SIGKILL! Perhaps out of memory\?")
    assert server.get("/").status == 200


def test_worker_told_to_end_is_replaced(serve):
    import os

    server = serve("--workers", 1).start(workers=1)
    [ended] = server.workers()
    os.kill(ended, signal.SIGTERM)
    server.wait_workers(1, without=[ended])
    server.wait_log(rf"Worker exiting \(pid: {ended}\)")


@pytest.mark.sync_only("a request on a thread is not its worker")
def test_hung_worker_is_replaced(serve):
    server = serve("--timeout", 1).start(workers=1)
    [hung] = server.workers()
    with server.connect() as connection:
        connection.send("GET /wait?gate=/nowhere/never HTTP/1.1\r\nHost: a\r\n\r\n")
        server.wait_log(rf"\[CRITICAL\] WORKER TIMEOUT \(pid:{hung}\)")
        server.wait_workers(1, without=[hung])
    assert server.get("/").status == 200
    told = (" in GET /wait?gate=" in server.log(), 'probe.py", line ' in server.log())
    assert told == documented(server.kind, "hung-worker-stack", gunicorn=(False, True), ours=(True, True))


def test_max_requests_replaces_the_worker(serve):
    server = serve("--max-requests", 3).start(workers=1)
    before = server.workers()
    for _ in range(3):
        assert server.get("/").status == 200
    server.wait_workers(1, without=before)
    server.wait_log("Autorestarting worker after current request.")
    assert server.get("/").status == 200

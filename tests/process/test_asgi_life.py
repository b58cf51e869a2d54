"""The asgi kind: how its workers start, hang, stop and are replaced, and how the kind and its loop are chosen."""

import json
import re
import signal
import time
from contextlib import ExitStack

import pytest

from harness import WORKER, Background, eventually, procs, render

KEEP = ("--keep-alive", 30)
BOOT_FAILED = 3


def note(server, text, timeout=10.0):
    """Waits until the application has noted `text`."""
    return server.wait_log(f"^probe: {text}", timeout=timeout)


def process_of(server):
    """What `/process` tells."""
    return json.loads(server.get("/process").body)


def in_order(server, *patterns):
    """Whether the log has lines like these, in this order."""
    return re.search("(.*\n)*.*".join(patterns), server.log()) is not None


# Lifespan


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_lifespan(asgi, mode):
    server = asgi("--asgi-lifespan", mode)
    note(server, r"starts up with \['asgi', 'state', 'type'\] \{'version': '3.0', 'spec_version': '2.0'\}")
    facts = process_of(server)
    assert facts["started_in"] == [facts["pid"]]
    assert server.stop() == 0
    assert in_order(server, "probe: shuts down", "probe: is shut down", "Worker exiting")


def test_lifespan_off(asgi):
    server = asgi("--asgi-lifespan", "off")
    assert json.loads(server.get("/scope").body)["state"] == ["dict", {}]
    assert server.stop() == 0
    assert "probe: starts up" not in server.log() and "probe: shuts down" not in server.log()


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_start_up_that_fails_fails_the_boot(asgi, mode):
    server = asgi("--asgi-lifespan", mode, start=False)
    server.write("fails", "no database")
    assert server.run() == BOOT_FAILED
    server.wait_log("no database")
    assert "Worker failed to boot" in server.log()


@pytest.mark.parametrize("mode, code", [("auto", None), ("on", BOOT_FAILED)])
def test_application_that_raises_in_its_lifespan(asgi, mode, code):
    """To say so is how one without a lifespan tells that it has none."""
    server = asgi("--asgi-lifespan", mode, start=False)
    server.write("raises", "what lifespan?")
    if code is None:
        server.start(workers=1)
        assert server.get("/").status == 200
        assert "Traceback" not in server.log()
    else:
        assert server.run() == code
        server.wait_log("RuntimeError: what lifespan?")


def test_application_without_a_lifespan(asgi):
    server = asgi(app="asgi_probe:bare")
    assert server.get("/").status == 200
    assert server.stop() == 0
    assert "Traceback" not in server.log()


def test_shut_down_that_does_not_end(asgi):
    server = asgi("--graceful-timeout", 1)
    server.write("shutdown-waits", "")
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 5
    server.wait_log(r"\[ERROR\] The application's lifespan has not ended within")


def test_shut_down_that_fails(asgi):
    server = asgi()
    server.write("shutdown-fails", "disk full")
    assert server.stop() == 0
    server.wait_log(r"\[ERROR\] The application's lifespan has failed to shut down: disk full")


# Choices


def test_loop(asgi):
    assert process_of(asgi())["loop"].partition(".")[0] == ("uvloop" if asgi.loop == "uvloop" else "asyncio")


@pytest.fixture
def plain(serve):
    """Servers on no loop in particular."""
    if WORKER != "sync":
        pytest.skip("these name the kind themselves")
    return serve


def without_uvloop(server):
    """An environment that has none."""
    server.write("uvloop.py", "raise ImportError('no uvloop here')\n")
    return server


def test_loop_auto(plain):
    assert process_of(plain("-k", "asgi", app="asgi_probe:app").start(workers=1))["loop"] == "uvloop"
    server = without_uvloop(plain("-k", "asgi", app="asgi_probe:app")).start(workers=1)
    assert process_of(server)["loop"].startswith("asyncio")


def test_uvloop_that_is_missing(plain):
    server = without_uvloop(plain("-k", "asgi", "--asgi-loop", "uvloop", app="asgi_probe:app"))
    assert server.run() in (1, BOOT_FAILED)
    assert server.log().count("asgi_loop is uvloop, which is not installed: pip install uvloop") == 1
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("app", ["asgi_probe:app", "asgi_probe:instance"])
def test_async_application_chooses_the_kind(plain, app):
    server = plain("--workers", 1, app=app).start(workers=1)
    assert server.get("/").body == b"Hello, World!\n"
    server.wait_log("Using worker: asgi, since the application is an async callable")


@pytest.mark.parametrize("name", ["uvicorn.workers.UvicornWorker", "uvicorn_worker.UvicornWorker"])
def test_class_of_uvicorn(plain, name):
    server = plain("-k", name, app="asgi_probe:app").start(workers=1)
    assert server.get("/").body == b"Hello, World!\n"
    server.wait_log(rf"Using gunicorn-rs' own asgi worker in place of {re.escape(name)}")
    assert server.log().count("in place of") == 1


def test_preload(asgi):
    server = asgi("--preload", workers=2)
    facts = process_of(server)
    assert facts["imported_in"] != facts["pid"] and facts["started_in"] == [facts["pid"]]
    assert server.get("/").status == 200


# Hanging


def test_loop_that_hangs(asgi):
    server = asgi("--timeout", 1)
    [worker] = server.workers()
    with server.connect() as client:
        client.send(render("GET", "/hang?x=1"))
        server.wait_log(rf"WORKER TIMEOUT \(pid:{worker}\) in GET /hang\?x=1 for ")
        server.wait_log(r'File ".*asgi_probe\.py", line \d+ in hang')
        server.wait_workers(1, without=[worker])
        assert client.ended() == b""
    assert server.get("/").status == 200


def test_idle_loop_and_long_requests_are_not_taken_for_hung(asgi):
    server = asgi("--timeout", 1)
    workers = server.workers()
    gate = server.path("gate")
    with server.connect() as client:
        client.send(render("GET", f"/wait?gate={gate}"))
        with pytest.raises(AssertionError):
            server.wait_log("WORKER TIMEOUT", timeout=3)
        gate.touch()
        assert client.response().body == b"waited\n"
    assert server.workers() == workers


# Stopping


def test_term_ends_in_order(asgi):
    """Requests in flight end, kept connections are told, then the lifespan shuts down."""
    server = asgi(*KEEP)
    gate = server.path("gate")
    with server.connect() as busy, server.connect() as idle:
        assert idle.request("GET", "/").get("connection") == "keep-alive"
        busy.send(render("GET", f"/wait?gate={gate}"))
        note(server, "waits")
        server.signal(signal.SIGTERM)
        server.wait_log("Handling signal: term")
        assert idle.ended() == b""
        assert "probe: shuts down" not in server.log()
        gate.touch()
        response = busy.response()
        assert (response.body, response.get("connection")) == (b"waited\n", "close")
    assert server.wait_exit() == 0
    assert in_order(server, "probe: goes on", "probe: shuts down", "probe: is shut down", "Worker exiting")
    assert "ERROR" not in server.log()


def test_request_on_its_way_is_answered_at_term(asgi):
    server = asgi(*KEEP)
    with server.connect() as client:
        client.request("GET", "/")
        server.signal(signal.SIGTERM)
        server.wait_log("Handling signal: term")
        assert client.request("GET", "/").get("connection") == "close"
    assert server.wait_exit() == 0


def test_background_work_ends_before_the_lifespan_does(asgi):
    server = asgi(*KEEP)
    gate = server.path("gate")
    assert server.get(f"/background?gate={gate}", headers={"Connection": "close"}).body == b"answered\n"
    server.signal(signal.SIGTERM)
    server.wait_log("Handling signal: term")
    gate.touch()
    assert server.wait_exit() == 0
    assert in_order(server, "probe: background work is done", "probe: shuts down", "probe: is shut down")


def test_background_work_that_does_not_end_is_cancelled(asgi):
    """And leaves the lifespan its time."""
    server = asgi("--graceful-timeout", 2)
    assert server.get("/background-for-ever", headers={"Connection": "close"}).body == b"answered\n"
    assert server.stop() == 0
    assert in_order(server, "probe: background work is cancelled", "probe: shuts down", "probe: is shut down")


def test_request_that_does_not_end_is_cancelled(asgi):
    server = asgi("--graceful-timeout", 2)
    with server.connect() as client:
        client.send(render("GET", "/stays"))
        note(server, "stays")
        assert server.stop() == 0
        client.ended()
    assert in_order(server, "probe: is cancelled", "probe: shuts down", "probe: is shut down")


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGQUIT])
def test_quick_end_does_not_wait_for_threads(asgi, sig):
    server = asgi("--graceful-timeout", 3600)
    with server.connect() as client:
        client.send(render("GET", "/thread"))
        server.wait_log("probe: waits for a thread")
        assert server.stop(sig) == 0
    assert "Worker exiting" in server.log()


def test_quick_end_of_idle_threads_is_an_ordinary_one(asgi):
    server = asgi()
    assert json.loads(server.get("/task").body)["to_thread"] == 43
    assert server.stop(signal.SIGQUIT) == 0
    assert "unanswered" not in server.log()


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGQUIT])
def test_quick_end(asgi, sig):
    server = asgi()
    with server.connect() as client:
        client.send(render("GET", "/stays"))
        note(server, "stays")
        began = time.monotonic()
        assert server.stop(sig) == 0
        assert time.monotonic() - began < 5
        client.ended()
    assert "Traceback" not in server.log()


def test_usr1_reopens_the_logs(asgi):
    server = asgi("--access-logfile", "access.log", "--access-logformat", "%(U)s", *KEEP)
    server.get("/")
    server.wait_log("^/$", "access.log")
    server.path("access.log").rename(server.path("old.log"))
    server.signal(signal.SIGUSR1)
    eventually(lambda: server.path("access.log").exists())
    # A worker reopens it when it is told, not when the next request comes.
    eventually(lambda: all(
        any("access.log" in str(target) for target in targets(pid)) for pid in server.workers()
    ), what="all workers write to the new log")
    server.get("/second")
    server.wait_log("^/second$", "access.log")


def targets(pid):
    """What the descriptors of `pid` are."""
    from pathlib import Path

    return [link.readlink() for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]


# Replacing


class Keeper(Background):
    """A client that keeps its connection as long as it may, and opens another when a response says so."""

    def __init__(self, server):
        super().__init__()
        self.server, self.address = server, server.address()
        self.answered, self.failures = 0, []

    def run(self):
        while not self.ending.is_set():
            try:
                with self.server.connect(self.address) as connection:
                    self._use(connection)
            except OSError as error:
                self.failures.append(error)

    def _use(self, connection):
        while not self.ending.is_set():
            token = str(self.answered).encode()
            response = connection.request("POST", "/echo", body=token)
            if (response.status, response.body) != (200, token):
                self.failures.append(response)
            self.answered += 1
            if response.get("connection") == "close":
                return


@pytest.fixture
def keepers():
    """`keepers(server)` starts several clients that end with the test."""
    with ExitStack() as stack:
        yield lambda server: [stack.enter_context(Keeper(server)) for _ in range(4)]


def answered(clients):
    return sum(client.answered for client in clients)


def failures(clients):
    """What has gone wrong, after some more requests than were under way."""
    count = answered(clients)
    eventually(lambda: answered(clients) >= count + 20 * len(clients), what="requests are answered")
    return [failure for client in clients for failure in client.failures]


def test_reload_loses_no_request(asgi, keepers):
    server = asgi("--keep-alive", 5, workers=2)
    clients = keepers(server)
    for number in range(2, 5):
        before = server.workers()
        server.signal(signal.SIGHUP)
        server.wait_log(f"Reloaded: generation {number} serves")
        eventually(lambda before=before: not set(server.workers()) & set(before), what="the old workers are gone")
    assert failures(clients) == []
    assert not re.search(r"\[ERROR\]|\[WARNING\]|\[CRITICAL\]", server.log()), server.log()


def test_recycling_loses_no_request(asgi, keepers):
    server = asgi("--keep-alive", 5, "--max-requests", 50, "--max-requests-jitter", 10, workers=2)
    clients = keepers(server)
    eventually(lambda: server.log().count("Booting worker") >= 8 and answered(clients) >= 400, timeout=60)
    assert failures(clients) == []
    server.wait_log("Autorestarting worker after current request.")
    assert not re.search(r"\[ERROR\]|\[WARNING\]|\[CRITICAL\]", server.log()), server.log()


def test_reload_whose_start_up_fails_changes_nothing(asgi):
    server = asgi(*KEEP)
    workers = server.workers()
    # It has imported its application, but may not have started up.
    assert server.get("/").status == 200
    server.write("fails", "no database any more")
    server.signal(signal.SIGHUP)
    server.wait_log("no database any more")
    server.path("fails").unlink()
    assert server.get("/").status == 200
    assert set(workers) & set(server.workers()) and procs.alive(server.pid)

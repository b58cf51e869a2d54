"""The tornado kind: applications of tornado and for WSGI on tornado's own server, by the rules of the other kinds."""

import json
import re
import signal

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from harness import eventually, procs, render

pytestmark = pytest.mark.sync_only("these name the kind themselves")

KIND = ("-k", "tornado")
CLOSE = [("Connection", "close")]


@pytest.fixture
def tornado(serve):
    """`tornado("--workers", 2)` is a started server of the application `tornado_probe:app`."""

    def make(*args, workers=1, start=True, app="tornado_probe:app", **options):
        server = serve(*KIND, "--workers", workers, *args, app=app, **options)
        return server.start(workers=workers) if start else server

    return make


def websocket(server, path, **options):
    """A client of the WebSocket under this path."""
    host, port = server.address()
    return connect(f"ws://{host}:{port}{path}", open_timeout=15, close_timeout=15, compression=None, **options)


def process_of(server):
    """What `/process` tells."""
    return json.loads(server.get("/process", headers=CLOSE).body)


def waiting(server, gate):
    """A connection whose request is inside the application, which waits for `gate` to exist."""
    connection = server.connect()
    connection.send(render("GET", f"/wait?gate={gate}"))
    server.wait_log("probe:? waits")
    return connection


# Serving


def test_application_of_tornado(tornado):
    server = tornado()
    with server.connect() as connection:
        for _ in range(3):
            response = connection.request("GET", "/")
            assert (response.status, response.body) == (200, b"Hello, World!\n")
    assert server.get("/no/such/path", headers=CLOSE).status == 404
    assert "Using worker: tornado" in server.log()


@pytest.mark.parametrize("preload", [(), ("--preload",)])
def test_process(tornado, preload):
    server = tornado(*preload, "--env", "ROUND=one")
    seen = process_of(server)
    assert seen["pid"] in server.workers() and seen["ppid"] == server.pid and seen["client"] == "127.0.0.1"
    assert (seen["imported_in"] == seen["pid"]) is not bool(preload)
    # The loop is there when the application is imported in its worker.
    assert seen["callback_ran"] == ([] if preload else [True])
    assert seen["env"]["ROUND"] == "one" and seen["env"]["SERVER_SOFTWARE"].startswith("gunicorn-rs/")
    assert procs.title(seen["pid"]).startswith("gunicorn: worker [")


def test_async_handlers_run_at_the_same_time(tornado):
    server = tornado()
    with waiting(server, server.path("gate")) as busy:
        assert server.get("/", headers=CLOSE).status == 200
        server.path("gate").touch()
        assert busy.response().body == b"waited\n"


def test_streaming(tornado):
    server = tornado()
    with server.connect() as connection:
        connection.send(render("GET", "/parts"))
        for number in range(3):
            server.path(f"part-{number}").touch()
            eventually(lambda number=number: connection._fill() and b"part %d\n" % number in connection.buffer)
        assert connection.response().body == b"part 0\npart 1\npart 2\n"
    assert server.request("POST", "/upload", CLOSE, b"x" * 3_000_000).body == b"3000000"


def test_handler_that_raises(tornado):
    server = tornado()
    assert server.get("/fail", headers=CLOSE).status == 500
    server.wait_log("RuntimeError: no such thing")


def test_websocket(tornado):
    server = tornado()
    with websocket(server, "/echo") as client:
        for message in ("hello", "x" * 100_000, b"\x00\xff"):
            client.send(message)
            assert client.recv(timeout=15) == message
    server.wait_log("probe: closed 1000")


def test_wsgi_application(tornado):
    server = tornado(app="probe:app")
    with server.connect() as connection:
        for _ in range(3):
            assert connection.request("GET", "/").body == b"Hello, World!\n"
        assert connection.request("POST", "/echo", body=b"x" * 100_000).body == b"x" * 100_000


def test_unix_socket(tornado):
    server = tornado("--access-logfile", "access.log", bind="unix:listener")
    assert server.get("/", headers=CLOSE).status == 200
    server.wait_log('^- - - .* "GET / HTTP/1.1" 200 14 ', name="access.log")


def test_keepalive(tornado):
    with tornado("--keep-alive", 0).connect() as connection:
        assert connection.request("GET", "/").get("connection") == "close"
        assert connection.ended() == b""
    with tornado("--keep-alive", 1).connect() as connection:
        assert connection.request("GET", "/").get("connection") is None
        assert connection.ended() == b""


def test_egg_name(serve):
    server = serve("-k", "egg:gunicorn#tornado", app="tornado_probe:app").start(workers=1)
    assert server.get("/", headers=CLOSE).status == 200
    assert "Using worker: tornado" in server.log()


def without(server, *packages):
    """The server in an environment that does not have the packages."""
    for name in packages:
        server.write(f"{name}.py", f"raise ModuleNotFoundError('No module named {name}', name={name!r})\n")
    return server


def test_needs_no_gunicorn(tornado):
    server = without(tornado(start=False), "gunicorn").start(workers=1)
    assert server.get("/", headers=CLOSE).status == 200


@pytest.mark.parametrize("args", [(), ("--check-config",)])
def test_tornado_that_is_missing(tornado, args):
    server = without(tornado(*args, start=False), "tornado")
    assert server.run() == 1
    assert len(re.findall("^Error: .*tornado.* not installed: .*-m pip install tornado$", server.log(), re.M)) == 1
    assert "Traceback" not in server.log() and "Booting worker" not in server.log()


def test_hup_when_tornado_is_missing(serve):
    server = serve("--workers", 1)
    server.write("gunicorn.conf.py", "")
    server.start(workers=1)
    before = server.workers()
    without(server, "tornado")
    server.write("gunicorn.conf.py", "worker_class = 'tornado'\n")
    server.signal(signal.SIGHUP)
    server.wait_log(r"\[ERROR\] .*-m pip install tornado$")
    assert server.get("/").status == 200 and server.workers() == before


# The access log


def test_access_log(tornado):
    layout = "%(h)s %(l)s %(u)s \"%(r)s\" %(s)s %(b)s %(f)s %(a)s %({x-token}i)s %({etag}o)s %({raw_uri}e)s %(L)s"
    server = tornado("--access-logfile", "access.log", "--access-logformat", layout)
    headers = [("X-Token", "a\"b"), ("Referer", "r"), ("User-Agent", "u"), ("Authorization", "Basic YWxpY2U6c2VjcmV0")]
    server.get("/?q=1", headers=headers + CLOSE)
    line = r'127\.0\.0\.1 - alice "GET /\?q=1 HTTP/1\.1" 200 14 r u a\\"b \\"[0-9a-f]+\\" /\?q=1 0\.\d{6}'
    server.wait_log(f"^{line}$", name="access.log")
    server.request("HEAD", "/no", headers=CLOSE)
    server.wait_log('"HEAD /no HTTP/1.1" 404 0 ', name="access.log")


def test_access_log_of_a_client_that_goes(tornado):
    server = tornado("--access-logfile", "access.log")
    waiting(server, server.path("never")).close()
    server.wait_log("probe: client has gone")
    server.wait_log(r'"GET /wait\?gate=.* HTTP/1.1" - ', name="access.log")


def test_usr1_loses_no_line(tornado, hammer):
    server = tornado("--access-logfile", "access.log", workers=2)
    with hammer(server) as client:
        for number in range(3):
            count = len(client.bodies)
            eventually(lambda count=count: len(client.bodies) >= count + 20)
            server.path("access.log").rename(server.path(f"access.log.{number}"))
            server.signal(signal.SIGUSR1)
            eventually(server.path("access.log").exists)
    server.stop()
    lines = sum(path.read_text().count("GET / HTTP/1.1") for path in server.directory.glob("access.log*"))
    assert client.failures == []
    assert lines == len(client.bodies)


# Hanging


def test_loop_that_hangs(tornado):
    server = tornado("--timeout", 1)
    [worker] = server.workers()
    with server.connect() as client:
        client.send(render("GET", "/hang?x=1"))
        server.wait_log(rf"WORKER TIMEOUT \(pid:{worker}\) in GET /hang\?x=1 for ")
        server.wait_log(r'File ".*tornado_probe\.py", line \d+ in get')
        server.wait_workers(1, without=[worker])
    assert server.get("/", headers=CLOSE).status == 200


def test_idle_loop_and_long_requests_are_not_taken_for_hung(tornado):
    server = tornado("--timeout", 1)
    workers = server.workers()
    gate = server.path("gate")
    with waiting(server, gate) as client:
        with pytest.raises(AssertionError):
            server.wait_log("WORKER TIMEOUT", timeout=2.5)
        gate.touch()
        assert client.response().body == b"waited\n"
    assert server.workers() == workers


@pytest.mark.parametrize("code, told", [
    (0, r"\[WARNING\] .* has ended without being told to"), (7, "exited with code 7"), (3, "exited with code 1"),
])
def test_application_that_exits(tornado, code, told):
    server = tornado()
    [before] = server.workers()
    with server.connect() as client:
        client.send(render("GET", f"/exit?code={code}"))
        server.wait_log(rf"SystemExit: {code}$")
        server.wait_log(told)
    server.wait_workers(1, without=[before])
    assert server.get("/", headers=CLOSE).status == 200


# Ending


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_end(tornado, sig):
    server = tornado(workers=2)
    assert server.stop(sig) == 0
    assert "Traceback" not in server.log() and "ERROR" not in server.log()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_end_at_any_moment_of_the_start(tornado, sig):
    for count in range(1, 4):
        server = tornado(workers=2, start=False).launch()
        eventually(lambda count=count, server=server: len(server.processes()) >= count)
        server.signal(sig)
        assert server.wait_exit() in (0, -sig)
        eventually(lambda server=server: server.processes() == [])


def term(server):
    """Sends TERM, and waits until the worker has heard of it."""
    with websocket(server, "/echo") as client:
        server.signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=15)


def test_term_finishes_what_is_in_flight(tornado):
    server = tornado()
    gate = server.path("gate")
    with waiting(server, gate) as busy, server.connect() as streamed:
        streamed.send(render("GET", "/parts"))
        server.path("part-0").touch()
        assert streamed.head().get("connection") is None
        term(server)
        gate.touch()
        response = busy.response()
        assert (response.body, response.get("connection")) == (b"waited\n", "close")
        assert busy.ended() == b""
        for number in range(1, 3):
            server.path(f"part-{number}").touch()
        assert b"part 2\n" in streamed.ended()
    assert server.wait_exit() == 0


def test_term_does_not_wait_for_idle_connections(tornado):
    server = tornado("--keep-alive", 3600, "--graceful-timeout", 3600)
    with server.connect() as used, server.connect() as unused:
        assert used.request("GET", "/").status == 200
        term(server)
        # It may have been on its way.
        assert used.request("GET", "/").get("connection") == "close"
        assert used.ended() == b"" and unused.ended() == b""
    assert server.wait_exit() == 0


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGHUP])
def test_end_waits_until_a_slow_client_has_its_response(tornado, sig):
    server = tornado("--graceful-timeout", 3600)
    before = server.workers()
    with server.connect() as slow, server.connect() as idle:
        slow.send(render("GET", "/big?size=20000000"))
        server.wait_log("probe: has answered")
        assert idle.request("GET", "/").status == 200
        server.signal(sig)
        # From then on the worker waits for nobody who is idle.
        assert idle.ended() == b""
        assert server.workers()[:1] == before
        assert slow.head().get("connection") is None
        size = len(slow.buffer)
        while part := slow.socket.recv(1 << 20):
            size += len(part)
        assert size == 20_000_000
    if sig == signal.SIGTERM:
        assert server.wait_exit() == 0
    else:
        server.wait_workers(1, without=before)


def test_response_that_ends_after_the_wait_for_the_idle_ends_its_connection(tornado):
    server = tornado("--graceful-timeout", 3600)
    with server.connect() as streamed, server.connect() as idle:
        streamed.send(render("GET", "/parts"))
        server.path("part-0").touch()
        assert streamed.head().get("connection") is None
        assert idle.request("GET", "/").status == 200
        server.signal(signal.SIGTERM)
        assert idle.ended() == b""
        for number in range(1, 3):
            server.path(f"part-{number}").touch()
        assert b"part 2\n" in streamed.ended()
    assert server.wait_exit() == 0


def test_end_waits_for_a_request_that_has_begun_to_arrive(tornado):
    server = tornado("--graceful-timeout", 3600)
    with server.connect() as partial, server.connect() as idle:
        assert partial.request("GET", "/").status == 200
        partial.send(b"GET / HTTP/1.1\r\nHost:")
        assert idle.request("GET", "/").status == 200
        server.signal(signal.SIGTERM)
        assert idle.ended() == b""
        partial.send(b" a\r\n\r\n")
        response = partial.response()
        assert (response.status, response.get("connection")) == (200, "close")
        assert partial.ended() == b""
    assert server.wait_exit() == 0


def test_end_hears_of_detached_clients_that_go(tornado):
    server = tornado("--graceful-timeout", 3600)
    with server.connect() as stray:
        stray.send(render("GET", "/detached"))
        assert stray.head().status == 200
    server.wait_log("probe: detached client has gone")
    with server.connect() as stray:
        stray.send(render("GET", "/detached"))
        assert stray.head().status == 200
        server.signal(signal.SIGTERM)
        server.wait_log("Handling signal: term")
    assert server.wait_exit() == 0
    assert server.log().count("probe: detached client has gone") == 2


def test_websockets_are_told_of_the_end(tornado):
    server = tornado("--graceful-timeout", 3600)
    with websocket(server, "/echo") as client:
        client.send("hello")
        assert client.recv(timeout=15) == "hello"
        server.signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=15)
        assert client.close_code == 1012
    assert server.wait_exit() == 0
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGQUIT])
def test_quick_end_does_not_wait_for_threads(tornado, sig):
    server = tornado("--graceful-timeout", 3600)
    with server.connect() as client:
        client.send(render("GET", "/thread"))
        server.wait_log("probe: waits for a thread")
        assert server.stop(sig) == 0
    assert "Worker exiting" in server.log()


@pytest.mark.parametrize("path", ["/wait?gate=/nowhere/never", "/blocking"])
def test_graceful_timeout_bounds_the_end(tornado, path):
    server = tornado("--graceful-timeout", 1)
    if path == "/blocking":
        with websocket(server, path) as client:
            client.send("/nowhere/never")
            server.wait_log("probe: waits")
            assert server.stop() == 0
    else:
        with waiting(server, "/nowhere/never"):
            assert server.stop() == 0
    assert server.processes() == []
    assert "Worker exiting" in server.log()


def test_master_killed_leaves_nothing_behind(tornado):
    server = tornado("--graceful-timeout", 1, workers=2)
    with waiting(server, "/nowhere/never"):
        server.signal(signal.SIGKILL)
        server.wait_exit()
        eventually(lambda: server.processes() == [], what="workers and zygote have ended")


# Replacing


def test_recycling_loses_no_request_and_no_worker(tornado, hammer):
    server = tornado("--max-requests", 30)
    first = server.workers()
    with hammer(server) as client:
        eventually(lambda: len(re.findall("Booting worker", server.log())) >= 4, timeout=60)
    assert client.failures == []
    eventually(lambda: not set(first) & set(server.workers()))
    assert "Autorestarting worker after current request." in server.log()
    assert not re.search(r"\[(ERROR|WARNING|CRITICAL)\]", server.log()), server.log()


def test_hup_loses_no_request(tornado, hammer):
    server = tornado(workers=2)
    with hammer(server) as client:
        for number in range(2, 5):
            before = server.workers()
            server.signal(signal.SIGHUP)
            server.wait_log(f"Reloaded: generation {number} serves")
            server.wait_workers(2, without=before)
    assert client.failures == []


def test_hup_with_a_broken_application(serve):
    server = serve(*KIND, app="own:app", apps=True)
    server.write("own.py", "from tornado_probe import app\n")
    server.start(workers=1)
    before = server.workers()
    server.write("own.py", "from tornado_probe import no_such_app\n")
    server.signal(signal.SIGHUP)
    server.wait_log("ImportError: cannot import name 'no_such_app'")
    assert server.get("/", headers=CLOSE).status == 200
    eventually(lambda: server.workers() == before)


def test_ttin_and_ttou(tornado):
    server = tornado()
    server.signal(signal.SIGTTIN)
    server.wait_workers(2)
    server.signal(signal.SIGTTOU)
    server.wait_workers(1)
    assert server.get("/", headers=CLOSE).status == 200

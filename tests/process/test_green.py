"""The kinds gevent and eventlet: greenlets that wait together, and the hub that they share."""

import os
import re
import resource
import signal
import socket
import time
from contextlib import ExitStack

import pytest
from websockets.sync.client import connect

from harness import WORKER, Background, eventually, procs, render

pytestmark = pytest.mark.skipif(WORKER != "sync", reason="these name the kind themselves")

MB = 1 << 20


@pytest.fixture(params=["gevent", "eventlet"])
def library(request):
    """The library, by its name."""
    return request.param


@pytest.fixture
def green(library, serve):
    """`green("--timeout", 1)` is a started server of one worker."""

    def start(*args, workers=1, app="green_probe:app", source=None):
        server = serve("-k", library, "--workers", workers, *args, app=app)
        if source:
            server.write("own.py", source)
        return server.start(workers=workers)

    return start


@pytest.fixture
def stack():
    """Ends what was entered when the test does."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def many_files():
    """Room for a thousand connections."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limits[1], 8192), limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def at_once(server, stack, targets):
    """Connections that have sent one request each."""
    address = server.address()
    clients = [stack.enter_context(server.connect(address)) for _ in targets]
    for client, target in zip(clients, targets):
        client.send(render("GET", target))
    return clients


def rest(client):
    """How many bytes come up to the end of the connection."""
    size = len(client.buffer)
    while data := client.socket.recv(MB):
        size += len(data)
    return size


def waiting(server, stack, gate, count):
    """Connections, so many, each in a request that lasts until the file `gate` exists."""
    before = server.log().count("told waits")
    clients = at_once(server, stack, [f"/wait?gate={gate}"] * count)
    eventually(lambda: server.log().count("told waits") == before + count, what="all are in the application")
    return clients


# Requests at the same time


def test_many_requests_that_sleep(green, stack, many_files):
    server = green()
    address = server.address()
    clients = [stack.enter_context(server.connect(address)) for _ in range(800)]
    began = time.monotonic()
    for client in clients:
        client.send(render("GET", "/sleep?seconds=0.5"))
    assert {client.response().body for client in clients} == {b"slept"}
    assert time.monotonic() - began < 3
    assert int(server.get("/most").body) > 400


def test_connections_bound_the_greenlets(green, stack):
    server = green("--worker-connections", 5)
    clients = at_once(server, stack, ["/sleep?seconds=0.1"] * 20)
    assert {client.response().body for client in clients} == {b"slept"}
    assert 2 <= int(server.get("/most").body) <= 5


class Words(Background):
    """A server that answers nobody before `count` clients have asked; a word comes back in capitals."""

    def __init__(self, count):
        super().__init__()
        self.count = count
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=count)
        self.port = self.listener.getsockname()[1]

    def run(self):
        asked = []
        self.listener.settimeout(15)
        try:
            while len(asked) < self.count:
                client = self.listener.accept()[0]
                asked.append((client, client.makefile().readline()))
            for client, word in asked:
                client.sendall(word.upper().encode())
        finally:
            for client, _ in asked:
                client.close()
            self.listener.close()


def test_blocking_client_of_another_server_goes_green(green, stack):
    server = green()
    words = stack.enter_context(Words(50))
    clients = at_once(server, stack, [f"/ask?port={words.port}&word=word{n}" for n in range(50)])
    assert [client.response().text() for client in clients] == [f"WORD{n}" for n in range(50)]


def test_threads_are_greenlets(green):
    assert green().get("/threads").text() == "['one of ours'] 0"


def test_programs_are_waited_for_together(green, stack):
    server = green()
    gate = server.path("gate")
    clients = at_once(server, stack, [f"/run?gate={gate}"] * 5)
    eventually(lambda: server.log().count("told runs") == 5, what="all run")
    assert server.get("/").body == b"hello"
    gate.touch()
    assert [client.response().body for client in clients] == [b"output"] * 5


def test_requests_share_no_local(green):
    server = green("--keep-alive", 5)
    with server.connect() as client:
        assert [client.request("GET", "/local").body for _ in range(3)] == [b"None"] * 3


@pytest.mark.parametrize("args", [[], ["--preload"]], ids=["", "preload"])
def test_library_is_patched_before_the_application_is_imported(library, green, args):
    server = green(*args)
    pid, *modules = server.get("/imported").text().split()
    assert all(module.startswith(library) for module in modules)
    assert (int(pid) in server.workers()) == (not args)
    assert server.get("/threads").text() == "['one of ours'] 0"


def test_preloaded_application_that_waits_when_it_is_imported(green):
    """So it makes a hub in the zygote, and a greenlet that goes on: each worker has to have one of its own."""
    server = green("--preload", app="own:app", workers=2, source=(
        "import threading, time\n"
        "from green_probe import app\n"
        "event = threading.Event()\n"
        "threading.Thread(target=lambda: time.sleep(0.01) or event.set(), daemon=True).start()\n"
        "event.wait()\n"
    ))
    for _ in range(10):
        assert server.get("/sleep?seconds=0.01").body == b"slept"
    assert server.get("/threads").text() == "['one of ours'] 0"


def test_upload_as_fast_as_it_goes_lets_the_others_run(green, stack):
    server = green("--stream-request-body", "--limit-request-body", 0)
    client = stack.enter_context(Sender(server))
    server.wait_log("told begins")
    for _ in range(30):
        assert server.get("/").body == b"hello"
    assert client.sent > MB


class Sender(Background):
    """A client that sends lines as fast as it can."""

    def __init__(self, server, target="/count", size=10**12):
        super().__init__()
        self.connection = server.connect()
        self.target, self.size, self.sent = target, size, 0

    def run(self):
        lines = (b"x" * 63 + b"\n") * 16384
        with self.connection as connection:
            connection.send(render("POST", self.target, {"Content-Length": str(self.size)}))
            while not self.ending.is_set() and self.sent < self.size:
                self.sent += connection.socket.send(lines[:self.size - self.sent])


def test_multithread_is_told(green):
    assert b'"wsgi.multithread": ["bool", true]' in green(app="probe:app").get("/environ").body


# Clients that are slow


def test_server_sent_events(green, stack):
    server = green()
    clients = at_once(server, stack, ["/events"] * 20)
    eventually(lambda: server.log().count("told listens") == 20, what="all listen")
    for client in clients:
        assert client.head().status == 200
        eventually(lambda client=client: b"begin" in client.buffer or not client._fill())
    assert server.get("/publish").body == b"published"
    assert all(b"news" in (client.ended() or b"") or b"news" in client.buffer for client in clients)


def test_upload_waits_for_its_client_alone(green):
    server = green("--stream-request-body")
    line = b"x" * 1023 + b"\n"
    with server.connect() as client:
        client.send(render("POST", "/count", {"Content-Length": str(MB)}) + line * 256)
        server.wait_log("told begins")
        assert server.get("/").body == b"hello"
        client.send(line * 768)
        assert client.response().body == str(MB).encode()


def test_upload_by_chunks(green):
    server = green("--stream-request-body")
    with server.connect() as client:
        client.send(render("POST", "/count", {"Transfer-Encoding": "chunked"}) + b"40000\r\n%s\r\n" % (b"x" * 0x40000))
        server.wait_log("told begins")
        client.send(b"5\r\nabc\nd\r\n0\r\n\r\n")
        assert client.response().body == str(0x40000 + 5).encode()


def test_upload_whose_client_goes(green):
    server = green("--stream-request-body")
    with server.connect() as client:
        client.send(render("POST", "/count", {"Content-Length": "1000000"}) + b"x" * 300000)
        server.wait_log("told begins")
    server.wait_log("told fails: ConnectionResetError")
    assert server.get("/").body == b"hello"


def test_upload_whose_client_is_too_slow(green):
    server = green("--stream-request-body", "--client-body-timeout", 1)
    with server.connect() as client:
        client.send(render("POST", "/count", {"Content-Length": "1000000"}) + b"x" * 300000)
        assert client.response().status == 408
    server.wait_log("told fails: TimeoutError")


@pytest.mark.parametrize("seconds", [0.5, 20], ids=["interrupted", "too-slow"])
def test_time_to_read_is_not_counted_when_nobody_reads(green, seconds):
    """The hub would run without end for somebody who waits until the client takes what it is sent."""
    server = green("--stream-request-body", "--client-body-timeout", 1)
    [worker] = server.workers()
    with server.connect() as client:
        target = f"/bounded?count=1000&seconds={seconds}"
        client.send(render("POST", target, {"Content-Length": "1000000"}) + b"x" * 300000)
        assert client.head().status == 200
        # Longer than the client had to send something; the measure is what the worker does in that time.
        time.sleep(1)
        before = procs.cpu_seconds(worker)
        time.sleep(1)
        assert procs.cpu_seconds(worker) - before < 0.3
    server.wait_log(r"told ended after \d+")


def test_reader_that_a_request_leaves_behind_is_woken(green):
    server = green("--stream-request-body")
    with server.connect() as client:
        client.send(render("POST", "/leave-reader", {"Content-Length": "1000000"}) + b"x" * 300000)
        assert client.response().body == b"left"
        server.wait_log("told reader left behind: .* after its request had ended")


def test_upload_that_is_read_at_once_lets_the_others_run(green, stack):
    server = green("--stream-request-body", "--limit-request-body", 0)
    client = stack.enter_context(Sender(server, "/upload", 256 * MB))
    server.wait_log("told begins")
    served = 0
    while client.sent < 250 * MB:
        assert server.get("/").body == b"hello"
        served += 1
    assert served > 50


def test_line_is_searched_once(green):
    """A byte at a time after many: a search from the beginning of them would take all of the worker's time."""
    server = green("--stream-request-body", "--limit-request-body", 0)
    [worker] = server.workers()
    with server.connect() as client:
        client.send(render("POST", "/line", {"Content-Length": str(64 * MB + 1000)}) + b"x" * (64 * MB))
        server.wait_log("told begins")
        assert server.get("/").body == b"hello"
        before = procs.cpu_seconds(worker)
        for _ in range(1000):
            client.send(b"x")
            assert server.get("/").body == b"hello"
        assert client.response().body == str(64 * MB + 1000).encode()
        assert procs.cpu_seconds(worker) - before < 0.8


def test_socket_that_is_looked_at_is_not_made(green):
    assert green().get("/copy").body == b"False ClientSocket"


def test_server_of_the_standard_library_in_a_thread(green):
    server = green()
    assert int(server.get("/server").body) > 0
    began = time.monotonic()
    for _ in range(10):
        assert server.get("/sleep?seconds=0.01").body == b"slept"
    assert time.monotonic() - began < 2


def test_upload_without_streaming_is_whole(green):
    server = green()
    with server.connect() as client:
        client.send(render("POST", "/count", {"Content-Length": "1000000"}) + b"x" * 300000)
        assert server.get("/").body == b"hello"
        client.send(b"x" * 700000)
        assert client.response().body == b"1000000"


@pytest.mark.parametrize("by", ["yield", "write"])
def test_slow_readers_hold_nobody_and_little_memory(green, stack, by):
    server = green()
    [worker] = server.workers()
    server.get("/parts?count=2")
    before = procs.private_bytes(worker)
    readers = at_once(server, stack, [f"/parts?count=640&by={by}"] * 20)
    assert {reader.head().status for reader in readers} == {200}
    for _ in range(20):
        assert server.get("/").body == b"hello"
    assert procs.private_bytes(worker) - before < 30 * MB, "of the 800 MB that the readers are owed"
    assert server.log().count("told ended") == 1
    assert rest(readers[0]) > 640 * 65536
    server.wait_log("told ended after 640")


def test_whole_body_beyond_the_bounds_waits_for_its_reader(green, stack):
    server = green("--buffer-memory", MB, "--buffer-disk", MB)
    [reader] = at_once(server, stack, ["/whole?count=64"])
    assert reader.head().status == 200
    for _ in range(20):
        assert server.get("/").body == b"hello"
    assert rest(reader) >= 64 * MB


def test_reader_that_takes_nothing(green, stack):
    server = green("--client-send-timeout", 1)
    [reader] = at_once(server, stack, ["/parts?count=1000000"])
    assert reader.head().status == 200
    server.wait_log(r"told ended after \d+")
    assert server.get("/").body == b"hello"


def test_client_that_goes_ends_its_greenlet(green):
    server = green()
    with server.connect() as client:
        client.send(render("GET", "/parts?count=1000000"))
        assert client.head().status == 200
    server.wait_log(r"told ended after \d+")
    assert server.get("/").body == b"hello"
    assert "Traceback" not in server.log()


def test_writer_that_never_waits_lets_the_others_run(green, stack):
    server = green("--timeout", 2)
    [worker] = server.workers()
    reader = stack.enter_context(Swallower(server, "/parts?count=10000000&size=256"))
    for _ in range(30):
        assert server.get("/").body == b"hello"
    assert reader.taken > 0 and server.workers() == [worker]


class Swallower(Background):
    """A client that reads as fast as it can."""

    def __init__(self, server, target):
        super().__init__()
        self.connection = server.connect()
        self.target, self.taken = target, 0

    def run(self):
        with self.connection as connection:
            connection.send(render("GET", self.target))
            while not self.ending.is_set() and (data := connection.socket.recv(MB)):
                self.taken += len(data)


# WebSockets of applications that take the socket over


def dial(server, path):
    host, port = server.address()
    return connect(f"ws://{host}:{port}/{path}", open_timeout=15, close_timeout=15, compression=None)


def test_websocket_over_the_socket(green):
    server = green()
    with dial(server, "echo") as one, dial(server, "echo") as other:
        for number in range(10):
            one.send(f"one {number}")
            other.send(f"other {number}")
            assert (other.recv(timeout=15), one.recv(timeout=15)) == (f"other {number}", f"one {number}")
        assert server.get("/").body == b"hello"
    eventually(lambda: server.log().count("told closed") == 2, what="both have ended")
    assert (one.close_code, other.close_code) == (1000, 1000)
    assert "Traceback" not in server.log()


FLASK_SOCK = """
import os
from flask import Flask
from flask_sock import Sock

app = Flask(__name__)
sock = Sock(app)


@sock.route("/echo")
def echo(websocket):
    while True:
        websocket.send(websocket.receive())


@app.route("/")
def hello():
    return "hello"


os.write(2, b"probe loaded in %d\\n" % os.getpid())
"""


def test_websocket_of_flask_sock(library, serve):
    server = serve("-k", library, app="own:app")
    server.write("own.py", FLASK_SOCK)
    server.start(workers=1)
    with dial(server, "echo") as one, dial(server, "echo") as other:
        for number in range(10):
            one.send(f"one {number}")
            other.send(f"other {number}")
            assert (other.recv(timeout=15), one.recv(timeout=15)) == (f"other {number}", f"one {number}")
    assert server.get("/").body == b"hello"
    assert "Traceback" not in server.log()


def test_websocket_of_eventlet(serve):
    server = serve("-k", "eventlet", app="green_probe:app").start(workers=1)
    with dial(server, "library") as client:
        for number in range(10):
            client.send(f"message {number}")
            assert client.recv(timeout=15) == f"message {number}"
    assert server.get("/").body == b"hello"
    assert "Traceback" not in server.log()


# The life of a worker


def test_stop_answers_what_is_in_flight(green, stack):
    server = green()
    clients = waiting(server, stack, server.path("gate"), 20)
    server.signal(signal.SIGTERM)
    server.wait_log("Handling signal: term")
    server.path("gate").touch()
    assert {client.response().body for client in clients} == {b"waited"}
    assert server.wait_exit() == 0


def test_greenlets_that_do_not_end_are_killed(green, stack):
    server = green("--graceful-timeout", 2)
    clients = waiting(server, stack, server.path("never"), 5)
    began = time.monotonic()
    assert server.stop() == 0
    assert 1 < time.monotonic() - began < 10
    server.wait_log("Worker graceful timeout")
    assert server.log().count("told interrupted by GreenletExit") == 5
    assert all(client.ended() == b"" for client in clients)
    assert "Traceback" not in server.log()


def test_thread_that_nothing_can_wake_holds_up_no_end(green):
    """gevent sees that when nothing else is in its loop: nothing of ours must be."""
    server = green("--timeout", 60, app="own:app", source=(
        "import threading\n"
        "from green_probe import app\n"
        "threading.Thread(target=threading.Event().wait).start()\n"
    ))
    assert server.get("/").body == b"hello"
    assert server.stop() == 0


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGQUIT])
def test_quick_end(green, stack, sig):
    server = green("--graceful-timeout", 30)
    clients = waiting(server, stack, server.path("never"), 5)
    began = time.monotonic()
    assert server.stop(sig) == 0
    assert time.monotonic() - began < 10
    assert all(client.ended() == b"" for client in clients)


def test_reload_loses_no_request(green, hammer):
    server = green("--keep-alive", 5, workers=2)
    with hammer(server) as client:
        for _ in range(2):
            workers, served = server.workers(), len(client.bodies)
            server.signal(signal.SIGHUP)
            server.wait_workers(2, without=workers)
            eventually(lambda served=served: len(client.bodies) > served + 20)
    assert client.failures == [] and set(client.bodies) == {b"hello"}


def test_recycling_loses_no_request(green, hammer, stack):
    server = green("--max-requests", 20, "--max-requests-jitter", 5, workers=2)
    clients = [stack.enter_context(hammer(server)) for _ in range(3)]
    eventually(lambda: server.log().count("Autorestarting worker") >= 5, 20, "workers are recycled")
    served = [len(client.bodies) for client in clients]
    eventually(lambda: all(len(client.bodies) > count for client, count in zip(clients, served)))
    assert [client.failures for client in clients] == [[], [], []]


def test_hub_that_stands_still_is_found(green):
    server = green("--timeout", 1)
    [worker] = server.workers()
    with server.connect() as client:
        client.send(render("GET", "/spin"))
        server.wait_log(rf"WORKER TIMEOUT \(pid:{worker}\) in GET /spin for ")
        server.wait_log(r'File ".*green_probe\.py", line \d+ in play_spin')
        server.wait_workers(1, without=[worker])
    assert server.get("/").body == b"hello"


def test_request_may_outlast_the_timeout(green, stack):
    server = green("--timeout", 1)
    [worker] = server.workers()
    [client] = waiting(server, stack, server.path("gate"), 1)
    with pytest.raises(AssertionError):
        server.wait_log("WORKER TIMEOUT", timeout=3)
    server.path("gate").touch()
    assert client.response().body == b"waited"
    assert server.workers() == [worker]


def test_master_that_goes_leaves_nothing_behind(green, stack):
    server = green("--graceful-timeout", 2)
    waiting(server, stack, server.path("never"), 2)
    server.signal(signal.SIGKILL)
    server.wait_exit()
    eventually(lambda: not server.processes(), 15, "no process is left")


def test_fork_of_the_application_serves_nobody(green):
    """Its hub goes on, with all that it had to watch; the clients stay with the parent."""
    server = green("--keep-alive", 5)
    [worker] = server.workers()
    with server.connect() as client:
        assert int(client.request("GET", "/fork").body) > 0
        server.wait_log("told forked")
        for _ in range(200):
            assert client.request("GET", "/pid").body == str(worker).encode()
            assert server.get("/pid").body == str(worker).encode()
    server.path("gate").touch()


@pytest.mark.parametrize("how", ["return", "raise"])
def test_fork_that_comes_back_ends(green, how):
    server = green("--keep-alive", 5)
    with server.connect() as client:
        for _ in range(3):
            assert client.request("GET", f"/fork-and-return?how={how}").body == b"parent"
        assert client.request("GET", "/").body == b"hello"
        assert client.buffer == b""


def test_fork_in_a_thread_that_comes_back_ends(green):
    server = green()
    [worker] = server.workers()
    child = int(server.get("/thread-fork").body)
    eventually(lambda: not procs.alive(child), what="the child has ended")
    assert server.get("/pid").body == str(worker).encode()


def test_greenlet_that_cannot_be_made_costs_its_request_alone(green):
    server = green()
    assert server.get("/hook").body == b"armed"
    assert server.get("/").status == 500
    server.wait_log("ERROR.* LookupError: the hook fails")
    for _ in range(3):
        assert server.get("/").body == b"hello"


def test_descriptor_that_eventlet_drops_is_watched_again(serve):
    server = serve("-k", "eventlet", app="green_probe:app").start(workers=1)
    assert server.get("/squelch").body == b"squelched"
    server.wait_log("Removing descriptor")
    began = time.monotonic()
    for _ in range(10):
        assert server.get("/").body == b"hello"
    assert time.monotonic() - began < 3, "it is not by a timer that they are found"


def test_greenlet_that_never_begins_is_answered(green):
    server = green("--graceful-timeout", 20)
    assert server.get("/kill").body == b"armed"
    assert server.get("/").status == 500
    assert server.get("/").body == b"hello"
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 10, "nobody waits for a greenlet that has not begun"


def test_failure_is_told_and_answered(green):
    server = green("--keep-alive", 5, "--access-logfile", "-")
    with server.connect() as client:
        assert client.request("GET", "/fail").status == 500
    server.wait_log("Error handling request GET /fail")
    server.wait_log("^LookupError: it fails")
    server.wait_log(r'"GET /fail HTTP/1\.1" 500', name="stdout")


# The library


def without(server, library):
    """Has Python find no such package."""
    server.write("without/sitecustomize.py", f"import sys\nsys.modules[{library!r}] = None\n")
    server.env["PYTHONPATH"] += os.pathsep + str(server.path("without"))


def test_missing_library(library, serve):
    server = serve("-k", library, app="green_probe:app")
    without(server, library)
    assert server.run() == 1
    message = f"The worker kind {library} needs the package {library}, which is not installed: pip install {library}"
    assert server.log().count(message) == 1
    assert "Traceback" not in server.log() and "Booting worker" not in server.log()


def test_missing_library_at_a_reload(library, serve):
    server = serve("-c", "gunicorn.conf.py", app="green_probe:app")
    server.write("gunicorn.conf.py", "worker_class = 'sync'\n")
    without(server, library)
    server.start(workers=1)
    workers = server.workers()
    server.write("gunicorn.conf.py", f"worker_class = {library!r}\n")
    server.signal(signal.SIGHUP)
    server.wait_log(f"needs the package {library}, which is not installed")
    assert server.get("/").body == b"hello"
    assert server.workers() == workers


def test_deprecation_is_told_once(serve):
    server = serve("-k", "eventlet", "--workers", 3, app="green_probe:app").start(workers=3)
    assert re.findall(r"\[WARNING\] (\w+): Eventlet is deprecated", server.log()) == ["EventletDeprecationWarning"]


@pytest.mark.parametrize("name", ["gevent_wsgi", "gevent_pywsgi", "egg:gunicorn#gevent"])
def test_other_names(serve, name):
    server = serve("-k", name, app="green_probe:app").start(workers=1)
    server.wait_log("Using worker: gevent")
    assert server.get("/").body == b"hello"

"""The gthread kind: threads that are there when they are needed, and what one of them does to the others."""

import os
import re
import resource
import signal
import threading
import time

import pytest

from harness import WORKER, eventually, procs, render

pytestmark = pytest.mark.skipif(WORKER != "sync", reason="these name the kind themselves")

THREADS = ("--worker-class", "gthread", "--threads", 4)


@pytest.fixture
def threads(serve):
    """`threads("--timeout", 1)` is a server of one worker with four threads."""

    def start(*args, source=None, workers=1):
        server = serve(*THREADS, "--workers", workers, *args, app="own:app" if source else "probe:app")
        if source:
            server.write("own.py", source + "import os\nos.write(2, b'probe loaded in %d\\n' % os.getpid())\n")
        return server.start(workers=workers)

    return start


def waiting(server, gate, count):
    """Connections, so many, each in a request that lasts until `gate` exists."""
    before = server.log().count("probe waits")
    clients = [server.connect() for _ in range(count)]
    for number, client in enumerate(clients):
        client.send(render("GET", f"/wait?gate={gate}&number={number}"))
    eventually(lambda: server.log().count("probe waits") == before + count, what="all are in the application")
    return clients


def test_sync_with_threads_is_gthread(serve):
    server = serve("--threads", 2).start(workers=1)
    server.wait_log("Using worker: gthread")
    assert b'"wsgi.multithread": ["bool", true]' in server.get("/environ").body


def test_requests_at_the_same_time(threads):
    server = threads()
    gate = server.path("gate")
    clients = waiting(server, gate, 3)
    for _ in range(50):
        assert server.get("/").status == 200
    gate.touch()
    assert [client.response().body for client in clients] == [b"waited\n"] * 3


def test_threads_are_started_when_they_are_needed(threads):
    server = threads()
    [worker] = server.workers()
    for _ in range(20):
        server.get("/")
    names = procs.threads(worker)
    assert "gthread-0-0" in names and "gthread-0-3" not in names
    clients = waiting(server, server.path("gate"), 4)
    assert {f"gthread-0-{number}" for number in range(4)} <= set(procs.threads(worker))
    server.path("gate").touch()
    assert all(client.response().status == 200 for client in clients)


def test_thread_names_are_those_that_python_knows(threads):
    source = (
        "import threading\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [threading.current_thread().name.encode()]\n"
    )
    assert re.fullmatch(rb"gthread-0-\d", threads(source=source).get("/").body)


def test_connections_are_kept_for_two_seconds_unless_told_otherwise(threads):
    server = threads()
    with server.connect() as client:
        assert client.request("GET", "/").get("connection") == "keep-alive"
        began = time.monotonic()
        assert client.ended() == b""
        assert time.monotonic() - began > 1


def test_request_may_outlast_the_timeout(threads):
    server = threads("--timeout", 1)
    [worker] = server.workers()
    gate = server.path("gate")
    [client] = waiting(server, gate, 1)
    with pytest.raises(AssertionError):
        server.wait_log("WORKER TIMEOUT", timeout=3)
    gate.touch()
    assert client.response().body == b"waited\n"
    assert server.workers() == [worker]


def test_interpreter_that_hangs_is_noticed(threads):
    source = (
        "import ctypes\n"
        "def app(environ, start_response):\n"
        "    ctypes.PyDLL(None).sleep(600)\n"
    )
    server = threads("--timeout", 1, source=source)
    [worker] = server.workers()
    with server.connect() as client:
        client.send(render("GET", "/hangs"))
        server.wait_log(rf"WORKER TIMEOUT \(pid:{worker}\) in GET /hangs for ")
        server.wait_workers(1, without=[worker])


def test_request_that_takes_too_long_has_its_worker_replaced(threads):
    server = threads("--request-timeout", 1, "--graceful-timeout", 2)
    [worker] = server.workers()
    gate = server.path("gate")
    hung, other = waiting(server, server.path("never"), 1)[0], waiting(server, gate, 1)[0]
    server.wait_log(rf"REQUEST TIMEOUT \(pid:{worker}\) in GET /wait\?gate=\S+never\S* for 1\.\d s")
    server.wait_log(r"GET /wait\?gate=\S+never\S* \(pid:\d+\) is, after 1\.\d s, in")
    server.wait_log(r'File ".*probe\.py", line \d+, in wait')
    eventually(lambda: server.log().count("probe loaded") == 2, what="its successor serves")
    assert server.get("/").status == 200
    gate.touch()
    assert other.response().body == b"waited\n"
    eventually(lambda: not procs.alive(worker), what="it ends, in the end")
    assert hung.ended() == b""


def test_request_that_holds_the_interpreter_for_too_long_is_told_at_once(threads):
    source = (
        "import ctypes\n"
        "def app(environ, start_response):\n"
        "    ctypes.PyDLL(None).sleep(600)\n"
    )
    server = threads("--request-timeout", 1, "--timeout", 0, source=source)
    [worker] = server.workers()
    with server.connect() as client:
        client.send(render("GET", "/holds"))
        server.wait_log(rf"REQUEST TIMEOUT \(pid:{worker}\) in GET /holds for 1\.\d s, replacing the worker")
    os.kill(worker, signal.SIGKILL)


def test_worker_without_a_master_waits_in_peace(threads):
    """What is in flight goes on, and nothing else does."""
    server = threads("--graceful-timeout", 60)
    [worker] = server.workers()
    gate = server.path("gate")
    [client] = waiting(server, gate, 1)
    server.signal(signal.SIGKILL)
    server.wait_log("Parent changed")
    before, began = procs.cpu_seconds(worker), time.monotonic()
    eventually(lambda: time.monotonic() - began > 1)
    assert procs.cpu_seconds(worker) - before < 0.5
    gate.touch()
    assert client.response().body == b"waited\n"
    eventually(lambda: not procs.alive(worker), what="it ends")


def test_exit_in_a_request_ends_the_request(threads):
    server = threads()
    [worker] = server.workers()
    for _ in range(8):
        assert server.get("/exit").status == 500
    assert server.get("/").status == 200
    assert server.workers() == [worker]


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_end_with_threads_in_the_application(threads, sig):
    server = threads("--graceful-timeout", 1)
    clients = waiting(server, server.path("never"), 4)
    began = time.monotonic()
    assert server.stop(sig) == 0
    assert time.monotonic() - began < 10
    assert all(client.ended() == b"" for client in clients)


def test_stop_answers_what_is_in_flight(threads):
    server = threads()
    gate = server.path("gate")
    clients = waiting(server, gate, 4)
    server.signal(signal.SIGTERM)
    server.wait_log("Handling signal: term")
    gate.touch()
    assert [client.response().body for client in clients] == [b"waited\n"] * 4
    assert server.wait_exit() == 0


def test_client_that_vanishes_frees_its_thread(threads):
    server = threads()
    for _ in range(8):
        with server.connect() as client:
            client.send(render("GET", "/endless"))
            assert client.head().status == 200
    clients = waiting(server, server.path("gate"), 3)
    assert server.get("/").status == 200
    server.path("gate").touch()
    assert all(client.response().status == 200 for client in clients)


def test_idle_connections_are_cheap(threads):
    count = 2000
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limits[1], 8192), limits[1]))
    try:
        server = threads("--keep-alive", 60, "--worker-connections", count + 100)
        [worker] = server.workers()
        address = server.address()
        clients = [server.connect(address) for _ in range(100)]
        assert all(client.request("GET", "/").status == 200 for client in clients)
        before = procs.private_bytes(worker)
        for _ in range(count):
            clients.append(server.connect(address))
            assert clients[-1].request("GET", "/").status == 200
        assert (procs.private_bytes(worker) - before) / count < 4096
        assert all(client.request("GET", "/").status == 200 for client in clients[::50])
    finally:
        for client in clients:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


class TestStreamedBodies:
    """`--stream-request-body`: the application reads what has not arrived."""

    SOURCE = (
        "import os\n"
        "def app(environ, start_response):\n"
        "    body = environ['wsgi.input']\n"
        "    first = body.read(100)\n"
        "    os.write(2, b'has begun\\n')\n"
        "    try:\n"
        "        total = len(first) + sum(len(line) for line in body)\n"
        "    except OSError as error:\n"
        "        os.write(2, b'failed: %s\\n' % type(error).__name__.encode())\n"
        "        raise\n"
        "    start_response('200 OK', [])\n"
        "    return [b'%d' % total]\n"
    )

    @pytest.fixture
    def server(self, threads):
        """Streams bodies."""
        return threads("--stream-request-body", "--keep-alive", 5, source=self.SOURCE)

    @pytest.mark.parametrize("chunked", [False, True])
    def test_application_is_entered_before_the_end(self, server, chunked):
        line = b"x" * 1023 + b"\n"
        framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(1024 * 1024)}
        with server.connect() as client:
            for _ in range(2):
                client.send(render("POST", "/", framing))
                frame = (lambda data: b"%x\r\n%s\r\n" % (len(data), data)) if chunked else (lambda data: data)
                client.send(frame(line * 256))
                server.wait_log("has begun")
                client.send(frame(line * 768) + (b"0\r\n\r\n" if chunked else b""))
                assert client.response().body == b"1048576"

    def test_short_body_is_waited_for(self, server):
        with server.connect() as client:
            client.send(render("POST", "/", {"Content-Length": "1000"}) + b"x" * 500)
            assert server.request("POST", "/", body=b"y" * 200).body == b"200"
            client.send(b"x" * 500)
            assert client.response().body == b"1000"

    def test_client_that_goes(self, server):
        with server.connect() as client:
            client.send(render("POST", "/", {"Content-Length": "1000000"}) + b"x" * 300000)
            server.wait_log("has begun")
        server.wait_log("failed: ConnectionResetError")
        assert server.request("POST", "/", body=b"y" * 200).body == b"200"

    def test_client_that_is_too_slow(self, threads):
        server = threads("--stream-request-body", "--client-body-timeout", 1, source=self.SOURCE)
        with server.connect() as client:
            client.send(render("POST", "/", {"Content-Length": "1000000"}) + b"x" * 300000)
            assert client.response().status == 408
        server.wait_log("failed: TimeoutError")

    def test_unread_rest_is_no_request(self, threads):
        server = threads("--stream-request-body", "--keep-alive", 5)
        with server.connect() as client:
            client.send(render("POST", "/unread", {"Content-Length": "400000"}) + b"x" * 300000)
            response = client.response()
            assert (response.body, response.get("connection")) == (b"unread\n", "close")
            client.send(render("GET", "/") * 100)
            assert client.ended() == b""


def test_clients_and_signals_at_random(threads):
    """Each response belongs to its request, while workers come and go."""
    server = threads("--keep-alive", 5, "--max-requests", 300, "--max-requests-jitter", 100, workers=2)
    address, answered, failures, ending = server.address(), [], [], threading.Event()

    def client(number):
        turn = 0
        while not ending.is_set():
            try:
                with server.connect(address) as connection:
                    for _ in range(5):
                        turn += 1
                        tokens = [f"{number}-{turn}-{n}".encode() for n in range(3)]
                        connection.send(b"".join(render("POST", "/slow-echo", body=token) for token in tokens))
                        for token in tokens:
                            answer = connection.response()
                            answered.append(number)
                            if answer.body != token:
                                failures.append((token, answer))
                            if answer.get("connection") == "close":
                                break
                        if answer.get("connection") == "close":
                            break
                    else:
                        # It goes in the middle of a request, or of a response.
                        request = render("GET", "/large?size=3000000")
                        connection.send(request[: 20 + number] if number % 2 else request)
                        if number % 2 == 0:
                            connection.head()
            except (OSError, ConnectionError) as error:
                failures.append(error)

    clients = [threading.Thread(target=client, args=(number,)) for number in range(6)]
    for thread in clients:
        thread.start()
    try:
        for sig in [signal.SIGTTIN, signal.SIGHUP, signal.SIGTTOU, signal.SIGHUP]:
            before = server.log().count("Booting worker")
            server.signal(sig)
            if sig != signal.SIGTTOU:
                eventually(lambda before=before: server.log().count("Booting worker") > before, 20)
            served = len(answered)
            eventually(lambda served=served: len(answered) > served + 100, 20)
    finally:
        ending.set()
        for thread in clients:
            thread.join()
    assert failures == []

"""Applications of tornado under both servers' tornado kinds."""

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from harness import documented, eventually, render

pytestmark = pytest.mark.sync_only("the kind is tornado in either run")

CLOSE = [("Connection", "close")]


@pytest.fixture
def tornado(serve):
    """`tornado("--keep-alive", 0)` is a started server of the application `tornado_probe:app`."""
    return lambda *args, **options: serve(
        "--worker-class", "tornado", *args, **{"app": "tornado_probe:app", **options}
    ).start(workers=1)


@pytest.mark.parametrize("app", ["tornado_probe:app", "probe:app"])
def test_hello(tornado, app):
    server = tornado(app=app)
    response = server.get("/", headers=CLOSE)
    assert (response.status, response.body) == (200, b"Hello, World!\n")


def test_server_header(tornado):
    server = tornado()
    is_extended = "(Gunicorn/" in server.get("/", headers=CLOSE).get("server")
    assert is_extended == documented(server.kind, "tornado-server", gunicorn=True, ours=False)


def test_keepalive(tornado):
    server = tornado("--keep-alive", 0)
    with server.connect() as connection:
        told = connection.request("GET", "/").get("connection")
    assert told == documented(server.kind, "tornado-keepalive", gunicorn=None, ours="close")


def test_access_log(tornado):
    server = tornado("--access-logfile", "access.log")
    assert server.get("/", headers=CLOSE).status == 200
    assert server.stop() == 0
    is_logged = "GET / HTTP/1.1" in server.log("access.log")
    assert is_logged == documented(server.kind, "tornado-access-log", gunicorn=False, ours=True)


def test_max_requests(tornado):
    server = tornado("--max-requests", 3)
    with server.connect() as connection:
        for _ in range(3):
            assert connection.request("GET", "/").status == 200
        is_over = "Autorestarting worker" in server.log()
    assert is_over == documented(server.kind, "tornado-max-requests", gunicorn=False, ours=True)


def test_term_with_a_request_in_flight(tornado):
    server = tornado()
    gate = server.path("gate")
    with server.connect() as connection:
        connection.send(render("GET", f"/wait?gate={gate}"))
        server.wait_log("probe: waits")
        server.signal(15)
        server.wait_log("Handling signal: term")
        if server.ours:
            gate.touch()
        rest = connection.ended()
    is_answered = b"waited\n" in rest
    assert is_answered == documented(server.kind, "tornado-graceful", gunicorn=False, ours=True)
    assert server.wait_exit() == 0


def test_term_with_a_websocket(tornado):
    server = tornado()
    host, port = server.address()
    with connect(f"ws://{host}:{port}/echo", open_timeout=15, close_timeout=15) as client:
        client.send("hello")
        assert client.recv(timeout=15) == "hello"
        server.signal(15)
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=15)
        assert client.close_code == documented(server.kind, "tornado-websocket-end", gunicorn=1006, ours=1012)
    eventually(server.exited)

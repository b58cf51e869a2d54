"""The gevent kind of both servers, with the application of the checks that are ours alone."""

import os

import pytest

from harness import documented, eventually, render

pytestmark = pytest.mark.sync_only("the kind is gevent in either run")


@pytest.fixture
def green(serve):
    """`green("--preload")` is a started server of one worker."""
    return lambda *args: serve("-k", "gevent", *args, app="green_probe:app").start(workers=1)


def test_requests_that_wait_at_the_same_time(green):
    server = green()
    clients = [server.connect() for _ in range(10)]
    for client in clients:
        client.send(render("GET", "/wait?gate=gate"))
    server.wait_log("(told waits\n){10}")
    server.path("gate").touch()
    for client in clients:
        with client:
            assert client.response().body == b"waited"


def test_import_after_the_patch(green):
    assert green().get("/imported").text().split()[1].startswith("gevent")


def test_import_after_the_patch_with_preload(kind, green):
    module = green("--preload").get("/imported").text().split()[1]
    assert module == documented(kind, "green-preload", gunicorn="socket", ours="gevent._socket3")


def test_what_a_request_leaves_to_the_next_of_its_connection(kind, green):
    with green().connect() as client:
        assert client.request("GET", "/local").body == b"None"
        left = documented(kind, "greenlet-for-each-request", gunicorn=b"1", ours=b"None")
        assert client.request("GET", "/local").body == left


def test_exit_in_the_application(kind, green):
    with green().connect() as client:
        client.send(render("GET", "/exit"))
        status = documented(kind, "green-exit", gunicorn=b"", ours=b"HTTP/1.1 500 Internal Server Error")
        assert client.ended().split(b"\r\n")[0] == status


def test_stop_iteration_ends_the_connection_without_an_answer(green):
    server = green()
    with server.connect() as client:
        client.send(render("GET", "/stop"))
        assert client.ended() == b""
    assert "Traceback" not in server.log()


def test_kind_that_serves_by_the_library_s_own_server(kind, serve):
    server = serve("-k", "gevent_pywsgi", app="green_probe:app").start(workers=1)
    body = server.get("/keys").text().split()
    assert ("gunicorn.socket" in body) == documented(kind, "gevent-pywsgi", gunicorn=False, ours=True)


def test_eventlet(kind, serve):
    server = serve("-k", "eventlet", app="green_probe:app").launch()
    eventually(lambda: server.exited() or server.address(), 20, "it serves, or has ended")
    assert server.exited() == documented(kind, "eventlet", gunicorn=True, ours=False)


def test_library_that_is_missing(kind, serve):
    server = serve("-k", "gevent", app="green_probe:app")
    server.write("without/sitecustomize.py", "import sys\nsys.modules['gevent'] = None\n")
    server.env["PYTHONPATH"] += os.pathsep + str(server.path("without"))
    assert server.run() == 1
    assert ("Traceback" in server.log()) == documented(kind, "missing-library", gunicorn=True, ours=False)

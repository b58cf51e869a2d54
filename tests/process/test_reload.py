"""HUP builds the new generation, and commits it or keeps the old: no request ever fails."""

import signal

from harness import eventually


def reload(server):
    server.signal(signal.SIGHUP)


def test_no_request_fails_during_reloads(serve, own_app, hammer):
    server = serve("--workers", 2, app="own:app", apps=False)
    server.write("own.py", own_app("round 0"))
    server.start(workers=2)
    with hammer(server) as client:
        for number in range(1, 4):
            before = server.workers()
            server.write("own.py", own_app(f"round {number}"))
            reload(server)
            server.wait_workers(2, without=before)
            eventually(lambda wanted=f"round {number}".encode(): client.bodies[-1] == wanted)
    assert client.failures == []


def refused(serve, own_app, hammer, break_it, words):
    """Breaks something, reloads, and expects that the same workers go on serving and the log says `words`."""
    server = serve("--workers", 2, app="own:app", apps=False)
    server.write("own.py", own_app("good"))
    server.write("gunicorn.conf.py", "raw_env = ['GENERATION=1']\n")
    server.start(workers=2)
    before = server.workers()
    with hammer(server) as client:
        break_it(server)
        reload(server)
        server.wait_log(words)
        eventually(lambda: server.workers() == before, what="the old workers are the only ones")
        count = len(client.bodies)
        eventually(lambda: len(client.bodies) > count + 20, what="requests are answered after the refusal")
    assert client.failures == []
    assert set(client.bodies) == {b"good"}
    return server


def repaired(server, own_app):
    """The next reload, with everything repaired, is committed."""
    before = server.workers()
    server.write("own.py", own_app("better"))
    server.write("gunicorn.conf.py", "")
    reload(server)
    server.wait_workers(2, without=before)
    assert server.get("/").body == b"better"


def test_broken_application(serve, own_app, hammer):
    server = refused(serve, own_app, hammer, lambda s: s.write("own.py", "def app(:\n"), "SyntaxError")
    repaired(server, own_app)


def test_missing_application(serve, own_app, hammer):
    server = refused(serve, own_app, hammer, lambda s: s.path("own.py").unlink(), "No module named 'own'")
    repaired(server, own_app)


def test_application_without_its_callable(serve, own_app, hammer):
    server = refused(serve, own_app, hammer, lambda s: s.write("own.py", "other = 1\n"), "Failed to find attribute 'app'")
    repaired(server, own_app)


def test_config_with_a_syntax_error(serve, own_app, hammer):
    server = refused(serve, own_app, hammer, lambda s: s.write("gunicorn.conf.py", "workers = = 2\n"), "SyntaxError")
    repaired(server, own_app)


def test_config_with_a_bad_value(serve, own_app, hammer):
    server = refused(serve, own_app, hammer, lambda s: s.write("gunicorn.conf.py", "workers = 'many'\n"), "workers.*many")
    repaired(server, own_app)


def test_address_that_is_taken(serve, own_app, hammer):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "{}:{}".format(*taken.getsockname())
        server = serve("--workers", 2, bind=None, app="own:app", apps=False)
        server.write("own.py", own_app("good"))
        server.write("gunicorn.conf.py", "bind = '127.0.0.1:0'\n")
        server.start(workers=2)
        before = server.workers()
        with hammer(server) as client:
            server.write("gunicorn.conf.py", f"bind = '{address}'\n")
            reload(server)
            server.wait_log(f"{address}")
            eventually(lambda: server.workers() == before)
        assert client.failures == []


def test_new_address_is_bound(serve, own_app):
    server = serve(bind=None, app="own:app", apps=False)
    server.write("own.py", own_app("moved"))
    server.write("gunicorn.conf.py", "bind = 'unix:one.sock'\n")
    server.start(workers=1)
    before = server.workers()
    server.write("gunicorn.conf.py", "bind = 'unix:two.sock'\n")
    reload(server)
    server.wait_workers(1, without=before)
    assert server.get("/", address=str(server.path("two.sock"))).body == b"moved"


def test_preloaded_application_is_loaded_anew(serve, own_app):
    server = serve("--preload", "--workers", 2, app="own:app", apps=False)
    server.write("own.py", own_app("one"))
    server.start(workers=2)
    assert server.get("/").body == b"one"
    before = server.workers()
    server.write("own.py", own_app("two"))
    reload(server)
    server.wait_workers(2, without=before)
    assert server.get("/").body == b"two"


def test_broken_preloaded_application(serve, own_app, hammer):
    server = serve("--preload", "--workers", 2, app="own:app", apps=False)
    server.write("own.py", own_app("good"))
    server.start(workers=2)
    before = server.workers()
    with hammer(server) as client:
        server.write("own.py", "raise RuntimeError('broken in the new generation')\n")
        reload(server)
        server.wait_log("broken in the new generation")
        eventually(lambda: server.workers() == before)
    assert client.failures == []


def test_reload_during_a_reload(serve, own_app, hammer):
    server = serve("--workers", 2, app="own:app", apps=False)
    server.write("own.py", own_app("one"))
    server.start(workers=2)
    before = server.workers()
    with hammer(server) as client:
        server.write("own.py", own_app("two"))
        for _ in range(5):
            reload(server)
        server.wait_workers(2, without=before)
        eventually(lambda: client.bodies[-1] == b"two")
    assert client.failures == []


def test_end_during_a_reload(serve, own_app):
    server = serve("--workers", 2, app="own:app", apps=False)
    server.write("own.py", own_app("one"))
    server.start(workers=2)
    reload(server)
    assert server.stop(signal.SIGTERM) == 0
    assert server.processes() == []


def test_request_in_flight_is_finished_by_the_old_worker(serve):
    server = serve().start(workers=1)
    [before] = server.workers()
    gate = server.path("gate")
    with server.connect() as connection:
        connection.send(f"GET /wait?gate={gate} HTTP/1.1\r\nHost: a\r\n\r\n")
        server.wait_log("probe waits")
        reload(server)
        eventually(lambda: set(server.workers()) - {before}, what="a worker of the new generation")
        assert server.get("/").status == 200, "the new worker serves while the old one is busy"
        gate.touch()
        assert connection.response().body == b"waited\n"
    server.wait_workers(1, without=[before])

"""What clients do to the reactor of a worker: many at a time, long heads, no end of requests, none that reads."""

import resource

import pytest

REQUEST = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def test_idle_clients_leave_files_to_the_application(serve, own_app):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    server = serve("--keep-alive", 60, app="opening:app", apps=False)
    server.write("opening.py", own_app("opened").replace("    return", "    open(__file__).close()\n    return"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, limits[1]))
    try:
        server.start(workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    idle = [server.connect() for _ in range(150)]
    for client in idle:
        client.send("GET / HTTP/1.1\r\nHo")
    for _ in range(10):
        assert server.get("/").body == b"opened"
    for client in idle:
        client.close()


def test_head_may_be_as_long_as_its_lines_together(serve):
    server = serve().start(workers=1)
    fields = [(f"X-{number}", "x" * 8000) for number in range(90)]
    assert server.request("GET", "/", headers=fields).status == 200


def test_write_timeout_ends_before_the_worker_is_given_up(serve):
    server = serve("--timeout", 2).start(workers=1)
    [worker] = server.workers()
    with server.connect() as client:
        client.send("GET /large?size=50000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        with pytest.raises(AssertionError):
            server.wait_log("WORKER TIMEOUT", timeout=3.5)
    assert server.workers() == [worker]
    assert server.get("/").status == 200

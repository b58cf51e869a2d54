"""Applications that do what few do: each check looks at one edge where the two servers differ on purpose."""

import pytest

from harness import documented

APP = '''
import logging
import os

LINES, KEPT = [], []


class Count(logging.Handler):
    def emit(self, record):
        LINES.append(record)


def os_error(environ):
    raise OSError(5, "the disk is gone")


def empty_part(environ):
    yield b""
    raise RuntimeError("failure after an empty part")


def keep(environ):
    KEPT.append(environ["wsgi.input"])
    return [b"kept"]


def read_kept(environ):
    try:
        return [repr(KEPT.pop().read()).encode()]
    except ValueError as error:
        return [type(error).__name__.encode()]


def socket(environ):
    client = environ["gunicorn.socket"]
    return [f"{type(client).__name__} {client.getpeername()[0]}".encode()]


def lines(environ):
    return [str(len(LINES)).encode()]


def app(environ, start_response):
    environ["app.user"] = "alice"
    function = globals()[environ["PATH_INFO"][1:]]
    body = function(environ)
    start_response("200 OK", [])
    return body


logging.getLogger("gunicorn.access").addHandler(Count())
os.write(2, b"probe loaded in %d\\n" % os.getpid())
'''


@pytest.fixture
def own(serve):
    """A started server of the application above, with an access log of one atom."""
    server = serve(
        "--access-logfile", "access.log", "--access-logformat", "%(U)s %({app.user}e)s", app="own:app", apps=False
    )
    server.write("own.py", APP)
    return server.start(workers=1)


def answer(server, target):
    """All bytes that come back."""
    with server.connect() as connection:
        return connection.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").ended()


def test_os_error_of_the_application(own):
    start = documented(own.kind, "os-error", gunicorn=b"", ours=b"HTTP/1.1 500 Internal Server Error\r\n")
    assert answer(own, "/os_error").split(b"Server:")[0] == start
    own.wait_log("OSError: .*the disk is gone")


def test_empty_part_sends_no_head(own):
    start = documented(own.kind, "head-after-first-bytes", gunicorn=b"HTTP/1.1 200 ", ours=b"HTTP/1.1 500 ")
    assert answer(own, "/empty_part").startswith(start)


def test_input_of_an_ended_request(own):
    own.get("/keep")
    expected = documented(own.kind, "input-after-request", gunicorn="b''", ours="ValueError")
    assert own.get("/read_kept").text() == expected


def test_socket_of_the_client(own):
    name = documented(own.kind, "socket-stand-in", gunicorn="socket", ours="ClientSocket")
    assert own.get("/socket").text() == f"{name} 127.0.0.1"


def test_handlers_of_the_access_logger(own):
    own.get("/lines")
    own.wait_log("^/lines", "access.log")
    assert own.get("/lines").text() == documented(own.kind, "access-log-handlers", gunicorn="1", ours="0")


def test_environ_of_the_access_log(own):
    own.get("/lines")
    user = documented(own.kind, "access-log-environ", gunicorn="alice", ours="-")
    own.wait_log(f"^/lines {user}$", "access.log")

"""What applications do with the loggers that gunicorn sets up."""

import re
import signal

import pytest

from harness import GUNICORN, wait

STAMP = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[\d+\]"

APP = '''
import logging
import sys

theirs = logging.getLogger("gunicorn.error")
mine = logging.getLogger("shop")
mine.handlers = theirs.handlers
mine.setLevel(theirs.level)
mine.propagate = False


def app(environ, start_response):
    mine.debug("hidden")
    mine.info("sold %d", 3)
    mine.warning("a\\udc80b")
    handler, = theirs.handlers
    mine.info("stream: %s, logger: %s", hasattr(handler, "stream"), theirs.propagate)
    print("printed", flush=True)
    environ["wsgi.errors"].write("wsgi says so\\n")
    try:
        1 / 0
    except ZeroDivisionError:
        theirs.exception("cannot divide")
    logging.getLogger("gunicorn.access").info("said to the access log")
    start_response("200 OK", [("Content-Length", "0")])
    return []
'''


@pytest.fixture
def shop(serve):
    """Makes a started server of the application above."""

    def make(*args):
        server = serve("--error-logfile", "error.log", *args, app="shop:app", bind="unix:shop.sock")
        server.write("shop.py", APP)
        server.launch()
        server.wait_log("Booting worker", "error.log")
        return server

    return make


def visit(server):
    wait.eventually(server.path("shop.sock").exists, what="the socket is there")
    assert server.get("/", address=str(server.path("shop.sock"))).status == 200


def test_borrowed_handlers(shop):
    server = shop()
    visit(server)
    server.wait_log(rf"^{STAMP} \[INFO\] sold 3$", "error.log")
    server.wait_log(rf"^{STAMP} \[INFO\] stream: True, logger: False$", "error.log")
    assert "hidden" not in server.log("error.log")


def test_tracebacks_follow_their_line(shop):
    server = shop()
    visit(server)
    server.wait_log(r"^ZeroDivisionError: division by zero$", "error.log")
    text = server.log("error.log")
    assert re.search(rf"{STAMP} \[ERROR\] cannot divide\nTraceback \(most recent call last\):\n", text)


def test_wsgi_errors_go_to_the_error_log(shop):
    server = shop()
    visit(server)
    server.wait_log("^wsgi says so$", "error.log")


def test_text_that_utf8_cannot_hold_is_escaped(shop, kind):
    if kind == GUNICORN:
        pytest.skip("prints a traceback of logging itself instead")
    server = shop()
    visit(server)
    server.wait_log(r"\[WARNING\] a\\udc80b$", "error.log")


def test_the_access_logger(shop):
    server = shop("--access-logfile", "access.log")
    visit(server)
    server.wait_log("^said to the access log$", "access.log")
    server.wait_log('"GET / HTTP/1.1" 200 0 ', "access.log")


def test_output_is_captured_by_the_reopened_log(shop):
    server = shop("--capture-output", "--access-logfile", "access.log")
    if not server.ours:
        pytest.skip("its handler of USR1 runs inside a print under way, which then fails now and again")
    visit(server)
    server.wait_log("^printed$", "error.log")
    server.path("error.log").rename(server.path("error.log.1"))
    server.path("access.log").rename(server.path("access.log.1"))
    server.signal(signal.SIGUSR1)

    def visited():
        visit(server)
        return "printed" in server.log("error.log") and "GET" in server.log("access.log")

    wait.eventually(visited, what="both logs are new files")
    # The reopening may have come in the middle of that visit.
    visit(server)
    server.wait_log("^printed$", "error.log")
    server.wait_log(rf"^{STAMP} \[INFO\] sold 3$", "error.log")

"""What the application does wrong: how it is answered, what is logged, and that the worker lives on."""

import pytest

from harness import documented


@pytest.fixture(autouse=True)
def worker_survives(server):
    """After whatever happened, the same worker still answers."""
    [before] = server.workers()
    yield
    assert server.get("/").body == b"Hello, World!\n"
    assert server.workers() == [before]


def test_exception_before_the_head(server):
    response = server.get("/raise?here=1")
    assert (response.status, response.reason) == (500, "Internal Server Error")
    assert response.get("connection") == "close"
    assert b"<h1><p>Internal Server Error</p></h1>" in response.body
    assert b"failure before" not in response.body
    server.wait_log(r"\[ERROR\] Error handling request GET /raise\?here=1$")
    server.wait_log(r"^RuntimeError: failure before the head$")
    assert "Traceback (most recent call last):" in server.log()


def test_exception_after_start_response(server):
    response = server.get("/raise-started")
    assert response.status == 500
    assert "text/plain" not in response.all("content-type")
    server.wait_log(r"^RuntimeError: failure before the body$")


def test_exception_inside_a_chunked_body_cuts_it(server):
    response = server.get("/raise-inside")
    assert (response.status, response.body, response.complete) == (200, b"begin\n", False)
    server.wait_log(r"^RuntimeError: failure inside the body$")


def test_exception_inside_a_body_with_length_cuts_it(server):
    response = server.get("/raise-inside?length=100")
    assert (response.status, response.body, response.complete) == (200, b"begin\n", False)


def test_exception_in_close(server):
    response = server.get("/closing?fail=close")
    assert response.status == 200
    assert response.body == b"part\n"
    server.wait_log(r"^RuntimeError: failure in close$")


@pytest.mark.parametrize("code", [0, 3, 4])
def test_system_exit_is_an_error_of_the_request(server, code):
    assert server.get(f"/exit?code={code}").status == 500


def test_head_replaced_by_exc_info(server):
    response = server.get("/recover")
    assert (response.status, response.body) == (503, b"recovered\n")


def test_exc_info_after_the_head_is_raised(server):
    response = server.get("/recover-late")
    assert (response.status, response.body, response.complete) == (200, b"sent\n", False)
    server.wait_log(r"^ValueError: too late$")


def test_start_response_twice(server):
    assert server.get("/twice").status == 500
    server.wait_log(r"^AssertionError: Response headers already set!$")


def test_no_iterable(server):
    assert server.get("/none").status == 500


def test_no_start_response(server):
    with server.connect() as connection:
        connection.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = connection.ended()
    start = documented(server.kind, "no-start-response", gunicorn=b"HTTP/1.1 None\r\n", ours=b"HTTP/1.1 500 ")
    assert answer.startswith(start)


def test_text_in_the_body(server):
    response = server.get("/text-body")
    assert response.status == documented(server.kind, "head-after-first-bytes", gunicorn=200, ours=500)
    assert response.body != b"text"
    server.wait_log(r"^TypeError: ")


@pytest.mark.parametrize("case", [
    "bytes-status", "number-status", "word-status", "short-status", "split-status", "bytes-name", "bytes-value",
    "number-value", "space-name", "colon-name", "empty-name", "split-name", "split-value", "newline-value", "nul-value",
    "wide-value", "word-length", "pair",
])
def test_bad_status_or_header(server, case):
    response = server.get(f"/bad-head?case={case}")
    assert response.status == 500, response
    assert "x-injected" not in response.names()
    assert b"X-Injected" not in response.body


def test_body_longer_than_its_length(server):
    response = server.get("/length?says=5&sends=10")
    assert (response.body, response.extra) == (b"xxxxx", b"")


def test_body_shorter_than_its_length(server):
    response = server.get("/length?says=10&sends=5")
    assert (response.body, response.complete) == (b"xxxxx", False)


def test_body_despite_zero_length(server):
    response = server.get("/length?says=0&sends=5")
    assert (response.body, response.extra) == (b"", b"")

"""Exceptions of every kind: answered or cut, told in the log, survived."""

import pytest


@pytest.mark.parametrize("path, words", [
    ("/recurse", "RecursionError: maximum recursion depth exceeded"),
    ("/interrupt", "KeyboardInterrupt: by the application"),
    ("/generator-exit", "GeneratorExit"),
    ("/broken-pipe", r"BrokenPipeError: \[Errno 32\] the database has gone"),
    ("/surrogate", "UnicodeEncodeError: "),
])
def test_before_the_head(server, path, words):
    response = server.get(path)
    assert (response.status, response.reason) == (500, "Internal Server Error")
    assert response.get("connection") == "close" and response.closed
    server.wait_log(rf"\[ERROR\] Error handling request GET {path}$")
    server.wait_log(f"^{words}")


def test_the_logger_fails(server):
    assert server.get("/bad-logger").status == 500
    server.wait_log("^SystemExit: the application exits$")
    server.wait_log("^SystemExit: the logger exits$")


def test_the_iterable_and_its_close_fail(server):
    response = server.get("/both-fail")
    assert (response.body, response.complete) == (b"begin", False)
    server.wait_log("^RuntimeError: first failure$")
    server.wait_log("^During handling of the above exception, another exception occurred:$")
    server.wait_log("^ValueError: second failure$")


def test_exc_info_without_an_instance(server):
    response = server.get("/late-exc-info")
    assert (response.body, response.complete) == (b"sent", False)
    server.wait_log("^KeyError$")


def test_the_traceback_leads_into_the_application(server):
    server.get("/interrupt")
    server.wait_log(r'^  File ".*apps\.py", line \d+, in interrupt$')


def test_the_target_cannot_forge_a_line(server):
    assert server.get("/recurse?%0aforged").status == 500
    server.wait_log(r"Error handling request GET /recurse\?%0aforged$")

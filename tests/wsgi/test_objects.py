"""The objects that an application is given, used as they are meant to be, and otherwise."""

import json
from pathlib import Path

import pytest

from harness import OURS, Server, eventually

HERE = str(Path(__file__).parent)


def test_kept_objects_reach_nothing(server):
    assert server.request("POST", "/keep", body=b"never read").body == b"kept"
    results = json.loads(server.get("/use-kept").body)
    for name in ("write", "start_response", "hints", "socket"):
        assert results[name] == "RuntimeError: the response was used after its request had ended"
    assert results["read"] == "ValueError: wsgi.input was read after its request had ended"


def test_threads_write_one_response(server):
    body = server.get("/write-from-threads").body
    assert sorted(body) == sorted(b"a" * 50000 + b"b" * 50000 + b"c" * 50000)


def test_a_thread_writes_on(server):
    assert server.get("/leave-a-writer").body.startswith(b"begin")
    ended = "the response was used after its request had ended"
    eventually(lambda: ended in json.loads(server.get("/seen").body), what="the thread is told")


@pytest.mark.parametrize("of, result", [
    ("body.read(None)", "b'ab\\ncd\\nef'"),
    ("body.read(-5)", "b'ab\\ncd\\nef'"),
    ("body.read(10**30)", "b'ab\\ncd\\nef'"),
    ("body.read(True)", "b'a'"),
    ("body.read(2.0)", "TypeError: size must be an int or None, not float"),
    ("body.readline(None)", "b'ab\\n'"),
    ("body.readline(1)", "b'a'"),
    ("body.readline(size=2)", "b'ab'"),
    ("body.readlines(None)", "[b'ab\\n', b'cd\\n', b'ef']"),
    ("body.readlines(0)", "[b'ab\\n', b'cd\\n', b'ef']"),
    ("body.readlines(3)", "[b'ab\\n']"),
    ("body.readlines(4)", "[b'ab\\n', b'cd\\n']"),
    ("list(body)", "[b'ab\\n', b'cd\\n', b'ef']"),
    ("next(iter(body))", "b'ab\\n'"),
    ("(body.read(), body.read(), body.read(5), body.readline(), list(body))", "(b'ab\\ncd\\nef', b'', b'', b'', [])"),
])
def test_reading(server, of, result):
    response = server.request("POST", f"/read?of={of.replace(' ', '%20')}", body=b"ab\ncd\nef")
    assert response.text().startswith(result)


@pytest.mark.parametrize("size", [10, 300_000, 5_000_000])
def test_lines_and_blocks_of_long_bodies(server, size):
    from zlib import crc32

    body = (b"line of some length\n" * 7 + b"x" * 9000 + b"\n") * (size // 9000 + 1)
    assert server.request("POST", "/digest", body=body).text() == f"{len(body)} {crc32(body)}"


def test_errors(server):
    assert server.get("/errors").text().startswith("TypeError")
    for line in ("one line", "two parts", "printed line"):
        server.wait_log(f"^{line}$")


def test_errors_in_a_log_file():
    with Server(OURS, "--error-logfile", "error.log", app="apps", bind="unix:s", env={"PYTHONPATH": HERE}) as server:
        server.launch().wait_log("Listening at", "error.log")
        server.get("/errors", address=str(server.path("s")))
        for line in ("one line", "two parts", "printed line"):
            server.wait_log(f"^{line}$", "error.log")
        server.get("/begun-line", address=str(server.path("s")))
        server.wait_log("^x{9000}$", "error.log")
        server.wait_log("^only begun$", "error.log")


def test_client_socket(server):
    assert json.loads(server.get("/client-socket").body) == [True, "SOCK_STREAM", False]


def test_early_hints(server):
    response = server.get("/hints")
    assert [hint.get("link") for hint in response.interim] == ["<a>", "<b>"]
    good, also, split, spaced, late = json.loads(response.body)
    assert (good, also, late) == ("None", "None", "None")
    assert split.startswith("ValueError") and spaced.startswith("ValueError")


CONTENT = b"0123456789" * 2000


@pytest.mark.parametrize("query, body", [
    ("kind=file", CONTENT),
    ("kind=file&read=5", CONTENT[5:]),
    ("kind=file&length=7", CONTENT[:7]),
    ("kind=file&read=19999&length=1", CONTENT[19999:]),
    ("kind=unbuffered", CONTENT),
    ("kind=gzip", CONTENT),
    ("kind=buffered-gzip", CONTENT),
    ("kind=subclass", CONTENT),
    ("kind=memory", CONTENT),
    ("kind=memory&length=7", CONTENT[:7]),
    ("kind=pipe", b"through a pipe"),
])
def test_file_wrapper(server, query, body):
    response = server.get("/file?" + query)
    assert (response.status, response.body, response.complete) == (200, body, True)
    assert server.get("/file-closed").body == b"True"


def test_a_file_has_a_length(server):
    assert server.get("/file?kind=file&read=5").get("content-length") == "19995"


def test_a_file_shorter_than_its_length_is_cut(server):
    response = server.get("/file?kind=file&length=20001")
    assert (response.body, response.complete) == (CONTENT, False)


def test_a_child_does_not_keep_a_connection_open(server):
    with server.connect() as connection:
        response = connection.request("GET", "/fork", {"Connection": "close"})
        assert response.body == b"forked"
        assert connection.ended() == b""
    assert server.get("/reap").body == b"True"


def test_nothing_is_left_behind(server):
    def used():
        for path in ("/", "/cycle", "/parts?count=3&kind=iter", "/file?kind=file", "/recurse", "/late-start") * 5:
            server.request("POST", path, body=b"body", headers=[("X-Same", "1"), ("X-Same", "2")])
        return int(server.get("/blocks").body)

    used()
    before = used()
    assert used() - before < 200

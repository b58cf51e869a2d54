"""`wsgi.input` in every way to read it, and bodies in every framing and size."""

import json
from zlib import crc32

import pytest

from harness import documented, eventually

TEXT = b"first line\nsecond line\n\nlast without end"
LARGE = bytes(range(256)) * 8192


def read(server, calls, body):
    """What the named calls on `wsgi.input` gave."""
    return [eval(text) for _, text in json.loads(server.request("POST", f"/read?calls={calls}", body=body).body)]


@pytest.mark.parametrize("body", [TEXT, [TEXT[:5], TEXT[5:25], TEXT[25:]]], ids=["length", "chunked"])
@pytest.mark.parametrize("calls, results", [
    ("read", [TEXT]),
    ("read:0,read:5,read:1000,read", [b"", b"first", TEXT[5:], b""]),
    ("read:-1", [TEXT]),
    ("readline,readline:3,readline", [b"first line\n", b"sec", b"ond line\n"]),
    ("readline:0,readline:-1", [b"", b"first line\n"]),
    ("readlines", [[b"first line\n", b"second line\n", b"\n", b"last without end"]]),
    ("iterate", [[b"first line\n", b"second line\n", b"\n", b"last without end"]]),
    ("readline,iterate,read", [b"first line\n", [b"second line\n", b"\n", b"last without end"], b""]),
    ("read:23,readline,readline,readline", [TEXT[:23], b"\n", b"last without end", b""]),
])
def test_reading(server, body, calls, results):
    assert read(server, calls, body) == results


@pytest.mark.parametrize("calls", ["read", "readline", "readlines", "iterate", "read:10"])
def test_no_body(server, calls):
    response = server.request("GET", f"/read?calls={calls}")
    [[_, text]] = json.loads(response.body)
    assert eval(text) in (b"", [])


@pytest.mark.parametrize("size", [1, 1024, 65536, 2 << 20, 30_000_000])
def test_sizes_with_a_length(server, size):
    body = (LARGE * (size // len(LARGE) + 1))[:size]
    assert server.request("POST", "/count", body=body).text() == f"{size} {crc32(body)}"


@pytest.mark.parametrize("part", [1, 100, 8192, 1 << 20])
def test_chunks_of_every_size(server, part):
    body = LARGE[: min(len(LARGE), part * 300)]
    parts = [body[start : start + part] for start in range(0, len(body), part)]
    assert server.request("POST", "/count", body=parts).text() == f"{len(body)} {crc32(body)}"


def test_a_byte_at_a_time(server):
    request = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    with server.connect() as connection:
        for byte in request:
            connection.send(bytes([byte]))
        assert connection.response().body == b"hello"


def test_chunk_extensions_and_trailers(server):
    body = b"5;name=value\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n"
    response = server.exchange(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    assert response.body == b"hello"


def test_unread_body(server):
    response = server.request("POST", "/unread", body=b"x" * 1000)
    assert (response.status, response.body) == (200, b"unread\n")


def test_unread_large_body_does_not_break_the_response(server):
    response = server.request("POST", "/unread", body=b"x" * 100_000)
    assert (response.status, response.body) == (200, b"unread\n")


def test_continue_is_sent(server):
    with server.connect() as connection:
        connection.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert connection.head().status == 100
        connection.send("hello")
        assert connection.response().body == b"hello"


def test_unknown_expectation(server):
    response = server.request("POST", "/echo", {"Expect": "the-unexpected"}, b"hello")
    assert response.status == 417


@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_client_goes_away_inside_the_body(server, framing):
    with server.connect() as connection:
        connection.send(f"POST /count HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n5\r\nhe")
    assert server.get("/").status == 200

"""Status lines, headers and framing of what the application sends."""

import re

import pytest

from harness import documented

DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")


def test_plain_response(server):
    response = server.get("/")
    assert (response.version, response.status, response.reason) == ("HTTP/1.1", 200, "OK")
    assert response.names() == ["server", "date", "connection", "content-type", "content-length"]
    assert response.get("server") == server.kind
    assert DATE.fullmatch(response.get("date"))
    assert response.body == b"Hello, World!\n"


@pytest.mark.sync_only("others keep connections")
def test_sync_closes_after_the_response(server):
    response = server.get("/")
    assert response.get("connection") == "close"
    assert response.closed and response.extra == b""


@pytest.mark.parametrize("line", ["201 Created", "404 Not Found", "299 Own Words Here", "200 ", "500 caf\xe9"])
def test_status_line_is_the_applications(server, line):
    response = server.get("/status?line=" + line.replace(" ", "%20").replace("\xe9", "%C3%A9"))
    assert f"{response.status} {response.reason}" == line


@pytest.mark.parametrize("line", ["204%20No%20Content", "304%20Not%20Modified"])
def test_no_body_where_none_is_allowed(server, line):
    response = server.get(f"/status?line={line}&body=dropped")
    assert response.extra == b""
    assert "transfer-encoding" not in response.names()
    assert "content-length" not in response.names()


@pytest.mark.parametrize("line", ["100%20Continue", "103%20Early%20Hints"])
def test_interim_status_is_no_response(server, line):
    with server.connect() as connection:
        answer = connection.send(f"GET /status?line={line} HTTP/1.1\r\nHost: a\r\n\r\n").ended()
    start = line.partition("%")[0].encode()
    assert answer.split()[1] == documented(server.kind, "interim-status", gunicorn=start, ours=b"500")


@pytest.mark.parametrize("target", ["/", "/stream", "/large?size=100000", "/empty"])
def test_head_has_no_body(server, target):
    response = server.request("HEAD", target)
    assert response.status == 200
    assert response.extra == b""
    assert "transfer-encoding" not in response.names()


def test_head_keeps_the_length(server):
    assert server.request("HEAD", "/").get("content-length") == "14"


def test_headers_keep_case_order_and_repetition(server):
    response = server.get("/headers")
    servers = ("server", "date", "connection")
    assert [pair for pair in response.headers if pair[0].lower() not in servers] == [
        ("Content-Type", "text/plain"), ("Content-Length", "8"), ("X-First", "1"), ("x-lower", "a"),
        ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Path=/"), ("X-UPPER", "Z"), ("X-Latin", "caf\xe9"),
        ("X-Padded", "in  side"),
    ]


def test_server_and_date_are_not_the_applications(server):
    response = server.get("/own")
    assert len(response.all("server")) == len(response.all("date")) == 1
    assert response.get("server") != "mine"
    assert not response.get("date").endswith("1970 00:00:00 GMT")


@pytest.mark.parametrize("name, value", [
    pytest.param("Connection", "keep-alive", marks=pytest.mark.sync_only("others say so themselves")), ("Keep-Alive", "timeout=5"), ("Transfer-Encoding", "gzip"), ("TE", "trailers"),
    ("Trailers", "X-A"), ("Upgrade", "h2c"), ("Proxy-Authenticate", "Basic"), ("Proxy-Authorization", "x"),
])
def test_hop_by_hop_headers_are_dropped(server, name, value):
    response = server.get(f"/hop?name={name}&value={value}")
    assert value not in response.all(name)
    assert response.body == b"hop\n"


def test_stream_is_chunked_for_1_1(server):
    response = server.get("/stream")
    assert response.get("transfer-encoding") == "chunked"
    assert response.body == b"one\ntwo\nthree\n"
    assert response.complete and response.extra == b""


def test_stream_ends_with_the_connection_for_1_0(server):
    response = server.get("/stream", http="1.0")
    assert response.version == "HTTP/1.0"
    assert "transfer-encoding" not in response.names()
    assert response.body == b"one\ntwo\nthree\n"
    assert response.closed


def test_parts_are_sent_as_they_come(server):
    gate = server.path("gate-stream")
    with server.connect() as connection:
        connection.send(f"GET /gated?gate={gate} HTTP/1.0\r\n\r\n").head()
        while b"first\n" not in connection.buffer:
            assert connection._fill()
        assert b"second" not in connection.buffer
        gate.touch()
        assert connection.ended() == b"first\nsecond\n"


def test_empty_iterable(server):
    response = server.get("/empty")
    assert (response.status, response.body, response.complete) == (200, b"", True)


def test_single_part_without_length(server):
    response = server.get("/status?body=part")
    framing = [name for name in response.names() if name in ("content-length", "transfer-encoding")]
    assert framing == documented(
        server.kind, "single-part-length", gunicorn=["transfer-encoding"], ours=["content-length"]
    )
    assert response.body == b"part"


def test_write_callable(server):
    assert server.get("/write").body == b"written twice then iterated\n"


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 1 << 20, 20_000_000])
def test_large_responses(server, size):
    response = server.get(f"/large?size={size}")
    assert response.complete and len(response.body) == size
    assert response.body == (bytes(range(256)) * (size // 256 + 1))[:size]


def test_close_is_called_once(server):
    server.get("/closed")
    server.get("/closing")
    assert server.get("/closed").text() == '["iterable"]'


def test_close_is_called_after_a_failure(server):
    server.get("/closed")
    server.get("/closing?fail=next")
    assert server.get("/closed").text() == '["iterable"]'


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_close_is_called_for_every_method(server, method):
    server.get("/closed")
    server.request(method, "/closing")
    assert server.get("/closed").text() == '["iterable"]'


def test_early_hints(server):
    response = server.get("/early-hints")
    assert response.body == b"hinted\n"
    links = [interim.get("link") for interim in response.interim]
    assert [interim.status for interim in response.interim] == [103, 103]
    assert links == ["</style.css>; rel=preload; as=style", "</script.js>; rel=preload"]


def test_early_hints_are_not_for_1_0(server):
    response = server.get("/early-hints", http="1.0")
    assert (response.status, response.interim) == (200, [])


def test_wsgiref_finds_nothing_wrong(server):
    assert server.get("/validated").body == b"valid\n"
    assert server.request("POST", "/validated", body=b"0123456789more").body == b"0123456789"

"""Requests that must be refused, with the status that gunicorn gives, and the limits."""

import pytest

from harness import documented

HOST = "Host: a\r\n"

REFUSED = {
    "no-version": ("GET /\r\n\r\n", 400),
    "version-1.10": (f"GET / HTTP/1.10\r\n{HOST}\r\n", 400),
    "version-word": (f"GET / HTTQ/1.1\r\n{HOST}\r\n", 400),
    "method-lower": (f"get / HTTP/1.1\r\n{HOST}\r\n", 400),
    "method-bytes": (f"GE\xe9T / HTTP/1.1\r\n{HOST}\r\n", 400),
    "method-short": (f"GO / HTTP/1.1\r\n{HOST}\r\n", 400),
    "method-long": (f"{'A' * 21} / HTTP/1.1\r\n{HOST}\r\n", 400),
    "target-empty": (f"GET  HTTP/1.1\r\n{HOST}\r\n", 400),
    "target-control": (f"GET /\x01 HTTP/1.1\r\n{HOST}\r\n", 400),
    "target-latin-1": (f"GET /\xe9 HTTP/1.1\r\n{HOST}\r\n", 400),
    "target-space": (f"GET /a b HTTP/1.1\r\n{HOST}\r\n", 400),
    "header-space-before-colon": (f"GET / HTTP/1.1\r\n{HOST}X-A : 1\r\n\r\n", 400),
    "header-no-colon": (f"GET / HTTP/1.1\r\n{HOST}X-A\r\n\r\n", 400),
    "header-no-name": (f"GET / HTTP/1.1\r\n{HOST}: 1\r\n\r\n", 400),
    "header-nul": (f"GET / HTTP/1.1\r\n{HOST}X-A: 1\0\r\n\r\n", 400),
    "header-cr": (f"GET / HTTP/1.1\r\n{HOST}X-A: 1\rX\r\n\r\n", 400),
    "header-folded": (f"GET / HTTP/1.1\r\n{HOST}X-A: 1\r\n 2\r\n\r\n", 400),
    "header-name-bytes": (f"GET / HTTP/1.1\r\n{HOST}X-\xe9: 1\r\n\r\n", 400),
    "host-twice": ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "type-twice": (f"GET / HTTP/1.1\r\n{HOST}Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n", 400),
    "length-word": (f"POST / HTTP/1.1\r\n{HOST}Content-Length: many\r\n\r\n", 400),
    "length-negative": (f"POST / HTTP/1.1\r\n{HOST}Content-Length: -1\r\n\r\n", 400),
    "length-plus": (f"POST / HTTP/1.1\r\n{HOST}Content-Length: +1\r\n\r\nx", 400),
    "length-list": (f"POST / HTTP/1.1\r\n{HOST}Content-Length: 1, 1\r\n\r\nx", 400),
    "length-twice": (f"POST / HTTP/1.1\r\n{HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxy", 400),
    "length-and-chunked": (
        f"POST / HTTP/1.1\r\n{HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked-1.0": (f"POST / HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked-twice": (f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "coding-unknown": (f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: rot13\r\n\r\n", 501),
    "scheme-contradiction": (f"GET / HTTP/1.1\r\n{HOST}X-Forwarded-Proto: http\r\nX-Forwarded-Ssl: on\r\n\r\n", 400),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(server, name):
    request, status = REFUSED[name]
    with server.connect() as connection:
        response = connection.send(request).response()
        assert response.status == status, response
        assert response.get("connection") == "close"
        assert connection.ended() == b""
    assert server.get("/").status == 200


def coded(codings, body="0\r\n\r\n"):
    return f"POST /echo HTTP/1.1\r\n{HOST}Transfer-Encoding: {codings}\r\n\r\n{body}"


REFUSED_OTHERWISE = [
    ("unsupported-version", f"GET / HTTP/2.0\r\n{HOST}\r\n", 400, 505),
    ("chunked-not-last", coded("chunked, rot13"), 501, 400),
    ("two-hosts", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 200, 400),
    ("fragment-in-target", f"GET /a#b HTTP/1.1\r\n{HOST}\r\n", 200, 400),
    ("host-required", "GET / HTTP/1.1\r\n\r\n", 200, 400),
    ("host-syntax", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 200, 400),
    ("host-syntax", "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", 200, 400),
    ("host-syntax", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 200, 400),
    ("ipv6-zone", "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n", 200, 400),
    ("foreign-scheme", f"GET ftp://a/ HTTP/1.1\r\n{HOST}\r\n", 200, 421),
    ("asterisk-method", f"GET * HTTP/1.1\r\n{HOST}\r\n", 400, 405),
    ("user-information", f"GET http://u:p@a/ HTTP/1.1\r\n{HOST}\r\n", 200, 400),
    ("connect-authority", f"CONNECT /x HTTP/1.1\r\n{HOST}\r\n", 200, 400),
    ("coded-body", coded("identity, chunked"), 200, 501),
    ("coded-body", coded("gzip, chunked"), 200, 501),
    ("chunk-size-digits", coded("chunked", "00000000000000005\r\nhello\r\n0\r\n\r\n"), 200, 400),
    ("length-digits", f"POST /unread HTTP/1.1\r\n{HOST}Content-Length: {10**22}\r\n\r\n", 200, 413),
]


def test_longest_body(server):
    head = f"POST /unread HTTP/1.1\r\n{HOST}Expect: 100-continue\r\nContent-Length: {2 << 30}\r\n\r\n"
    with server.connect() as connection:
        status = connection.send(head).response().status
    assert status == documented(server.kind, "body-limit", gunicorn=200, ours=413)


@pytest.mark.parametrize("difference, request_, theirs, ours", REFUSED_OTHERWISE)
def test_refused_on_purpose_with_another_status(server, difference, request_, theirs, ours):
    with server.connect() as connection:
        answer = connection.send(request_).ended()
    status = documented(server.kind, difference, gunicorn=theirs, ours=ours)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer


def test_error_page(server):
    response = server.exchange("GET /\x01 HTTP/1.1\r\n\r\n")
    assert response.reason == "Bad Request"
    assert response.get("content-type").startswith("text/html")
    assert b"<h1><p>Bad Request</p></h1>" in response.body


def test_refusal_is_logged(server):
    server.exchange("GET / HTTP/7.7\r\n\r\n")
    server.wait_log(r"\[WARNING\] Invalid request from ip=127\.0\.0\.1: ")


def test_error_page_escapes_what_the_client_sent(server):
    response = server.exchange("<script>alert(1)</script> / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert response.status == 400
    assert b"<script>" not in response.body


@pytest.mark.parametrize("body", ["x\r\nhello\r\n0\r\n\r\n", "5\r\nhelloX\r\n0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n"])
def test_bad_chunks(server, body):
    with server.connect() as connection:
        connection.send(f"POST /count HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n{body}")
        assert connection.response().status == 400
    assert server.get("/").status == 200


class TestLimits:
    """The limits' defaults are gunicorn's: 4094 bytes a request line, 100 fields, 8190 bytes a field."""

    def test_longest_request_line(self, server):
        target = "/" + "a" * (4094 - len("GET / HTTP/1.1"))
        assert server.get(target).status == 200

    def test_request_line_too_long(self, server):
        response = server.get("/" + "a" * 4100)
        assert (response.status, response.reason) == (414, "URI Too Long")

    def test_endless_request_line(self, server):
        with server.connect() as connection:
            assert connection.send("GET /" + "a" * 8000).response().status == 414

    def test_most_fields(self, server):
        assert server.get("/", headers=[(f"X-{n}", "1") for n in range(99)]).status == 200

    def test_too_many_fields(self, server):
        response = server.get("/", headers=[(f"X-{n}", "1") for n in range(101)])
        assert (response.status, response.reason) == (431, "Request Header Fields Too Large")

    def test_longest_field(self, server):
        assert server.get("/", headers={"X": "a" * (8190 - len("X: \r\n"))}).status == 200

    def test_field_too_long(self, server):
        assert server.get("/", headers={"X": "a" * 8200}).status == 431

    def test_limits_are_settings(self, serve):
        server = serve("--limit-request-line", 100, "--limit-request-fields", 3, "--limit-request-field_size", 50)
        server.start(workers=1)
        assert server.get("/" + "a" * 100).status == 414
        assert server.get("/", headers=[("A", "1"), ("B", "2"), ("C", "3")]).status == 431
        assert server.get("/", headers={"X": "a" * 60}).status == 431
        assert server.get("/").status == 200

"""A Flask application behaves the same on both servers."""

import pytest

APP = "flask_app:app"
UNLIKE = ("server", "date")
BOUNDARY = "boundary7MA4YWxk"


def multipart(fields):
    """A multipart/form-data body of `(name, filename or None, bytes)`."""
    parts = []
    for name, filename, data in fields:
        disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
        kind = "Content-Type: image/png\r\n" if filename else ""
        parts.append(f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n{kind}\r\n".encode() + data + b"\r\n")
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
UPLOAD = multipart([("title", None, "h\xe9llo".encode()), ("picture", "a.png", bytes(range(256)) * 4000)])

REQUESTS = {
    "index": ("GET", "/", {}, None),
    "json": ("GET", "/json", {}, None),
    "unicode-path": ("GET", "/hello/caf%C3%A9%20%E2%82%AC", {"Host": "example.org"}, None),
    "query": ("GET", "/query?a=1&a=2&b=%E2%82%AC&c=x+y", {}, None),
    "form": ("POST", "/form", FORM, b"a=1&b=%C3%A9&a=2"),
    "form-chunked": ("POST", "/form", FORM, [b"a=1&b", b"=2"]),
    "upload": ("POST", "/upload", MULTIPART, UPLOAD),
    "upload-chunked": ("POST", "/upload", MULTIPART, [UPLOAD[:9], UPLOAD[9:70000], UPLOAD[70000:]]),
    "body": ("POST", "/body", {"Content-Type": "application/json"}, b'{"a": [1, null]}'),
    "bad-json": ("POST", "/body", {"Content-Type": "application/json"}, b"{"),
    "redirect": ("GET", "/redirect", {}, None),
    "cookies": ("GET", "/cookies", {"Cookie": "a=1; b=2"}, None),
    "session": ("GET", "/session", {}, None),
    "stream": ("GET", "/stream?word=part", {}, None),
    "file": ("GET", "/file", {}, None),
    "range": ("GET", "/file", {"Range": "bytes=5-20"}, None),
    "error": ("GET", "/error", {}, None),
    "missing": ("GET", "/missing", {}, None),
    "not-allowed": ("PUT", "/json", {}, b""),
    "head": ("HEAD", "/json", {}, None),
    "options": ("OPTIONS", "/json", {}, None),
}


def seen(server, name):
    """Status, headers and body, without what names the server or the time."""
    method, target, headers, body = REQUESTS[name]
    response = server.request(method, target, headers, body)
    port = f":{server.address()[1]}".encode()
    # The session cookie is signed with the time.
    dropped = (*UNLIKE, *(["set-cookie"] if name == "session" else []))
    kept = [pair for pair in response.headers if pair[0].lower() not in dropped]
    return response.status, response.reason, kept, response.body.replace(port, b""), response.complete, response.extra


@pytest.mark.parametrize("name", REQUESTS)
def test_equal(both, name):
    theirs, ours = (seen(server, name) for server in both)
    assert ours == theirs


def test_statuses(server):
    expected = {"index": 200, "redirect": 302, "range": 206, "error": 500, "missing": 404, "not-allowed": 405}
    assert {name: seen(server, name)[0] for name in expected} == expected


def test_error_is_logged_by_flask(server):
    server.get("/error")
    server.wait_log(r"^RuntimeError: failure in a view$")


def test_session_is_kept_by_its_cookie(server):
    cookie = server.get("/session").get("set-cookie").split(";")[0]
    assert server.get("/session", headers={"Cookie": cookie}).text().strip() == '{"visits":2}'

"""A Django project behaves the same on both servers."""

import pytest

APP = "django_app.wsgi"
UNLIKE = ("server", "date")
BOUNDARY = "boundary7MA4YWxk"
UPLOAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="title"\r\n\r\nh\xe9llo\r\n'
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="doc"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n'
).encode() + b"x" * 3_000_000 + f"\r\n--{BOUNDARY}--\r\n".encode()
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

REQUESTS = {
    "index": ("GET", "/", {}, None),
    "unicode-path": ("GET", "/hello/caf%C3%A9%20%E2%82%AC/?q=1&q=2", {"Host": "example.org"}, None),
    "form": ("POST", "/form", FORM, b"a=1&b=%C3%A9"),
    "upload": ("POST", "/form", MULTIPART, UPLOAD),
    "body": ("POST", "/body", {}, bytes(range(256)) * 10),
    "body-chunked": ("POST", "/body", {}, [b"one", b"two"]),
    "redirect": ("GET", "/redirect", {}, None),
    "cookies": ("GET", "/cookies", {"Cookie": "a=1; b=2"}, None),
    "stream": ("GET", "/stream", {}, None),
    "file": ("GET", "/file", {}, None),
    "meta": ("GET", "/meta?a=b", {}, None),
    "error": ("GET", "/error", {}, None),
    "missing": ("GET", "/missing/", {}, None),
    "head": ("HEAD", "/", {}, None),
}


def seen(server, name):
    """Status, headers and body, without what names the server or the time."""
    method, target, headers, body = REQUESTS[name]
    response = server.request(method, target, headers, body)
    kept = [pair for pair in response.headers if pair[0].lower() not in UNLIKE]
    return response.status, response.reason, kept, response.body, response.complete, response.extra


@pytest.mark.parametrize("name", REQUESTS)
def test_equal(both, name):
    theirs, ours = (seen(server, name) for server in both)
    assert ours == theirs


def test_statuses(server):
    expected = {"index": 200, "upload": 200, "redirect": 302, "error": 500, "missing": 404}
    assert {name: seen(server, name)[0] for name in expected} == expected


def test_redirect_to_the_path_with_a_slash(server):
    response = server.get("/hello/there")
    assert (response.status, response.get("location"), response.body) == (301, "/hello/there/", b"")


def test_session_is_kept_by_its_cookie(server):
    cookie = server.get("/session").get("set-cookie").split(";")[0]
    assert server.get("/session", headers={"Cookie": cookie}).text() == '{"visits": 2}'

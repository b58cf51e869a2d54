"""The WSGI environ: keys, types and values, compared between the two servers key by key."""

import json

import pytest

from harness import documented

DIFFERENT_BY_NATURE = {
    "REMOTE_PORT": "each connection has its own",
    "SERVER_PORT": "each server has its own",
    "SERVER_SOFTWARE": "names the server",
}
OWN_TYPES = {"wsgi.errors", "wsgi.input", "wsgi.file_wrapper", "wsgi.early_hints", "gunicorn.socket"}

REQUESTS = {
    "plain": ("GET", "/environ", [], None),
    "query": ("GET", "/environ?a=1&b=%20x&c=%C3%A9&&d", [], None),
    "empty-query": ("GET", "/environ?", [], None),
    "escaped-path": ("GET", "/env%69ron", [], None),
    "headers": ("GET", "/environ", [("X-One", "1"), ("x-TWO-three", "2"), ("Accept", "*/*"), ("Cookie", "a=b")], None),
    "repeated": ("GET", "/environ", [("X-R", "1"), ("Other", "-"), ("X-R", "2"), ("x-r", "3")], None),
    "repeated-cookie": ("GET", "/environ", [("Cookie", "a=1"), ("Cookie", "b=2")], None),
    "latin-1": ("GET", "/environ", [("X-Latin", "caf\xe9")], None),
    "padded": ("GET", "/environ", [("X-Padded", "  in  side \t ")], None),
    "empty-value": ("GET", "/environ", [("X-Empty", "")], None),
    "underscore": ("GET", "/environ", [("X_Under", "dropped"), ("X-Under", "kept")], None),
    "post": ("POST", "/environ", [("Content-Type", "text/plain; charset=utf-8")], b"hello"),
    "post-empty": ("POST", "/environ", [("Content-Length", "0")], None),
    "chunked": ("POST", "/environ", [], [b"hello", b"world"]),
    "method": ("PROPFIND", "/environ", [], None),
    "host-port": ("GET", "/environ", [("Host", "example.org:8080")], None),
    "absolute-form": ("GET", "http://localhost/environ?x=y", [], None),
    "forwarded": ("GET", "/environ", [("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "1.2.3.4")], None),
    "forwarded-ssl": ("GET", "/environ", [("X-Forwarded-Ssl", "on")], None),
    "upgrade": ("GET", "/environ", [("Connection", "Upgrade"), ("Upgrade", "websocket")], None),
    "authorization": ("GET", "/environ", [("Authorization", "Basic dXNlcjpwYXNz")], None),
    "script-name": ("GET", "/environ/environ", [("SCRIPT_NAME", "/environ")], None),
    "expect": ("POST", "/environ", [("Expect", "100-continue")], b"body"),
}


def dump(server, method, target, headers, body, http="1.1"):
    """The environ as the probe saw it, without what differs by nature."""
    response = server.request(method, target, headers, body, http)
    assert response.status == 200, response
    environ = {key: tuple(value) for key, value in json.loads(response.body).items()}
    for key in DIFFERENT_BY_NATURE:
        environ[key] = (environ[key][0], None)
    for key in OWN_TYPES & set(environ):
        environ[key] = (None, None)
    environ.pop("gunicorn_rs.client_gone", None)
    return environ


@pytest.mark.parametrize("http", ["1.1", "1.0"])
@pytest.mark.parametrize("name", REQUESTS)
def test_equal_key_by_key(both, name, http):
    method, target, headers, body = REQUESTS[name]
    if http == "1.0" and (isinstance(body, list) or name == "expect"):
        pytest.skip("HTTP/1.0 has neither the chunked coding nor 100-continue")
    theirs, ours = (dump(server, method, target, headers, body, http) for server in both)
    assert ours == theirs


def test_types_of_the_streams(both):
    for server in both:
        environ = json.loads(server.get("/environ").body)
        assert environ["wsgi.version"] == ["tuple", [1, 0]]
        assert environ["wsgi.input_terminated"] == ["bool", True]
        assert environ["wsgi.multiprocess"] == ["bool", False]
        assert environ["SERVER_PORT"] == ["str", str(server.address()[1])]
        assert environ["REMOTE_PORT"][0] == "str"


def test_software_is_named(server):
    name, _, version = json.loads(server.get("/environ").body)["SERVER_SOFTWARE"][1].partition("/")
    assert name == documented(server.kind, "own-name", gunicorn="gunicorn", ours="gunicorn-rs")
    assert version


def test_application_can_ask_for_its_client(server):
    has_it = "gunicorn_rs.client_gone" in json.loads(server.get("/environ").body)
    assert has_it == documented(server.kind, "client-gone", gunicorn=False, ours=True)


def test_several_workers_are_multiprocess(serve):
    server = serve("--workers", 2).start(workers=2)
    assert json.loads(server.get("/environ").body)["wsgi.multiprocess"] == ["bool", True]


def test_unix_socket(serve):
    server = serve(bind="unix:probe.sock").start(workers=1)
    environ = json.loads(server.get("/environ", address=str(server.path("probe.sock"))).body)
    assert environ["REMOTE_ADDR"] == ["str", ""]
    assert "REMOTE_PORT" not in environ
    assert environ["SERVER_NAME"] == ["str", "localhost"]
    assert environ["SERVER_PORT"] == ["str", "80"]


def test_script_name_of_the_environment(serve):
    server = serve(env={"SCRIPT_NAME": "/prefix"}).start(workers=1)
    environ = json.loads(server.get("/prefix/environ").body)
    assert environ["SCRIPT_NAME"] == ["str", "/prefix"]
    assert environ["PATH_INFO"] == ["str", "/environ"]
    assert environ["RAW_URI"] == ["str", "/prefix/environ"]


def test_path_outside_of_script_name(serve):
    server = serve(env={"SCRIPT_NAME": "/prefix"}).start(workers=1)
    assert server.get("/environ").status == 500


@pytest.mark.parametrize("target, path", [
    ("%2Fx", "/x"), ("caf%C3%A9", "caf\xc3\xa9"), ("a%00b", "a\0b"), ("%zz", "%zz"), ("%", "%"), ("%4", "%4"),
    ("%2541", "%41"), ("/double//", "/double//"), ("a/../b", "a/../b"), ("a;p=1", "a;p=1"), ("+", "+"),
])
def test_path_is_decoded_once(server, target, path):
    environ = json.loads(server.get("/environ/" + target).body)
    assert environ["PATH_INFO"] == ["str", "/environ/" + path]
    assert environ["RAW_URI"] == ["str", "/environ/" + target]

"""Header fields as environ keys: names that recur, names that never do, and names in any case."""

import json

import pytest


def environ(server, headers, **options):
    return json.loads(server.request("GET", "/environ", headers, **options).body)


def test_case_does_not_matter(server):
    for name in ("X-Some-Name", "x-some-name", "X-SOME-NAME", "x-Some-nAME"):
        assert environ(server, [(name, name)])["HTTP_X_SOME_NAME"] == name


def test_more_names_than_are_kept(server):
    for start in range(0, 900, 90):
        sent = {f"X-Name-{start + i}": str(i) for i in range(90)}
        got = environ(server, sent)
        assert {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in sent.items()}.items() <= got.items()
    got = environ(server, [("X-Name-5", "a"), ("x-name-5", "b"), ("X-Name-899", "c"), ("x-name-899", "d")])
    assert (got["HTTP_X_NAME_5"], got["HTTP_X_NAME_899"]) == ("a,b", "c,d")


def test_a_very_long_name(server):
    name = "X-" + "long" * 500
    assert environ(server, [(name, "1"), (name, "2")])["HTTP_" + name.upper().replace("-", "_")] == "1,2"


@pytest.mark.parametrize("first, second, status", [
    (("X-Forwarded-Proto", "https"), ("X-Forwarded-Ssl", "on"), 200),
    (("X-Forwarded-Proto", "http"), ("X-Forwarded-Ssl", "off"), 200),
    (("X-Forwarded-Proto", "https"), ("X-Forwarded-Ssl", "off"), 400),
])
def test_scheme_headers_must_agree(server, first, second, status):
    response = server.request("GET", "/environ", [first, second])
    assert response.status == status
    if status == 400:
        server.wait_log(r"\[WARNING\] Invalid request from ip=127.0.0.1: ")


def test_underscores(server):
    got = environ(server, [("X_Under", "dropped"), ("Content_Type", "dropped"), ("PATH_INFO", "kept")])
    assert "HTTP_X_UNDER" not in got and "HTTP_CONTENT_TYPE" not in got
    assert got["HTTP_PATH_INFO"] == "kept" and got["PATH_INFO"] == "/environ"


def test_two_names_of_one_key(server):
    got = environ(server, [("Path-Info", "a"), ("PATH_INFO", "b"), ("path-info", "c"), ("X-Other", "d")])
    assert (got["HTTP_PATH_INFO"], got["HTTP_X_OTHER"]) == ("a,b,c", "d")


def test_mount_point_outside_of_the_path(server):
    response = server.get("/environ", headers=[("SCRIPT_NAME", "/else<where>")])
    assert response.status == 500
    assert b"<where>" not in response.body

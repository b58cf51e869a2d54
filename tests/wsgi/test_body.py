"""What the application returns, and how it is framed."""

import json

import pytest

from harness import eventually


@pytest.mark.parametrize("kind", ["list", "tuple"])
@pytest.mark.parametrize("count, size", [(0, 1), (1, 0), (1, 5), (3, 4), (5, 40000), (1, 200000)])
def test_a_sequence_has_a_length(server, kind, count, size):
    response = server.get(f"/parts?kind={kind}&count={count}&size={size}")
    assert response.get("content-length") == str(count * size)
    assert response.body == b"".join(bytes([65 + i]) * size for i in range(count))


def test_an_iterator_is_chunked(server):
    response = server.get("/parts?kind=iter&count=3&size=2")
    assert response.get("transfer-encoding") == "chunked"
    assert response.body == b"AABBCC" and response.complete


def test_an_empty_iterator_has_length_zero(server):
    assert server.get("/parts?kind=iter&count=0").get("content-length") == "0"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_no_length_is_made_up_for_a_response_without_body(server, status):
    response = server.get(f"/parts?count=0&status={status.replace(' ', '%20')}")
    assert "content-length" not in response.names()
    assert "transfer-encoding" not in response.names()


def test_no_length_is_made_up_for_head(server):
    assert "content-length" not in server.request("HEAD", "/parts?count=0").names()


@pytest.mark.parametrize("length, body", [(3, b"xxx"), (7, b"xxxxx")])
def test_a_wrong_length_is_told(server, length, body):
    response = server.get(f"/counted?length={length}")
    assert (response.body, response.complete) == (body, length < 5)
    server.wait_log(
        rf"\[WARNING\] Response to GET /counted\?length={length}: Content-Length is {length}, but the body has 5 bytes$"
    )


def test_a_right_length_is_not(server):
    assert server.get("/counted?length=5").body == b"xxxxx"
    assert server.request("HEAD", "/counted?length=9").status == 200
    assert server.get("/file?kind=file&length=7").body == b"0123456"
    for shown in ("length=5:", "length=9:", "length=7: Content-Length is 7, but the body has 20"):
        assert shown not in server.log()


def test_start_response_at_the_first_part(server):
    assert server.get("/late-start").body == b"late"


def test_an_empty_part_does_not_send_the_head(server):
    response = server.get("/empty-then-replaced")
    assert (response.status, response.reason, response.body) == (503, "Replaced", b"replaced")


def test_an_empty_write_does_not_send_the_head(server):
    response = server.get("/empty-write")
    assert (response.status, response.reason, response.body) == (503, "Replaced", b"replaced")
    assert server.get("/empty-write?fail=1").status == 500


def test_unusual_types(server):
    response = server.get("/unusual-types")
    assert (response.get("x-a"), response.get("x-b"), response.body) == ("1", "2", b"unusual")


@pytest.mark.parametrize("kind", ["list", "iter"])
@pytest.mark.parametrize("given", ["str", "bytearray", "memoryview", "none", "int"])
def test_only_bytes_are_sent(server, kind, given):
    assert server.get(f"/wrong-part?kind={kind}&type={given}").status == 500
    server.wait_log("^TypeError: a response body is made of bytes, not ")


def test_a_wrong_second_part_cuts_the_response(server):
    response = server.get("/wrong-part?type=str&second=1")
    assert (response.status, response.body, response.complete) == (200, b"first", False)


@pytest.mark.parametrize("path, noted", [
    ("/endless", "generator closed"),
    ("/endless-write", "BrokenPipeError"),
    ("/endless-hints", "BrokenPipeError"),
])
def test_the_client_goes(server, path, noted):
    with server.connect() as connection:
        connection.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").head()
    eventually(lambda: noted in json.loads(server.get("/seen").body), what=f"{noted} is noted")
    assert f"Error handling request GET {path}" not in server.log()


@pytest.mark.parametrize("path", ["/paced", "/paced-write"])
def test_each_part_leaves_before_the_next_is_made(server, path):
    with server.connect() as connection:
        connection.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
        zeros = 0
        while zeros < 900_000:
            zeros += connection.socket.recv(65536).count(0)
        server.path("go").touch()
        while not connection.buffer.endswith(b"end\r\n0\r\n\r\n"):
            connection.buffer += connection.socket.recv(65536)


@pytest.mark.parametrize("path", ["/announced", "/parts?count=1&size=20000000"])
def test_a_complete_body_holds_nobody(server, path):
    with server.connect() as slow:
        slow.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").head()
        assert server.get("/").body == b"hello"


def test_wsgiref_finds_nothing_wrong(server):
    assert server.request("POST", "/validated", body=b"a\nb\nc\nd").body == b"valid a\nb\nc\nd"
    server.wait_log("^validated$")

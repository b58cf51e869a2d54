"""`wsgi.file_wrapper`, with and without a length, a descriptor and an offset."""

import pytest

DATA = bytes(range(256)) * 1000


@pytest.fixture(scope="module", autouse=True)
def data(server):
    server.path("data").write_bytes(DATA)
    server.path("nothing").write_bytes(b"")


def test_whole_file(server):
    response = server.get("/file?name=data")
    assert response.complete and response.body == DATA


def test_whole_file_for_1_0(server):
    assert server.get("/file?name=data", http="1.0").body == DATA


def test_with_its_length(server):
    response = server.get(f"/file?name=data&length={len(DATA)}")
    assert response.get("content-length") == str(len(DATA))
    assert "transfer-encoding" not in response.names()
    assert response.body == DATA and response.extra == b""


def test_first_part(server):
    response = server.get("/file?name=data&length=1000")
    assert response.body == DATA[:1000] and response.extra == b""


def test_from_an_offset(server):
    assert server.get("/file?name=data&seek=1001").body == DATA[1001:]


def test_range_inside(server):
    response = server.get("/file?name=data&seek=1001&length=500")
    assert response.body == DATA[1001:1501] and response.extra == b""


def test_empty_file(server):
    response = server.get("/file?name=nothing")
    assert (response.status, response.body, response.complete) == (200, b"", True)


def test_head(server):
    response = server.request("HEAD", f"/file?name=data&length={len(DATA)}")
    assert response.get("content-length") == str(len(DATA))
    assert response.extra == b""


def test_object_without_descriptor(server):
    server.get("/closed")
    assert server.get("/file-like").body == b"like a file\n" * 3
    assert server.get("/closed").text() == '["file"]'

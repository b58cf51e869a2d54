"""Which connections stay open. gunicorn's sync worker closes every one; ours does so unless told otherwise."""

import pytest


def test_client_asks_to_keep(server):
    response = server.get("/", headers={"Connection": "keep-alive"})
    assert response.get("connection") == "close" and response.closed


def test_http_1_0_with_keep_alive(server):
    response = server.get("/", headers={"Connection": "keep-alive"}, http="1.0")
    assert response.get("connection") == "close" and response.closed


def test_pipelined_requests_get_one_answer(server):
    with server.connect() as connection:
        connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        assert connection.response().status == 200
        assert connection.ended() == b""


@pytest.mark.parametrize("nothing", ["", "\r\n", "GET"])
def test_connection_without_a_request(server, nothing):
    with server.connect() as connection:
        connection.send(nothing)
    assert server.get("/").status == 200


def test_client_that_closes_its_half(server):
    import socket

    with server.connect() as connection:
        connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.response().body == b"Hello, World!\n"

"""Which connections stay open. gunicorn's sync worker closes every one; ours does so unless told otherwise."""

import pytest

from harness import documented


@pytest.mark.sync_only("others keep connections")
def test_client_asks_to_keep(server):
    response = server.get("/", headers={"Connection": "keep-alive"})
    assert response.get("connection") == "close" and response.closed


@pytest.mark.sync_only("others keep connections")
def test_http_1_0_with_keep_alive(server):
    response = server.get("/", headers={"Connection": "keep-alive"}, http="1.0")
    assert response.get("connection") == "close" and response.closed


@pytest.mark.sync_only("others keep connections")
def test_pipelined_requests_get_one_answer(server):
    with server.connect() as connection:
        connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        assert connection.response().status == 200
        assert connection.ended() == b""


def test_keepalive_setting(serve):
    server = serve("--keep-alive", 30).start(workers=1)
    with server.connect() as connection:
        first = connection.request("GET", "/")
    expected = documented(server.kind, "sync-keep-alive", gunicorn="close", ours="keep-alive")
    assert first.get("connection") == expected


def test_connection_is_a_list(serve):
    server = serve("--keep-alive", 30).start(workers=1)
    # gunicorn's rule is that of its other worker kinds; its sync worker closes anyway.
    response = server.get("/", headers={"Connection": "x-other, close"})
    assert response.closed and response.get("connection") == "close"


def test_slow_client_holds_nobody_up(serve):
    server = serve("--timeout", 60).start(workers=1)
    with server.connect() as slow, server.connect(timeout=1) as other:
        slow.send("GET / HTTP/1.1\r\nHost: a\r\nX-")
        # Either server has taken the slow one first: connections are accepted in their order.
        other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        try:
            answer = other.response().status
        except TimeoutError:
            answer = None
        assert answer == documented(server.kind, "slow-clients", gunicorn=None, ours=200)
        assert slow.send("A: 1\r\n\r\n").response().status == 200


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

"""The settings that bound what a client may take of the server, each by its flag."""

import pytest

from harness import eventually, procs

HEAD = "POST /echo HTTP/1.1\r\nHost: a\r\n"


def test_longest_body(serve):
    server = serve("--limit-request-body", 1000).start(workers=1)
    assert server.request("POST", "/echo", body=b"x" * 1000).body == b"x" * 1000
    assert server.request("POST", "/echo", body=b"x" * 1001).status == 413
    assert server.request("POST", "/echo", body=[b"x" * 600, b"x" * 600]).status == 413
    with server.connect() as client:
        client.send(f"{HEAD}Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n")
        assert client.response().status == 413, "refused before it is read"
    server.wait_log(r"Invalid request from ip=127\.0\.0\.1: body-length ")


@pytest.mark.parametrize("flag, sent", [
    ("--client-header-timeout", "GET / HTTP/1.1\r\nHo"),
    ("--client-body-timeout", f"{HEAD}Content-Length: 5\r\n\r\nhe"),
])
def test_client_that_pauses_for_too_long(serve, flag, sent):
    server = serve(flag, 1).start(workers=1)
    with server.connect() as client:
        client.send(sent)
        assert client.response().status == 408
        assert client.ended() == b""


def test_body_that_only_trickles(serve):
    server = serve("--client-body-timeout", 1, "--client-min-rate", 100000).start(workers=1)
    with server.connect() as client:
        client.send(f"{HEAD}Content-Length: 1000000\r\n\r\n")
        client.socket.settimeout(0.1)
        for _ in range(300):
            client.send("x")
            try:
                client.socket.recv(1, 2)  # MSG_PEEK
                break
            except TimeoutError:
                pass
        client.socket.settimeout(10)
        assert client.response().status == 408


def test_requests_of_one_connection(serve):
    server = serve("--keep-alive", 5, "--keepalive-requests", 3).start(workers=1)
    with server.connect() as client:
        kept = [client.request("GET", "/").get("connection") for _ in range(3)]
        assert kept == ["keep-alive", "keep-alive", "close"]
        assert client.ended() == b""


def test_connections_of_one_worker(serve):
    server = serve("--keep-alive", 60, "--worker-connections", 10).start(workers=1)
    clients = []
    for _ in range(12):
        clients.append(server.connect())
        assert clients[-1].request("GET", "/").status == 200
    assert clients[0].ended() == b"", "the longest idle one has given way"
    assert clients[-1].request("GET", "/").status == 200
    for client in clients:
        client.close()
    server.wait_log("All 10 connections are taken")


def test_reader_that_takes_nothing(serve):
    server = serve("--client-send-timeout", 1, "--keep-alive", 5).start(workers=1)
    [worker] = server.workers()
    before = procs.sockets(worker)
    with server.connect() as client:
        client.send("GET /large?size=50000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        eventually(lambda: procs.sockets(worker) > before, what="the response has begun")
        eventually(lambda: procs.sockets(worker) == before, what="the connection is given up")
        assert not client.response().complete

"""WebSockets under the asgi kind of both servers."""

import pytest
from harness import documented
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

pytestmark = pytest.mark.sync_only("the kind is asgi in either run")


@pytest.fixture
def dial(serve):
    """Opens what the application does under a path."""
    server = serve("-k", "asgi", app="sockets:app").start(1)
    host, port = server.address()
    return lambda path: connect(f"ws://{host}:{port}/{path}", open_timeout=15, close_timeout=15)


def test_messages_come_back(dial):
    with dial("echo") as client:
        client.send("hello")
        assert client.recv(timeout=15) == "hello"


@pytest.mark.parametrize(("path", "status"), [("refuse", 403), ("silent", 403), ("failing", 500)])
def test_refusals(dial, path, status):
    with pytest.raises(InvalidStatus) as refused:
        dial(path).__enter__()
    assert refused.value.response.status_code == status


@pytest.mark.parametrize("path", ["returning", "failing_later", "closing"])
def test_close_codes(kind, dial, path):
    with dial(path) as client:
        with pytest.raises(ConnectionClosed):
            while True:
                client.recv(timeout=15)
        returned = documented(kind, "websocket-return", gunicorn=1011, ours=1000)
        assert client.close_code == {"returning": returned, "failing_later": 1011, "closing": 4001}[path]


def test_compression(kind, dial):
    with dial("echo") as client:
        names = [extension.name for extension in client.protocol.extensions]
        assert names == documented(kind, "websocket-compression", gunicorn=[], ours=["permessage-deflate"])

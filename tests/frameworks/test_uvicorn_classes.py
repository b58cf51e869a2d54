"""FastAPI under uvicorn's worker classes: where the asgi kind serves in their place, and where they run themselves."""

import httpx
import pytest
from websockets.sync.client import connect

from harness import OURS, Server

CLASSES = ["uvicorn.workers.UvicornWorker", "uvicorn_worker.UvicornWorker", "uvicorn_worker.UvicornH11Worker"]


@pytest.fixture(scope="module", params=CLASSES)
def name(request):
    return request.param


@pytest.fixture(scope="module", params=["native", "insisted"])
def insists(request):
    """Whether the class itself is to run."""
    return request.param == "insisted"


@pytest.fixture(scope="module")
def server(name, insists):
    flags = ("--foreign-worker",) if insists else ()
    with Server(OURS, "-k", name, *flags, app="fastapi_app:app") as server:
        yield server.start(workers=1)
        assert server.stop() == 0
        assert "framework is shut down" in server.log("stdout")


@pytest.fixture
def client(server):
    host, port = server.address()
    with httpx.Client(base_url=f"http://{host}:{port}", timeout=15) as client:
        yield client


def test_who_serves(client, insists):
    assert (client.get("/json/1").headers.get("server") == "uvicorn") is insists


def test_json_and_body(client):
    assert client.get("/json/7", params={"q": "x"}, headers={"X-Token": "t"}).json() == {
        "number": 7, "q": "x", "token": "t",
    }
    item = {"name": "x" * 200000, "price": 1.5}
    assert client.post("/items", json=item).json() == item


def test_stream(client):
    assert client.get("/stream").text == "".join(f"{number}\n" for number in range(100))


def test_state_of_the_lifespan(client):
    assert client.get("/state").json() == {"started": "yes"}


def test_websocket(server):
    host, port = server.address()
    with connect(f"ws://{host}:{port}/ws", open_timeout=5) as socket:
        socket.send("hello")
        assert socket.recv(timeout=5) == "echo hello"

"""Real frameworks and a real client on the asgi kind, on both loops: `make test-frameworks`.

The applications are `tests/apps/*_app.py`; each has the same routes.
"""

from pathlib import Path

import httpx
import pytest

from harness import APPS, OURS, Server, eventually

FRAMEWORKS = {
    "fastapi": "fastapi_app:app", "starlette": "starlette_app:app", "django": "django_asgi_app:app",
    "quart": "quart_app:app", "litestar": "litestar_app:app",
}
UPLOAD = bytes(range(256)) * 20000


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def loop(request):
    return request.param


@pytest.fixture(scope="module", params=FRAMEWORKS)
def framework(request):
    return request.param


@pytest.fixture(scope="module")
def server(framework, loop):
    """A server of each framework on each loop."""
    args = ("-k", "asgi", "--asgi-loop", loop, "--keep-alive", 30)
    with Server(OURS, *args, app=FRAMEWORKS[framework]) as server:
        yield server.start(workers=1)


@pytest.fixture
def client(server):
    """A client that keeps its connections."""
    host, port = server.address()
    with httpx.Client(base_url=f"http://{host}:{port}", timeout=15) as client:
        yield client


def no_such(framework, what, *without):
    """Skips where the framework has none."""
    if framework in without:
        pytest.skip(f"{framework} has no {what}")


def test_json(client):
    for number in range(20):
        response = client.get(f"/json/{number}", params={"q": "\xfc &"}, headers={"X-Token": "t"})
        assert response.json() == {"number": number, "q": "\xfc &", "token": "t"}
    assert client.get("/not/there").status_code == 404
    assert client.post("/json/1").status_code in (405, 200)


def test_view_in_a_thread(client):
    assert client.get("/threads").json() == {"thread": True}


def test_json_body(client):
    item = {"name": "x" * 200000, "price": 1.5}
    assert client.post("/items", json=item).json() == item


def test_form(client):
    assert client.post("/form", data={"name": "\xc4nne & Co", "age": "7"}).json() == {"name": "\xc4nne & Co", "age": 7}


@pytest.mark.parametrize("size", [10, len(UPLOAD)])
def test_upload(client, size):
    response = client.post("/upload", files={"file": ("a name.bin", UPLOAD[:size])})
    assert response.json() == {"name": "a name.bin", "size": size}


def test_upload_in_chunks(client):
    def parts():
        yield b'{"name": "chunked", '
        yield b'"price": 2.0}'

    response = client.post("/items", content=parts(), headers={"Content-Type": "application/json"})
    assert response.json() == {"name": "chunked", "price": 2.0}


def test_stream(client):
    response = client.get("/stream")
    assert response.text == "".join(f"{number}\n" for number in range(100))
    assert response.headers["transfer-encoding"] == "chunked"


def test_server_sent_events(client, server):
    before = server.log("stdout").count("events are over")
    with client.stream("GET", "/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = (line for line in response.iter_lines() if line.startswith("data:"))
        assert [next(events).removeprefix("data:").strip() for _ in range(5)] == ["0", "1", "2", "3", "4"]
    eventually(
        lambda: server.log("stdout").count("events are over") == before + 1,
        what="the stream ends with its client",
    )


def test_background_task(client, framework):
    no_such(framework, "background tasks", "django")
    before = client.get("/background").json()["done"]
    eventually(lambda: client.get("/background").json()["done"] > before)


def test_file(client, framework):
    source = Path(APPS / f"{FRAMEWORKS[framework].partition(':')[0]}.py").read_bytes()
    assert client.get("/file").content == source


def test_head(client):
    response = client.head("/json/1")
    assert response.content == b""
    assert client.get("/json/1").json()["number"] == 1


def test_state_of_the_lifespan(client, framework):
    no_such(framework, "lifespan", "django")
    assert client.get("/state").json() == {"started": "yes"}


def test_errors(client, server, framework):
    assert client.get("/error").status_code == 500
    if framework not in ("django", "litestar"):
        # These two log nothing unless they are told how.
        server.wait_log("RuntimeError: an error of the view")
    response = client.get("/teapot")
    assert response.status_code == 418 and "short and stout" in response.text


def test_websocket(server, framework):
    no_such(framework, "WebSocket", "django")
    from websockets.sync.client import connect

    host, port = server.address()
    with connect(f"ws://{host}:{port}/ws", open_timeout=5) as socket:
        socket.send("hello")
        assert socket.recv(timeout=5) == "echo hello"


def test_shut_down(framework, loop):
    with Server(OURS, "-k", "asgi", "--asgi-loop", loop, app=FRAMEWORKS[framework]) as server:
        server.start(workers=1)
        assert server.get("/json/1").status == 200
        assert server.stop() == 0
        assert framework == "django" or "framework is shut down" in server.log("stdout")
        assert "Traceback" not in server.log()

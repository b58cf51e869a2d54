"""Litestar: the routes that every framework's application of these tests has, see `tests/frameworks`."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Litestar, Request, Response, get, post, websocket
from litestar.background_tasks import BackgroundTask
from litestar.connection import WebSocket
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions import HTTPException
from litestar.params import Body
from litestar.response import File, ServerSentEvent, Stream

import loaded

DONE = []


@dataclass
class Item:
    name: str
    price: float


@dataclass
class Person:
    name: str
    age: int


@asynccontextmanager
async def lifespan(app):
    app.state.started = "yes"
    yield
    print("framework is shut down", flush=True)


@get("/json/{number:int}")
async def as_json(number: int, request: Request, q: str = "") -> dict[str, Any]:
    return {"number": number, "q": q, "token": request.headers.get("x-token", "")}


@get("/threads", sync_to_thread=True)
def in_a_thread() -> dict[str, bool]:
    return {"thread": True}


@post("/items", status_code=200)
async def items(data: Item) -> Item:
    return data


@post("/form", status_code=200)
async def form(data: Annotated[Person, Body(media_type=RequestEncodingType.URL_ENCODED)]) -> Person:
    return data


@post("/upload", status_code=200)
async def upload(
    data: Annotated[dict[str, UploadFile], Body(media_type=RequestEncodingType.MULTI_PART)],
) -> dict[str, Any]:
    file = data["file"]
    return {"name": file.filename, "size": len(await file.read())}


@get("/stream")
async def stream() -> Stream:
    async def parts():
        for number in range(100):
            yield f"{number}\n"
            await asyncio.sleep(0)

    return Stream(parts(), media_type="text/plain")


@get("/events")
async def events() -> ServerSentEvent:
    async def parts():
        number = 0
        try:
            while True:
                yield str(number)
                number += 1
                await asyncio.sleep(0.01)
        finally:
            print("events are over", flush=True)

    return ServerSentEvent(parts())


@get("/background")
async def background() -> Response[dict[str, int]]:
    return Response({"done": len(DONE)}, background=BackgroundTask(DONE.append, 1))


@get("/file")
async def file() -> File:
    return File(__file__)


@get("/state")
async def state(request: Request) -> dict[str, str]:
    return {"started": request.app.state.started}


@get("/error")
async def error() -> None:
    raise RuntimeError("an error of the view")


@get("/teapot")
async def teapot() -> None:
    raise HTTPException("short and stout", status_code=418)


@websocket("/ws")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(f"echo {await socket.receive_text()}")
    await socket.close()


app = Litestar(
    [as_json, in_a_thread, items, form, upload, stream, events, background, file, state, error, teapot, echo],
    lifespan=[lifespan],
)
loaded.announce()

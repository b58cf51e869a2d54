"""Starlette: the routes that every framework's application of these tests has, see `tests/frameworks`."""

import asyncio
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import FileResponse, JSONResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute

import loaded

DONE = []


@asynccontextmanager
async def lifespan(_app):
    yield {"started": "yes"}
    print("framework is shut down", flush=True)


class Through(BaseHTTPMiddleware):
    """A middleware that runs the application in a task of its own."""

    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["x-through"] = "yes"
        return response


async def as_json(request):
    query, headers = request.query_params, request.headers
    facts = {"number": request.path_params["number"], "q": query.get("q", ""), "token": headers.get("x-token", "")}
    return JSONResponse(facts)


def in_a_thread(request):
    return JSONResponse({"thread": True})


async def items(request):
    return JSONResponse(await request.json())


async def form(request):
    async with request.form() as form:
        return JSONResponse({"name": form["name"], "age": int(form["age"])})


async def upload(request):
    async with request.form() as form:
        return JSONResponse({"name": form["file"].filename, "size": len(await form["file"].read())})


async def stream(request):
    async def parts():
        for number in range(100):
            yield f"{number}\n"
            await asyncio.sleep(0)

    return StreamingResponse(parts(), media_type="text/plain")


async def events(request):
    async def parts():
        number = 0
        try:
            while True:
                yield f"data: {number}\n\n"
                number += 1
                await asyncio.sleep(0.01)
        finally:
            print("events are over", flush=True)

    return StreamingResponse(parts(), media_type="text/event-stream")


async def background(request):
    return JSONResponse({"done": len(DONE)}, background=BackgroundTask(DONE.append, 1))


async def file(request):
    return FileResponse(__file__)


async def state(request):
    return JSONResponse({"started": request.state.started})


async def error(request):
    raise RuntimeError("an error of the view")


async def teapot(request):
    raise HTTPException(418, "short and stout")


async def websocket(websocket):
    await websocket.accept()
    await websocket.send_text(f"echo {await websocket.receive_text()}")
    await websocket.close()


app = Starlette(
    lifespan=lifespan,
    middleware=[Middleware(Through)],
    routes=[
        Route("/json/{number:int}", as_json),
        Route("/threads", in_a_thread),
        Route("/items", items, methods=["POST"]),
        Route("/form", form, methods=["POST"]),
        Route("/upload", upload, methods=["POST"]),
        *[Route(f"/{view.__name__}", view) for view in (stream, events, background, file, state, error, teapot)],
        WebSocketRoute("/ws", websocket),
    ],
)

loaded.announce()

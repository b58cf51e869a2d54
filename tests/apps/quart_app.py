"""Quart: the routes that every framework's application of these tests has, see `tests/frameworks`."""

import asyncio

from quart import Quart, request, send_file, websocket

import loaded

app = Quart(__name__)
DONE = []
STATE = {}


@app.before_serving
async def start():
    STATE["started"] = "yes"


@app.after_serving
async def stop():
    print("framework is shut down", flush=True)


@app.get("/json/<int:number>")
async def as_json(number):
    return {"number": number, "q": request.args.get("q", ""), "token": request.headers.get("x-token", "")}


@app.get("/threads")
def in_a_thread():
    return {"thread": True}


@app.post("/items")
async def items():
    return await request.get_json()


@app.post("/form")
async def form():
    form = await request.form
    return {"name": form["name"], "age": int(form["age"])}


@app.post("/upload")
async def upload():
    file = (await request.files)["file"]
    return {"name": file.filename, "size": len(file.read())}


@app.get("/stream")
async def stream():
    async def parts():
        for number in range(100):
            yield f"{number}\n".encode()
            await asyncio.sleep(0)

    return parts(), {"content-type": "text/plain"}


@app.get("/events")
async def events():
    async def parts():
        number = 0
        try:
            while True:
                yield f"data: {number}\n\n".encode()
                number += 1
                await asyncio.sleep(0.01)
        finally:
            print("events are over", flush=True)

    return parts(), {"content-type": "text/event-stream"}


@app.get("/background")
async def background():
    async def work():
        DONE.append(1)

    app.add_background_task(work)
    return {"done": len(DONE)}


@app.get("/file")
async def file():
    return await send_file(__file__)


@app.get("/state")
async def state():
    return STATE


@app.get("/error")
async def error():
    raise RuntimeError("an error of the view")


@app.get("/teapot")
async def teapot():
    return "short and stout", 418


@app.websocket("/ws")
async def echo():
    await websocket.send(f"echo {await websocket.receive()}")


loaded.announce()

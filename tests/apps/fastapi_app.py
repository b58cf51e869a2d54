"""FastAPI: the routes that every framework's application of these tests has, see `tests/frameworks`."""

import asyncio
from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, Depends, FastAPI, File, Form, HTTPException, Request, UploadFile, WebSocket
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel

import loaded

DONE = []


@asynccontextmanager
async def lifespan(_app):
    yield {"started": "yes"}
    print("framework is shut down", flush=True)


app = FastAPI(lifespan=lifespan)


class Item(BaseModel):
    name: str
    price: float


async def header(request: Request):
    return request.headers.get("x-token", "")


@app.get("/json/{number}")
async def as_json(number: int, q: str = "", token: str = Depends(header)):
    return {"number": number, "q": q, "token": token}


@app.get("/threads")
def in_a_thread():
    return {"thread": True}


@app.post("/items")
async def items(item: Item):
    return item


@app.post("/form")
async def form(name: str = Form(), age: int = Form()):
    return {"name": name, "age": age}


@app.post("/upload")
async def upload(file: UploadFile = File()):
    return {"name": file.filename, "size": len(await file.read())}


@app.get("/stream")
async def stream():
    async def parts():
        for number in range(100):
            yield f"{number}\n"
            await asyncio.sleep(0)

    return StreamingResponse(parts(), media_type="text/plain")


@app.get("/events")
async def events():
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


@app.get("/background")
async def background(tasks: BackgroundTasks):
    tasks.add_task(DONE.append, 1)
    return {"done": len(DONE)}


@app.get("/file")
async def file():
    return FileResponse(__file__)


@app.get("/state")
async def state(request: Request):
    return {"started": request.state.started}


@app.get("/error")
async def error():
    raise RuntimeError("an error of the view")


@app.get("/teapot")
async def teapot():
    raise HTTPException(418, "short and stout")


@app.websocket("/ws")
async def websocket(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_text(f"echo {await websocket.receive_text()}")
    await websocket.close()


loaded.announce()

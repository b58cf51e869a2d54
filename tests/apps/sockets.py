"""An ASGI application for WebSockets: the path names what it does."""

import asyncio
import json
import os

os.write(2, b"probe loaded in %d\n" % os.getpid())


async def app(scope, receive, send):
    """Runs what the path names."""
    if scope["type"] == "lifespan":
        return
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
        return
    await PLAYS[scope["path"].strip("/").replace("-", "_")](scope, receive, send)


async def accept(receive, send, **answer):
    """Accepts; returns nothing."""
    message = await receive()
    assert message == {"type": "websocket.connect"}, message
    await send({"type": "websocket.accept", **answer})


def tell(what, value=""):
    """One line for the test."""
    os.write(2, f"told {what}: {value}\n".encode())


async def echo(scope, receive, send):
    """Sends back what comes."""
    await accept(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})
    tell("disconnect", json.dumps(message))


PLAYS = {"": echo, "echo": echo}

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


def receipt(message):
    """One line with a message that was received."""
    tell("received", json.dumps(message))


async def echo(scope, receive, send):
    """Sends back what comes."""
    await accept(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})
    receipt(message)


async def scope_of(scope, receive, send):
    """Tells the scope; takes the last sub-protocol."""
    protocol = scope["subprotocols"][-1] if scope["subprotocols"] else None
    await accept(receive, send, subprotocol=protocol, headers=[(b"x-answer", b"42")])
    seen = {**scope, "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]]}
    await send({"type": "websocket.send", "text": json.dumps(seen, default=repr)})


async def refuse(scope, receive, send):
    """Closes before it accepts."""
    await receive()
    await send({"type": "websocket.close", "code": 4000})
    receipt(await receive())


async def deny(scope, receive, send):
    """Answers the handshake with a response of its own."""
    await receive()
    await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-why", b"because")]})
    for part in (b"not ", b"you"):
        await send({"type": "websocket.http.response.body", "body": part, "more_body": part == b"not "})


async def silent(scope, receive, send):
    """Returns at once."""


async def failing(scope, receive, send):
    """Raises before it accepts."""
    raise LookupError("early")


async def failing_later(scope, receive, send):
    """Raises after it has accepted."""
    await accept(receive, send)
    raise LookupError("late")


async def returning(scope, receive, send):
    """Returns without a close."""
    await accept(receive, send)
    await send({"type": "websocket.send", "text": "that is all"})


async def closing(scope, receive, send):
    """Closes; what comes next it tells."""
    await accept(receive, send)
    await send({"type": "websocket.close", "code": 4001, "reason": "enough"})
    await attempt(send, {"type": "websocket.send", "text": "more"})
    await attempt(send, {"type": "websocket.close"})
    receipt(await receive())


async def attempt(send, message):
    """Sends, and tells what is raised."""
    try:
        await send(message)
    except Exception as error:
        tell("raised", f"{type(error).__name__}: {error}")


async def disorderly(scope, receive, send):
    """Sends what may not be sent now."""
    await attempt(send, {"type": "websocket.send", "text": "too early"})
    await attempt(send, {"type": "websocket.http.response.body", "body": b"too early"})
    await attempt(send, {"type": "http.response.start", "status": 200})
    await attempt(send, {"type": "websocket.accept", "subprotocol": "a b"})
    await attempt(send, {"type": "websocket.accept", "headers": [(b"sec-websocket-accept", b"x")]})
    await accept(receive, send)
    await attempt(send, {"type": "websocket.accept"})
    await attempt(send, {"type": "websocket.http.response.start", "status": 200})
    await attempt(send, {"type": "websocket.send"})
    await attempt(send, {"type": "websocket.close", "code": 1005})
    await send({"type": "websocket.send", "text": "done"})
    await receive()


async def flood(scope, receive, send):
    """Sends 64 messages of a megabyte, and tells of each that has been taken."""
    await accept(receive, send)
    for number in range(64):
        try:
            await send({"type": "websocket.send", "bytes": os.urandom(1 << 20)})
        except OSError as error:
            tell("broken", type(error).__name__)
            return
        tell("sent", number)


async def chatter(scope, receive, send):
    """Many tasks send at the same time."""
    await accept(receive, send)
    await asyncio.gather(*(send({"type": "websocket.send", "bytes": bytes([n]) * 500_000}) for n in range(20)))
    tell("chattered")


GATE = {}


async def gated(scope, receive, send):
    """Receives nothing before it is told to; then counts 200 messages."""
    await accept(receive, send)
    gate = GATE["gate"] = asyncio.Event()
    await gate.wait()
    size = 0
    for _ in range(200):
        size += len((await receive())["bytes"])
    await send({"type": "websocket.send", "text": str(size)})


async def open_gate(scope, receive, send):
    """Lets `gated` go on."""
    GATE["gate"].set()
    await accept(receive, send)


async def impatient(scope, receive, send):
    """Gives up each `receive` soon, and loses nothing by it."""
    await accept(receive, send)
    numbers = []
    while len(numbers) < 300:
        task = asyncio.create_task(receive())
        done, _ = await asyncio.wait([task], timeout=0.0001)
        if not done:
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            numbers.append(int(task.result()["text"]))
    await send({"type": "websocket.send", "text": str(numbers == list(range(300)))})


PLAYS = {"": echo, **{name: play for name, play in globals().items() if asyncio.iscoroutinefunction(play)}}

"""An ASGI application for what tasks and awaitables do at their edges: the path names what it does.

What it finds out it answers as JSON over HTTP, or tells the log by `note`.
"""

import asyncio
import contextvars
import json
import logging
import os
import sys
import time

import anyio
import loaded

MARK = contextvars.ContextVar("mark", default="unset")
GATES = {}


def note(text):
    """One line to standard error."""
    os.write(2, f"probe: {text}\n".encode())


async def app(scope, receive, send):
    """Runs what the path names."""
    if scope["type"] == "lifespan":
        return
    await globals()[scope["path"].strip("/").replace("-", "_")](scope, receive, send)


def gate(name):
    """An event that another request sets."""
    return GATES.setdefault(name, asyncio.Event())


async def open_gate(scope, receive, send):
    """Sets the event that the query names."""
    gate(scope["query_string"].decode()).set()
    await reply(send, True)


async def reply(send, answer):
    data = json.dumps(answer).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(data))]})
    await send({"type": "http.response.body", "body": data})


async def body(send, data=b"", more=False):
    await send({"type": "http.response.body", "body": data, "more_body": more})


def start(headers=()):
    return {"type": "http.response.start", "status": 200, "headers": headers}


async def raised(awaitable):
    """The name of what is raised by awaiting it."""
    try:
        await awaitable
    except BaseException as error:
        return type(error).__name__
    return None


# The first step, which an interpreter that can takes before the loop hears of the task


async def first_step(scope, receive, send):
    """What holds before the first await holds after it, too."""
    task, loop, mark = asyncio.current_task(), asyncio.get_running_loop(), MARK.get()
    MARK.set("mine")
    facts = {"version": sys.version_info[:2], "listed": task in asyncio.all_tasks(), "mark": mark}
    with anyio.CancelScope() as outer:
        facts["anyio sees"] = anyio.get_current_task().id == id(task)
        child = asyncio.create_task(inherit())
        await asyncio.sleep(0)
        outer.cancel()
        await raised(anyio.sleep(60))
    facts["anyio cancels"] = outer.cancel_called
    facts["same task"] = task is asyncio.current_task() and loop is asyncio.get_running_loop()
    facts["inherited"], facts["kept"] = await child, MARK.get()
    await reply(send, facts)


async def inherit():
    return MARK.get()


async def first_step_raises(scope, receive, send):
    raise {b"exit": SystemExit, b"interrupt": KeyboardInterrupt, b"cancel": asyncio.CancelledError,
           b"generator": GeneratorExit}.get(scope["query_string"], LookupError)("at once")


async def first_step_cancels(scope, receive, send):
    """Cancels itself, which its next await tells it."""
    asyncio.current_task().cancel()
    await reply(send, await raised(asyncio.sleep(60)))


async def first_step_times_out(scope, receive, send):
    async def late():
        async with asyncio.timeout(0):
            await asyncio.sleep(60)

    await reply(send, await raised(late()))


async def first_step_is_last(scope, receive, send):
    """Leaves its context changed, and awaits nothing that is not ready."""
    mark = MARK.get()
    MARK.set("left")
    await reply(send, [mark, asyncio.current_task() is not None])


# Loggers that fail


def tracker_is_down(record):
    raise ConnectionError("the error tracker is down")


async def logger_raises(scope, receive, send):
    """Raises, and so does the logger that is told of it; a WebSocket is open then."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
    logging.getLogger("gunicorn.error").addFilter(tracker_is_down)
    raise LookupError("for the tracker")


async def pathsend(scope, receive, send):
    """Sends the file `file`."""
    path = os.path.abspath("file")
    await send(start([(b"content-length", b"%d" % os.path.getsize(path))]))
    await send({"type": "http.response.pathsend", "path": path})
    note("the response is complete")


# Awaitables where coroutines are usual


async def wrapped(scope, receive, send):
    """`send` and `receive` in all that asyncio wraps around a coroutine."""
    loop = asyncio.get_running_loop()
    facts = {"receive is one": asyncio.iscoroutine(waits := receive()), "send is one": True}
    body_message = await asyncio.wait_for(waits, 10)
    facts["body"] = body_message["body"].decode()
    facts["nobody sends"] = await raised(asyncio.wait_for(receive(), 0.01))
    listener = asyncio.ensure_future(receive())
    first = send(start())
    facts["send is one"] = asyncio.iscoroutine(first)
    await asyncio.create_task(first, name="first")
    await asyncio.shield(body(send, b"", more=True))
    await asyncio.shield(send({"type": "http.response.body", "more_body": True}))
    await asyncio.gather(*(send({"type": "http.response.body", "body": b" ", "more_body": True}) for _ in range(40)))
    done, _ = await asyncio.wait([loop.create_task(send({"type": "http.response.body", "more_body": True}))])
    facts["results"] = [task.result() for task in done]
    async with asyncio.timeout(10):
        await send({"type": "http.response.body", "more_body": True})
    async with anyio.create_task_group() as group:
        group.start_soon(send, {"type": "http.response.body", "body": b" ", "more_body": True})
        group.start_soon(lambda: send({"type": "http.response.body", "body": b" ", "more_body": True}))
    errors = await asyncio.gather(send({"type": "nonsense"}), send(start()), return_exceptions=True)
    facts["errors"] = [type(error).__name__ for error in errors]
    facts["listener waits"] = not listener.done()
    await body(send, json.dumps(facts).encode())
    note(f"listener: {(await listener)['type']}")


async def slow_reader(scope, receive, send):
    """As `wrapped`, while the client takes nothing: those who send wait."""
    await receive()
    await send(start())
    message = {"type": "http.response.body", "body": bytes(8 << 20), "more_body": True}
    shielded = asyncio.ensure_future(send(message))
    facts = {"times out": await raised(asyncio.wait_for(asyncio.shield(shielded), 0.05)), "waits": not shielded.done()}
    task = asyncio.create_task(send({**message, "body": b"1"}))
    cancelled = asyncio.create_task(send({**message, "body": b"2"}))
    await asyncio.sleep(0.05)
    facts["both wait"] = not (task.done() or cancelled.done())
    cancelled.cancel()
    facts["cancelled"] = await raised(cancelled)
    note("all wait")
    facts["gathered"] = await asyncio.gather(shielded, task, send({**message, "body": b"3"}))
    await body(send, json.dumps(facts).encode())


async def websocket(scope, receive, send):
    """The same over a WebSocket."""
    await asyncio.wait_for(receive(), 10)
    await asyncio.create_task(send({"type": "websocket.accept"}))
    message, _ = await asyncio.gather(receive(), send({"type": "websocket.send", "text": "first"}))
    facts = {"received": message["text"], "nobody sends": await raised(asyncio.wait_for(receive(), 0.01))}
    facts["error"] = await raised(asyncio.create_task(send({"type": "websocket.accept"})))
    await asyncio.shield(send({"type": "websocket.send", "text": json.dumps(facts)}))
    await asyncio.wait_for(send({"type": "websocket.send", "bytes": bytes(32 << 20)}), 10)
    await send({"type": "websocket.send", "text": "last"})
    await receive()


# What was lost once


def block():
    """The loop stands still until the file `edge` is there."""
    note("blocks")
    deadline = time.monotonic() + 10
    while not os.path.exists("edge") and time.monotonic() < deadline:
        time.sleep(0.001)


async def slow_first_step(scope, receive, send):
    """What its client does happens before it awaits anything; it tells how long the body is."""
    block()
    length, more = 0, True
    while more:
        message = await receive()
        length, more = length + len(message["body"]), message["more_body"]
    await reply(send, length)


async def waits_for_the_end(scope, receive, send):
    await receive()
    note(f"received {(await receive())['type']}")


async def woken_and_cancelled(scope, receive, send):
    """A `receive` is cancelled when it has been woken for a message and has not run yet."""
    length, loop = 0, asyncio.get_running_loop()
    try:
        while True:
            length += len((await asyncio.wait_for(receive(), 0.1))["body"])
    except TimeoutError:
        pass
    task = asyncio.create_task(receive())
    await asyncio.sleep(0)
    # What has come meanwhile, and this, are found in one round of the loop; asyncio runs what the socket calls first.
    loop.call_later(0, task.cancel)
    block()
    error, more = await raised(task), True
    while more:
        message = await receive()
        length, more = length + len(message["body"]), message["more_body"]
    await reply(send, [error, length])


async def parts(scope, receive, send):
    """Cancels each `receive` again and again, and loses no part of the body."""
    got, more = b"", True
    while more:
        task = asyncio.create_task(receive())
        await asyncio.sleep(0)
        task.cancel()
        if await raised(task) is None:
            message = task.result()
        else:
            try:
                message = await asyncio.wait_for(receive(), 0.001)
            except TimeoutError:
                continue
        got, more = got + message["body"], message["more_body"]
    await reply(send, got.decode())


async def both_wait(scope, receive, send):
    """Waits for the body and for the reader at the same time, and tells which of the two ends first."""
    await send(start())

    async def read():
        while (await receive())["type"] == "http.request":
            pass
        note("receive gave up")

    async def write():
        note(f"send raised {await raised(flood(send))}")

    await asyncio.gather(read(), write())


async def flood(send):
    while True:
        await body(send, bytes(1 << 20), more=True)


async def refused(scope, receive, send):
    """Goes on after its request has been answered for it."""
    note("has begun")
    while (message := await receive())["type"] == "http.request":
        pass
    note(f"received {message['type']}")
    errors = []
    for message in (start(), {"type": "http.response.body"}):
        try:
            await send(message)
        except OSError as error:
            errors.append(type(error).__name__)
    note(f"send raised {errors}, and receive gives {(await receive())['type']}")


async def waiters(scope, receive, send):
    """Several tasks wait for the client in both directions: all of them learn that it has gone."""
    await send(start())
    await receive()
    listeners = [asyncio.create_task(receive()) for _ in range(3)]
    message = {"type": "http.response.body", "body": bytes(8 << 20), "more_body": True}
    senders = [asyncio.create_task(send(message)) for _ in range(3)]
    await asyncio.sleep(0.01)
    note("all wait")
    heard = [message["type"] for message in await asyncio.gather(*listeners)]
    note(f"listeners: {heard}")
    results = await asyncio.gather(*senders, return_exceptions=True)
    note(f"senders: {[isinstance(result, OSError) for result in results]}")


async def websocket_waiters(scope, receive, send):
    """The same over a WebSocket."""
    await receive()
    await send({"type": "websocket.accept"})
    listeners = [asyncio.create_task(receive()) for _ in range(3)]
    message = {"type": "websocket.send", "bytes": bytes(8 << 20)}
    senders = [asyncio.create_task(send(message)) for _ in range(3)]
    await asyncio.sleep(0.01)
    note("all wait")
    results = await asyncio.gather(*senders, return_exceptions=True)
    note(f"senders: {[isinstance(result, OSError) for result in results]}")
    heard = [message["type"] for message in await asyncio.gather(*listeners)]
    note(f"listeners: {heard}")


async def websocket_takes(scope, receive, send):
    """Sends a large message each time that one has come; in between it is idle for as long as the client wishes."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": bytes(int(message["text"]))})
    note(f"closed {message['code']}")


async def background(scope, receive, send):
    """Completes its response when its client has gone, and works on after that, until `/open-gate?work`."""
    await send(start())
    await body(send, b"begun", more=True)
    while (await receive())["type"] != "http.disconnect":
        pass
    # The grace runs. Who has only ended its side gets the rest.
    await body(send)
    note("works")
    try:
        await gate("work").wait()
    except asyncio.CancelledError:
        note("work is cancelled")
        raise
    note("work is done")


async def stays(scope, receive, send):
    """Does not look whether its client is there."""
    note("stays")
    try:
        await asyncio.sleep(600)
    finally:
        note("is cancelled")


async def timers(scope, receive, send):
    """How many alarms of the server's engine asyncio's loop has set."""
    alarms = [handle for handle in asyncio.get_running_loop()._scheduled if "alarm" in repr(handle._callback)]
    await reply(send, sum(not handle.cancelled() for handle in alarms))


loaded.announce()

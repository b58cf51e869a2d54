"""A plain ASGI application whose every path does one thing that a test looks at: the async sibling of `probe`.

`app` is a table from paths to functions `(scope, receive, send)`. What an application sees where no response can tell it,
it tells the log by `note`.
"""

import asyncio
import contextvars
import json
import os
import time
from pathlib import Path
from urllib.parse import parse_qs
from zlib import crc32

import loaded

TEXT = (b"content-type", b"text/plain")
ROUTES = {}
MARK = contextvars.ContextVar("mark", default="unset")
GATE_SECONDS = 0.01


def route(path):
    """Registers a function for `path`."""

    def register(function):
        ROUTES[path] = function
        return function

    return register


async def app(scope, receive, send):
    """Calls the function of the request's path; any path below `/scope` shows the scope, other paths get the hello page."""
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    path = scope["path"].removeprefix(scope["root_path"])
    default = scope_as_json if path.startswith("/scope/") else hello
    await ROUTES.get(path, default)(scope, receive, send)


application = app


def note(text):
    """One line to standard error; one write, so that lines of several workers do not mix."""
    os.write(2, f"probe: {text}\n".encode())


def option(scope, name, default=""):
    """The first value of a query parameter."""
    return parse_qs(scope["query_string"].decode()).get(name, [default])[0]


async def start(send, *headers, status=200, **more):
    await send({"type": "http.response.start", "status": status, "headers": [TEXT, *headers], **more})


async def body(send, data=b"", more=False):
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def reply(send, data, *headers, status=200):
    """A response with its length."""
    data = data if isinstance(data, bytes) else str(data).encode()
    await start(send, (b"content-length", b"%d" % len(data)), *headers, status=status)
    await body(send, data)


async def opened(scope):
    """Waits until the query's file exists."""
    while not os.path.exists(option(scope, "gate")):
        await asyncio.sleep(GATE_SECONDS)


async def whole(receive):
    """All of the body; None if the client goes."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message["body"])
        if not message["more_body"]:
            return b"".join(parts)


@route("/")
async def hello(scope, receive, send):
    await reply(send, "Hello, World!\n")


# What the application is told


@route("/scope")
async def scope_as_json(scope, receive, send):
    """Each key with its type and value; the header names and values with theirs."""

    def shown(value):
        if isinstance(value, bytes):
            return ["bytes", value.decode("latin-1")]
        if isinstance(value, (list, tuple)):
            return [type(value).__name__, [shown(item) for item in value]]
        if isinstance(value, dict):
            return ["dict", {key: shown(item) for key, item in value.items()}]
        return [type(value).__name__, value]

    await reply(send, json.dumps(shown(scope)[1]))


@route("/process")
async def process(scope, receive, send):
    loop = asyncio.get_running_loop()
    facts = {"pid": os.getpid(), "loop": type(loop).__module__, "imported_in": IMPORTED_IN, "started_in": STARTED_IN}
    await reply(send, json.dumps(facts))


@route("/state")
async def state(scope, receive, send):
    """The state as this request sees it; it sets a key, and appends to a list that all share."""
    seen = json.dumps({"seen": scope["state"]})
    scope["state"]["own"] = True
    scope["state"]["shared"].append(1)
    await reply(send, seen)


@route("/extend")
async def extend(scope, receive, send):
    """What an earlier request has put into the scope's own objects, and puts something there."""
    seen = [key for key in scope["extensions"] if key == "mine"] + [key for key in scope["asgi"] if key == "mine"]
    scope["extensions"]["mine"] = {}
    scope["asgi"]["mine"] = ""
    await reply(send, json.dumps(seen))


@route("/context")
async def context(scope, receive, send):
    """What this request's context has, before it sets it to the query's value."""
    seen = MARK.get()
    MARK.set(option(scope, "value"))
    await asyncio.sleep(0)
    await reply(send, f"{seen} {MARK.get()}")


@route("/task")
async def task(scope, receive, send):
    """What needs a real task."""
    import anyio

    facts = {"task": isinstance(asyncio.current_task(), asyncio.Task)}
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)
    except TimeoutError:
        facts["timeout"] = True
    with anyio.move_on_after(0.01) as scope_of_cancel:
        await anyio.sleep(60)
    facts["anyio cancels"] = scope_of_cancel.cancelled_caught
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0)
    facts["anyio thread"] = await anyio.to_thread.run_sync(lambda: 42)
    facts["to_thread"] = await asyncio.to_thread(lambda: 43)
    await reply(send, json.dumps(facts))


# What the application reads


@route("/echo")
async def echo(scope, receive, send):
    await reply(send, await whole(receive))


@route("/count")
async def count(scope, receive, send):
    """The size and a checksum of the body; with `largest` in the query the size of its largest part, too."""
    size, checksum, largest, more = 0, 0, 0, True
    while more:
        message = await receive()
        more, part = message.get("more_body", False), message.get("body", b"")
        size, checksum, largest = size + len(part), crc32(part, checksum), max(largest, len(part))
    await reply(send, f"{size} {checksum}" + (f" {largest}" if scope["query_string"] else ""))


@route("/count-late")
async def count_late(scope, receive, send):
    """As `/count`, but reads on only as soon as the query's file exists."""
    note("has begun")
    await receive()
    await opened(scope)
    await reply(send, "late" if await whole(receive) is not None else "gone")


@route("/messages")
async def messages(scope, receive, send):
    """Each message of the body, as it came, and the types of its values."""
    seen, more = [], True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        seen.append({key: type(value).__name__ if key == "body" else value for key, value in message.items()})
    await reply(send, json.dumps(seen))


@route("/take")
async def take(scope, receive, send):
    """Answers when all of the body is here."""
    while (await receive()).get("more_body"):
        pass
    await reply(send, "taken\n")


@route("/unread")
async def unread(scope, receive, send):
    """Answers without a look at the body."""
    await reply(send, "unread\n")


@route("/after")
async def after(scope, receive, send):
    """What `receive` gives when the response is complete."""
    await whole(receive)
    await reply(send, "after\n")
    note(f"after the response: {(await receive())['type']}")


@route("/disconnect")
async def disconnect(scope, receive, send):
    """Waits for the client to go."""
    await whole(receive)
    note("waits for the end")
    message = await receive()
    note(f"received {message['type']}, then {(await receive())['type']}")


@route("/disconnect-in-body")
async def disconnect_in_body(scope, receive, send):
    """Reads a body that does not come to its end."""
    note("reads")
    got = await whole(receive)
    note(f"body {'ends' if got is not None else 'is cut off'}")


@route("/stays")
async def stays(scope, receive, send):
    """Does not look whether the client is there, and tells how it ends."""
    note("stays")
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        note("is cancelled")
        raise


@route("/streams-on")
async def streams_on(scope, receive, send):
    """Sends until the client has gone, and tells by which exception it knows."""
    await start(send)
    try:
        while True:
            await body(send, b"x" * 65536, more=True)
            await asyncio.sleep(0)
    except BaseException as error:
        note(f"send raises {type(error).__name__}, {'an' if isinstance(error, OSError) else 'no'} OSError")
        raise


@route("/two-listeners")
async def two_listeners(scope, receive, send):
    """A response that is streamed while another task waits for the client to go, as in Starlette."""
    await whole(receive)

    async def listen():
        return (await receive())["type"]

    listener = asyncio.create_task(listen())
    await start(send)
    for part in (b"one ", b"two ", b"three"):
        await body(send, part, more=True)
        await asyncio.sleep(GATE_SECONDS)
    waits = not listener.done()
    await body(send, b" waits" if waits else b" lost")
    note(f"the listener got {await listener}")


# What the application sends


@route("/status")
async def status(scope, receive, send):
    await start(send, status=int(option(scope, "code", "200")))
    await body(send, option(scope, "body").encode())


@route("/headers")
async def headers(scope, receive, send):
    """Headers whose order and repetition must survive."""
    given = [(b"X-First", b"1"), (b"x-lower", b"a"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2; Path=/")]
    await reply(send, "headers\n", *given, (b"x-latin", b"caf\xe9"))


@route("/odd-types")
async def odd_types(scope, receive, send):
    """What other servers take, too: lists in place of tuples, a generator, a bytearray, a memoryview."""
    headers = ([name, value] for name, value in [(b"x-list", b"1")])
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await body(send, bytearray(b"array "), more=True)
    await body(send, memoryview(b"view"))


@route("/least")
async def least(scope, receive, send):
    """No more than the messages must have."""
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})


@route("/stream")
async def stream(scope, receive, send):
    """Parts with no length: chunked for HTTP/1.1, up to the end of the connection for HTTP/1.0."""
    await start(send)
    for part in (b"one\n", b"", b"two\n", b"three\n"):
        await body(send, part, more=True)
    await body(send)


@route("/gated")
async def gated(scope, receive, send):
    """A first part, then one more as soon as the file named by the query exists."""
    await start(send)
    await body(send, b"first\n", more=True)
    await opened(scope)
    await body(send, b"second\n")


BLOCK = bytes(range(256)) * 256


@route("/large")
async def large(scope, receive, send):
    """As many bytes as the query says, in blocks of 64 KiB; tells the log when each MiB has been taken."""
    size = int(option(scope, "size", "1048576"))
    told = [] if option(scope, "length") == "none" else [(b"content-length", b"%d" % size)]
    await start(send, *told)
    for at in range(0, size, 65536):
        await body(send, BLOCK[: min(65536, size - at)], more=True)
        if option(scope, "tell") and at % (1 << 20) == 0:
            note(f"{at >> 20} MiB are sent")
    await body(send)


@route("/block")
async def block(scope, receive, send):
    """As many bytes as the query says, in one message."""
    await reply(send, BLOCK * (int(option(scope, "size")) // len(BLOCK)))


@route("/blocks")
async def blocks(scope, receive, send):
    """Two messages of as many bytes as the query says."""
    await start(send)
    for _ in range(2):
        await body(send, BLOCK * (int(option(scope, "size")) // len(BLOCK)), more=True)
    await body(send)


@route("/length")
async def length(scope, receive, send):
    """A `Content-Length` of the query's `says` and a body of `sends` bytes."""
    await start(send, (b"content-length", option(scope, "says").encode()))
    await body(send, b"x" * int(option(scope, "sends")))


@route("/file")
@route("/pathsend")
async def pathsend(scope, receive, send):
    """A file of the working directory, or the path that the query gives, by `http.response.pathsend`."""
    path = option(scope, "path") or os.path.abspath(option(scope, "name"))
    length = [] if option(scope, "length") == "none" else [(b"content-length", b"%d" % os.path.getsize(path))]
    await start(send, *length)
    await send({"type": "http.response.pathsend", "path": path})


@route("/pathsend-checked")
async def pathsend_checked(scope, receive, send):
    """Names the exception that `http.response.pathsend` raises, and sends a body in its place."""
    await start(send)
    try:
        await send({"type": "http.response.pathsend", "path": option(scope, "path")})
    except Exception as error:
        await body(send, type(error).__name__.encode())


@route("/early-hint")
async def early_hint(scope, receive, send):
    await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload; as=style", b"</a.js>"]})
    await send({"type": "http.response.early_hint", "links": [b"</b.js>"]})
    await reply(send, "hinted\n")


@route("/trailers")
async def trailers(scope, receive, send):
    """A body and trailers in two messages."""
    await start(send, (b"trailer", b"x-sum, x-more"), trailers=True)
    await body(send, b"trailed\n")
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")], "more_trailers": True})
    await send({"type": "http.response.trailers", "headers": [(b"x-more", b"2")]})


# What the application does wrong


@route("/raise")
async def raise_before(scope, receive, send):
    raise RuntimeError("failure before the head")


@route("/raise-started")
async def raise_started(scope, receive, send):
    """After the start message, before any byte is sent."""
    await start(send)
    raise RuntimeError("failure before the body")


@route("/raise-inside")
async def raise_inside(scope, receive, send):
    length = option(scope, "length")
    await start(send, *([(b"content-length", length.encode())] if length else []))
    await body(send, b"begin\n", more=True)
    await asyncio.sleep(0)
    raise RuntimeError("failure inside the body")


@route("/raise-after")
async def raise_after(scope, receive, send):
    await reply(send, "complete\n")
    raise RuntimeError("failure after the response")


@route("/exit")
async def system_exit(scope, receive, send):
    raise SystemExit(int(option(scope, "code", "0")))


@route("/never")
async def never(scope, receive, send):
    """Returns without a response."""


@route("/half")
async def half(scope, receive, send):
    """Returns in the middle of one."""
    await start(send)
    await body(send, b"half\n", more=True)


START = {"type": "http.response.start", "status": 200, "headers": [TEXT]}
BODY = {"type": "http.response.body", "body": b"body"}
MORE = {**BODY, "more_body": True}
TRAILERS = {"type": "http.response.trailers", "headers": []}
HINT = {"type": "http.response.early_hint", "links": []}
PATH = {"type": "http.response.pathsend", "path": __file__}
ORDERS = {
    "body-first": [BODY],
    "path-first": [PATH],
    "trailers-first": [TRAILERS],
    "start-twice": [START, START],
    "start-in-body": [START, MORE, START],
    "start-after-body": [START, BODY, START],
    "body-after-body": [START, BODY, BODY],
    "path-after-body": [START, MORE, PATH],
    "path-after-path": [START, PATH, PATH],
    "body-after-path": [START, PATH, BODY],
    "trailers-not-announced": [START, MORE, TRAILERS],
    "trailers-before-body": [{**START, "trailers": True}, TRAILERS],
    "body-after-announced": [{**START, "trailers": True}, BODY, BODY],
    "hint-in-body": [START, MORE, HINT],
    "hint-after-body": [START, BODY, HINT],
    "websocket": [{"type": "websocket.accept"}],
    "nonsense": [{"type": "http.nonsense"}],
    "no-type": [{}],
    "number-type": [{"type": 1}],
    "text-body": [START, {**BODY, "body": "text"}],
    "number-body": [START, {**BODY, "body": 3}],
    "word-status": [{**START, "status": "OK"}],
    "no-status": [{"type": "http.response.start"}],
    "short-status": [{**START, "status": 20}],
    "number-name": [{**START, "headers": [(1, b"1")]}],
    "split-value": [{**START, "headers": [(b"x-a", b"1\r\nx-injected: 1")]}],
    "space-name": [{**START, "headers": [(b"x a", b"1")]}],
    "word-length": [{**START, "headers": [(b"content-length", b"many")]}],
    "single": [{**START, "headers": [(b"x-a",)]}],
}
"""Messages of which the last is wrong."""


@route("/order")
async def order(scope, receive, send):
    """Sends what the query names; tells the log what the last message raises, and raises it."""
    name = option(scope, "name")
    *good, bad = ORDERS[name]
    for message in good:
        await send(message)
    try:
        await send(bad)
    except Exception as error:
        note(f"{name} raises {type(error).__name__}: {error}")
        raise
    note(f"{name} raises nothing")


# What the application does besides


@route("/background")
async def background(scope, receive, send):
    """Goes on after its response until the query's file exists."""
    await reply(send, "answered\n")
    await opened(scope)
    note("background work is done")


@route("/background-for-ever")
async def background_for_ever(scope, receive, send):
    await reply(send, "answered\n")
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        note("background work is cancelled")
        raise


@route("/spawn")
async def spawn(scope, receive, send):
    """Leaves a task of its own behind."""

    async def work():
        await opened(scope)
        note("spawned work is done")

    scope["state"]["shared"].append(asyncio.create_task(work()))
    await reply(send, "spawned\n")


@route("/wait")
async def wait(scope, receive, send):
    """Tells the log that it is in, and answers as soon as the query's file exists."""
    note("waits")
    await opened(scope)
    note("goes on")
    await reply(send, "waited\n")


@route("/left")
async def left(scope, receive, send):
    """A first part, then 64 MiB as soon as the query's file exists; tells the log how much was taken at its end."""
    import logging

    await start(send)
    taken = 0
    try:
        await body(send, b"first\n", more=True)
        await opened(scope)
        for taken in range(1, 1025):
            await body(send, bytes(65536), more=True)
    finally:
        logging.getLogger("gunicorn.error").info("probe left after %d of 1024 blocks", taken)


@route("/thread")
async def thread(scope, receive, send):
    """Leaves its work to a thread, which is not done with it before ten minutes are over."""
    note("waits for a thread")
    await asyncio.to_thread(time.sleep, 600)


@route("/hang")
async def hang(scope, receive, send):
    """Blocks the loop."""
    note("hangs")
    time.sleep(600)


# The lifespan


def lifespan_file(name):
    """What a test wants of the lifespan: the text of a file in the working directory, or None."""
    path = Path(name)
    return path.read_text() if path.exists() else None


STARTED_IN = []


async def lifespan(scope, receive, send):
    """Start-up and shut-down, as the files `fails`, `raises`, `shutdown-waits` and `shutdown-fails` have it."""
    assert (await receive())["type"] == "lifespan.startup"
    STARTED_IN.append(os.getpid())
    note(f"starts up with {sorted(scope)} {scope['asgi']}")
    if (reason := lifespan_file("raises")) is not None:
        raise RuntimeError(reason)
    if (reason := lifespan_file("fails")) is not None:
        await send({"type": "lifespan.startup.failed", "message": reason})
        return
    scope["state"].update(shared=[], number=7)
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    note("shuts down")
    while lifespan_file("shutdown-waits") is not None:
        await asyncio.sleep(GATE_SECONDS)
    if (reason := lifespan_file("shutdown-fails")) is not None:
        await send({"type": "lifespan.shutdown.failed", "message": reason})
        return
    note("is shut down")
    await send({"type": "lifespan.shutdown.complete"})


class Instance:
    """An application that is an object, async by its `__call__`."""

    async def __call__(self, scope, receive, send):
        await app(scope, receive, send)


instance = Instance()


async def bare(scope, receive, send):
    """An application without a lifespan, as many are: it asserts that it is asked for HTTP."""
    assert scope["type"] == "http", f"a scope of type {scope['type']}"
    await app(scope, receive, send)


IMPORTED_IN = os.getpid()
loaded.announce()

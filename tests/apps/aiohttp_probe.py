"""An application of aiohttp whose paths do what those of `probe` do."""

import asyncio
import os
import time

import loaded
from aiohttp import web


def note(text):
    """One line to standard error; one write, so that lines of several workers do not mix."""
    os.write(2, f"probe: {text}\n".encode())


async def hello(request):
    return web.Response(text="Hello, World!\n")


async def wait(request):
    note("waits")
    while not os.path.exists(request.query["gate"]):
        await asyncio.sleep(0.01)
    return web.Response(text="waited\n")


async def hang(request):
    note("hangs")
    time.sleep(600)


def application():
    made = web.Application()
    made.add_routes([web.get("/", hello), web.get("/wait", wait), web.get("/hang", hang)])
    return made


app = application()


async def factory():
    """The application, made on the worker's loop."""
    if os.path.exists("fails"):
        raise RuntimeError("no database")
    return application()


loaded.announce()

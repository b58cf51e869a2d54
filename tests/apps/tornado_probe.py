"""An application of tornado whose paths do what those of `probe` do, and WebSockets."""

import asyncio
import json
import os
import sys
import time

import loaded
import tornado.iostream
import tornado.web
import tornado.websocket


def note(text):
    """One line to standard error; one write, so that lines of several workers do not mix."""
    os.write(2, f"probe: {text}\n".encode())


class Hello(tornado.web.RequestHandler):
    async def get(self):
        await asyncio.sleep(0)
        self.write("Hello, World!\n")


class Process(tornado.web.RequestHandler):
    def get(self):
        self.write({
            "pid": os.getpid(), "ppid": os.getppid(), "imported_in": IMPORTED_IN, "env": dict(os.environ),
            "callback_ran": RAN, "client": self.request.remote_ip,
        })


class Wait(tornado.web.RequestHandler):
    """Answers as soon as the query's file exists."""

    async def get(self):
        note("waits")
        while not os.path.exists(self.get_argument("gate")):
            await asyncio.sleep(0.01)
        self.write("waited\n")

    def on_connection_close(self):
        note("client has gone")


class Thread(tornado.web.RequestHandler):
    """Leaves its work to a thread, which is not done with it before ten minutes are over."""

    async def get(self):
        note("waits for a thread")
        await asyncio.to_thread(time.sleep, 600)


class Hang(tornado.web.RequestHandler):
    """Blocks the loop."""

    def get(self):
        note("hangs")
        time.sleep(600)


class Parts(tornado.web.RequestHandler):
    """Streams its response, a part for each file `part-N` that appears."""

    async def get(self):
        for number in range(3):
            while not os.path.exists(f"part-{number}"):
                await asyncio.sleep(0.01)
            self.write(f"part {number}\n")
            await self.flush()


class Big(tornado.web.RequestHandler):
    """Sends more than any socket takes at once, and is done before its client has it."""

    def get(self):
        self.write(b"x" * int(self.get_argument("size")))

    def on_finish(self):
        note("has answered")


class Detached(tornado.web.RequestHandler):
    """Leaves HTTP, and wants to know itself when the client goes."""

    def get(self):
        stream = self.detach()
        stream.set_close_callback(lambda: note("detached client has gone"))
        stream.write(b"HTTP/1.1 200 OK\r\n\r\n")


class Exit(tornado.web.RequestHandler):
    """Ends the process from a callback of the loop."""

    def get(self):
        tornado.ioloop.IOLoop.current().add_callback(sys.exit, int(self.get_argument("code")))


@tornado.web.stream_request_body
class Upload(tornado.web.RequestHandler):
    """Counts the body as it arrives."""

    def prepare(self):
        self.size = 0

    def data_received(self, chunk):
        self.size += len(chunk)

    def post(self):
        self.write(str(self.size))


class Fail(tornado.web.RequestHandler):
    def get(self):
        raise RuntimeError("no such thing")


class Echo(tornado.websocket.WebSocketHandler):
    def open(self):
        note("opens")

    def on_message(self, message):
        self.write_message(message, binary=isinstance(message, bytes))

    def on_close(self):
        note(f"closed {self.close_code}")


class Blocking(tornado.websocket.WebSocketHandler):
    """Waits in the middle of a message for the file `gate`."""

    async def on_message(self, message):
        note("waits")
        while not os.path.exists(message):
            await asyncio.sleep(0.01)
        self.write_message("waited")


app = tornado.web.Application([
    ("/", Hello), ("/process", Process), ("/wait", Wait), ("/thread", Thread), ("/hang", Hang), ("/parts", Parts), ("/upload", Upload),
    ("/big", Big), ("/detached", Detached), ("/exit", Exit), ("/fail", Fail), ("/echo", Echo), ("/blocking", Blocking),
])

IMPORTED_IN = os.getpid()
RAN = []
tornado.ioloop.IOLoop.current().add_callback(RAN.append, True)
loaded.announce()

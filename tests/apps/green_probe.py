"""A WSGI application that waits, as blocking code does: whatever makes it green is not in here."""

import base64
import copy
import hashlib
import http.server
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from urllib.parse import parse_qs

import loaded

IMPORTED = {"pid": os.getpid(), "socket": socket.socket.__module__, "sleep": time.sleep.__module__}
"""What the standard library was when this was imported."""
LIBRARY = IMPORTED["socket"]
INSIDE = {"now": 0, "most": 0}
"""Requests in `sleep`."""
NEWS = threading.Event()
LOCAL = threading.local()


def app(environ, start_response):
    """Calls the function that the path names; its arguments are those of the query."""
    function = globals()["play_" + environ["PATH_INFO"].strip("/").replace("-", "_")]
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    return function(environ, start_response, **query)


def tell(what):
    """One line for the test."""
    os.write(2, f"told {what}\n".encode())


def text(start_response, body):
    body = str(body).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def play_(environ, start_response):
    return text(start_response, "hello")


def play_pid(environ, start_response):
    return text(start_response, os.getpid())


def play_sleep(environ, start_response, seconds):
    """Sleeps; how many do so at one time is counted."""
    INSIDE["now"] += 1
    INSIDE["most"] = max(INSIDE.values())
    time.sleep(float(seconds))
    INSIDE["now"] -= 1
    return text(start_response, "slept")


def play_most(environ, start_response):
    return text(start_response, INSIDE["most"])


def play_imported(environ, start_response):
    return text(start_response, "{pid} {socket} {sleep}".format(**IMPORTED))


def play_ask(environ, start_response, port, word):
    """Asks a server of words, as a client of a database does that knows nothing of greenlets."""
    with socket.create_connection(("localhost", int(port))) as connection:
        connection.sendall(word.encode() + b"\n")
        return text(start_response, connection.makefile().readline().strip())


def play_run(environ, start_response, gate):
    """A program that runs until the file exists."""
    command = ["sh", "-c", "echo told runs >&2; until [ -e $0 ]; do sleep 0.01; done; echo output", gate]
    # eventlet's `check_output` is not green.
    return text(start_response, subprocess.run(command, stdout=subprocess.PIPE).stdout.decode().strip())


def play_threads(environ, start_response):
    """A thread, a lock and an event; counts the threads that the kernel knows."""
    before = len(os.listdir("/proc/self/task"))
    ready, heard = threading.Event(), []

    def run():
        LOCAL.name = threading.current_thread().name
        ready.wait()
        heard.append(LOCAL.name)

    thread = threading.Thread(target=run, name="one of ours")
    thread.start()
    more = len(os.listdir("/proc/self/task")) - before
    ready.set()
    thread.join()
    return text(start_response, f"{heard} {more}")


def play_local(environ, start_response):
    """What an earlier request has left in a `threading.local`: nothing."""
    found = getattr(LOCAL, "number", None)
    LOCAL.number = 1
    return text(start_response, found)


def play_events(environ, start_response):
    """Server-sent events: one at once, one when there is news."""
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    yield b"data: begin\n\n"
    tell("listens")
    NEWS.wait()
    yield b"data: news\n\n"


def play_publish(environ, start_response):
    NEWS.set()
    return text(start_response, "published")


def play_wait(environ, start_response, gate):
    """Answers as soon as the file exists."""
    tell("waits")
    try:
        while not os.path.exists(gate):
            time.sleep(0.01)
    except BaseException as error:
        tell(f"interrupted by {type(error).__name__}")
        raise
    return text(start_response, "waited")


def play_count(environ, start_response):
    """The size of the body, which may still be on its way."""
    body = environ["wsgi.input"]
    size = len(body.read(100))
    tell("begins")
    try:
        size += len(body.readline()) + sum(len(line) for line in body)
    except OSError as error:
        tell(f"fails: {type(error).__name__}")
        raise
    return text(start_response, size)


def play_parts(environ, start_response, count, size="65536", by="yield"):
    """So many parts, yielded, or written by `write`; tells how far it has come when that ends."""
    write, part, sent = start_response("200 OK", []), bytes(range(256)) * (int(size) // 256), 0
    try:
        for sent in range(1, int(count) + 1):
            if by == "write":
                write(part)
            else:
                yield part
    finally:
        tell(f"ended after {sent}")


def play_bounded(environ, start_response, count, seconds):
    """Reads for so long, whatever comes of it, and then sends so many parts."""
    if "gevent" in LIBRARY:
        from gevent import Timeout
    else:
        from eventlet import Timeout
    try:
        with Timeout(float(seconds), False):
            environ["wsgi.input"].read()
    except TimeoutError:
        tell("too slow")
    return play_parts(environ, start_response, count)


def play_leave_reader(environ, start_response):
    """A thread that the request leaves behind waits for the body."""
    body, begun = environ["wsgi.input"], threading.Event()

    def run():
        begun.set()
        try:
            body.read()
        except Exception as error:
            tell(f"reader left behind: {error}")

    threading.Thread(target=run).start()
    begun.wait()
    return text(start_response, "left")


def play_upload(environ, start_response):
    """Reads the body, at once."""
    tell("begins")
    return text(start_response, len(environ["wsgi.input"].read()))


def play_line(environ, start_response):
    """Reads the body, as one line."""
    tell("begins")
    return text(start_response, len(environ["wsgi.input"].readline()))


def play_copy(environ, start_response):
    """What the debuggers and templates do with an object."""
    connection = environ["gunicorn.socket"]
    return text(start_response, f"{hasattr(connection, '__html__')} {type(copy.copy(connection)).__name__}")


def play_server(environ, start_response):
    """A server of the standard library in a thread; answers when it has begun."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    time.sleep(0.01)
    return text(start_response, server.server_port)


def play_whole(environ, start_response, count, size="1048576"):
    """As many blocks, as a list."""
    start_response("200 OK", [])
    return [bytes(int(size)) for _ in range(int(count))]


def play_fork(environ, start_response):
    """The child goes on in its hub for a while, and ends; what it is asked it would answer with its own pid."""
    child = os.fork()
    if child == 0:
        tell("forked")
        while not os.path.exists("gate"):
            time.sleep(0.001)
        os._exit(0)
    return text(start_response, child)


def play_fork_and_return(environ, start_response, how):
    """The child comes back to the server, which is none of its business."""
    child = os.fork()
    if child == 0:
        if how == "raise":
            raise LookupError("in the child")
        return text(start_response, "child")
    os.waitpid(child, 0)
    return text(start_response, "parent")


def play_thread_fork(environ, start_response):
    """The child comes back from a thread, and so to nobody."""
    children = []

    def run():
        child = os.fork()
        if child:
            children.append(child)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return text(start_response, children[0])


def play_hook(environ, start_response):
    """The next greenlet cannot be made."""
    if "gevent" in LIBRARY:
        from gevent import Greenlet

        def fail(_):
            Greenlet.remove_spawn_callback(fail)
            raise LookupError("the hook fails")

        Greenlet.add_spawn_callback(fail)
    else:
        from eventlet.greenthread import GreenThread
        make = GreenThread.__init__

        def fail(*_):
            GreenThread.__init__ = make
            raise LookupError("the hook fails")

        GreenThread.__init__ = fail
    return text(start_response, "armed")


def play_squelch(environ, start_response):
    """What eventlet does with what is raised where a descriptor is ready, as by a handler of a signal."""
    from eventlet.hubs import get_hub

    for descriptor in list(get_hub().listeners["read"]):
        try:
            raise LookupError("the handler fails")
        except LookupError:
            get_hub().squelch_exception(descriptor, sys.exc_info())
    return text(start_response, "squelched")


def play_kill(environ, start_response):
    """The next greenlet is killed before it has begun."""
    if "gevent" in LIBRARY:
        from gevent import Greenlet

        def kill(greenlet):
            Greenlet.remove_spawn_callback(kill)
            greenlet.kill(block=False)

        Greenlet.add_spawn_callback(kill)
    else:
        import eventlet
        from eventlet import greenthread
        make = greenthread.GreenThread.__init__

        def kill(self, parent):
            greenthread.GreenThread.__init__ = make
            make(self, parent)
            eventlet.hubs.get_hub().schedule_call_global(0, eventlet.kill, self)

        greenthread.GreenThread.__init__ = kill
    return text(start_response, "armed")


def play_spin(environ, start_response):
    """Never lets another one run."""
    while True:
        pass


def play_exit(environ, start_response):
    raise SystemExit


def play_stop(environ, start_response):
    """So applications end that have answered by the socket."""
    raise StopIteration


def play_keys(environ, start_response):
    return text(start_response, " ".join(environ))


def play_fail(environ, start_response):
    raise LookupError("it fails")


# A WebSocket by an application that takes the socket over


def play_echo(environ, start_response):
    """Shakes hands, sends each message back, and says in gunicorn's way that it has answered."""
    connection = environ["gunicorn.socket"]
    key = environ["HTTP_SEC_WEBSOCKET_KEY"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
    )
    while (frame := read_frame(connection)) and frame[0] != 8:
        connection.sendall(struct.pack("!BB", 0x80 | frame[0], len(frame[1])) + frame[1])
    connection.sendall(struct.pack("!BBH", 0x88, 2, 1000))
    tell("closed")
    raise StopIteration


def read_frame(connection):
    """Opcode and payload of a short frame."""
    first, length = take(connection, 2)
    mask = take(connection, 4)
    return first & 15, bytes(byte ^ mask[n % 4] for n, byte in enumerate(take(connection, length & 127)))


def take(connection, size):
    data = b""
    while len(data) < size:
        data += connection.recv(size - len(data)) or b"\0" * size
    return data


def play_library(environ, start_response):
    """The same by eventlet's own WebSockets."""
    from eventlet.websocket import WebSocketWSGI

    def handle(websocket):
        while (message := websocket.wait()) is not None:
            websocket.send(message)

    return WebSocketWSGI(handle)(environ, start_response)


loaded.announce()

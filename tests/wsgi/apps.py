"""WSGI applications that go to the edges of PEP 3333, and some way beyond them.

`application` calls the function that the path names with `(environ, start_response)`.
"""

import gc
import gzip
import io
import json
import os
import socket
import sys
import threading
import time
from urllib.parse import parse_qs

TEXT = [("Content-Type", "text/plain")]
KEPT = {}
"""What earlier requests have left here for later ones."""
SEEN = []
"""What happened to the iterables of earlier requests."""


def application(environ, start_response):
    """The function named by the first segment of the path."""
    name = environ["PATH_INFO"].strip("/").split("/")[0].replace("-", "_")
    return ROUTES.get(name, hello)(environ, start_response)


def option(environ, name, default=""):
    """The first value of a query parameter."""
    return parse_qs(environ["QUERY_STRING"]).get(name, [default])[0]


def text(start_response, body):
    """A plain answer."""
    start_response("200 OK", list(TEXT))
    return [str(body).encode()]


def attempt(function, *args):
    """What a call gives, or the name and the words of what it raises."""
    try:
        return repr(function(*args))
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


def hello(environ, start_response):
    return text(start_response, "hello")


def environ(environ, start_response):
    """The strings of the environ."""
    return text(start_response, json.dumps({k: v for k, v in environ.items() if isinstance(v, str)}))


# Bodies


def parts(environ, start_response):
    """A list, a tuple or another iterable of so many parts of so many bytes."""
    count, size = int(option(environ, "count")), int(option(environ, "size", "1"))
    kind = {"list": list, "tuple": tuple, "iter": iter}[option(environ, "kind", "list")]
    start_response(option(environ, "status", "200 OK"), list(TEXT))
    return kind([bytes([65 + i % 26]) * size for i in range(count)])


def counted(environ, start_response):
    """Five bytes, in as many parts, after the Content-Length of the query."""
    start_response("200 OK", [*TEXT, ("Content-Length", option(environ, "length"))])
    return iter([b"x"] * 5)


def late_start(environ, start_response):
    """Calls `start_response` when the first part is asked for."""

    def body():
        start_response("200 OK", list(TEXT))
        yield b"late"

    return body()


def empty_then_replaced(environ, start_response):
    """Replaces the head after an empty part: that must not have sent it."""

    def body():
        start_response("200 OK", list(TEXT))
        yield b""
        try:
            raise ValueError
        except ValueError:
            start_response("503 Replaced", list(TEXT), sys.exc_info())
        yield b"replaced"

    return body()


def empty_write(environ, start_response):
    """Writes nothing, then gives another head or fails: nothing has been sent."""
    write = start_response("200 OK", list(TEXT))
    write(b"")
    if option(environ, "fail"):
        raise ValueError("after an empty write")
    try:
        raise ValueError
    except ValueError:
        start_response("503 Replaced", list(TEXT), sys.exc_info())
    return [b"replaced"]


class Bytes(bytes):
    """A subclass of `bytes`."""


def unusual_types(environ, start_response):
    """Subclasses and sequences where the plain types are usual."""

    class Str(str):
        pass

    start_response(Str("200 OK"), (pair for pair in [[Str("X-A"), Str("1")], ("X-B", "2")]))
    return iter([Bytes(b"unusual")])


def wrong_part(environ, start_response):
    """A part that is not `bytes`, first or second."""
    wrong = {"str": "text", "bytearray": bytearray(b"x"), "memoryview": memoryview(b"x"), "none": None, "int": 1}
    given = [wrong[option(environ, "type")]]
    start_response("200 OK", list(TEXT))
    if option(environ, "second"):
        return iter([b"first", *given])
    return given if option(environ, "kind") == "list" else iter(given)


class Watched:
    """An iterable that notes what happens to it."""

    def __init__(self, parts, close_error=None):
        self.parts = iter(parts)
        self.close_error = close_error

    def __iter__(self):
        return self

    def __next__(self):
        part = next(self.parts)
        if isinstance(part, BaseException):
            raise part
        return part

    def close(self):
        SEEN.append("closed")
        if self.close_error:
            raise self.close_error


def both_fail(environ, start_response):
    """An iterable that fails, and whose `close()` fails as well."""
    start_response("200 OK", list(TEXT))
    return Watched([b"begin", RuntimeError("first failure")], ValueError("second failure"))


def endless(environ, start_response):
    """Sends for as long as somebody takes it."""
    start_response("200 OK", list(TEXT))

    def body():
        try:
            while True:
                yield b"x" * 65536
        except GeneratorExit:
            SEEN.append("generator closed")
            raise

    return body()


def await_file(name):
    """Waits until a file of this name is there, for some seconds."""
    end = time.monotonic() + 10
    while not os.path.exists(name) and time.monotonic() < end:
        time.sleep(0.01)
    os.remove(name)


def paced(environ, start_response):
    """Makes the second part only when it is told to, by a file: the first one must have left by itself."""
    start_response("200 OK", list(TEXT))
    yield b"\0" * 900_000
    await_file("go")
    yield b"end"


def paced_write(environ, start_response):
    """As `paced`, by `write()`."""
    write = start_response("200 OK", list(TEXT))
    write(b"\0" * 900_000)
    await_file("go")
    write(b"end")
    return []


def announced(environ, start_response):
    """A generator of one part, whose length is in the head."""
    start_response("200 OK", [*TEXT, ("Content-Length", "20000000")])
    yield b"x" * 20_000_000


def endless_write(environ, start_response):
    """As `endless`, by `write()`."""
    write = start_response("200 OK", list(TEXT))
    try:
        while True:
            write(b"x" * 65536)
    except OSError as error:
        SEEN.append(type(error).__name__)
        raise


def endless_hints(environ, start_response):
    """As `endless`, by early hints."""
    try:
        while True:
            environ["wsgi.early_hints"]([("Link", "x" * 4096)])
    except OSError as error:
        SEEN.append(type(error).__name__)
        raise


def seen(environ, start_response):
    """What was noted, and forgets it."""
    taken, SEEN[:] = list(SEEN), []
    return text(start_response, json.dumps(taken))


# Failures


def recurse(environ, start_response):
    return recurse(environ, start_response)


def interrupt(environ, start_response):
    raise KeyboardInterrupt("by the application")


def generator_exit(environ, start_response):
    raise GeneratorExit


def bad_logger(environ, start_response):
    """Exits, and so does the logger that is told of it."""
    import logging

    class Exits(logging.Filter):
        def filter(self, record):
            logger.removeFilter(self)
            sys.exit("the logger exits")

    logger = logging.getLogger("gunicorn.error")
    logger.addFilter(Exits())
    sys.exit("the application exits")


def broken_pipe(environ, start_response):
    """A connection of the application's own breaks, not the client's."""
    raise BrokenPipeError(32, "the database has gone")


def surrogate(environ, start_response):
    start_response("200 OK", [("X-A", "\udc80")])
    return []


def late_exc_info(environ, start_response):
    """`exc_info` in forms that are not those of `sys.exc_info()`."""
    start_response("200 OK", list(TEXT))
    yield b"sent"
    start_response("500 Late", list(TEXT), (KeyError, None, None))


# Objects kept beyond their request


def keep(environ, start_response):
    """Keeps everything that it was given."""
    write = start_response("200 OK", list(TEXT))
    KEPT.update(
        environ=environ, start_response=start_response, write=write, input=environ["wsgi.input"],
        hints=environ["wsgi.early_hints"], socket=environ["gunicorn.socket"],
    )
    return [b"kept"]


LATE_CALLS = {
    "write": lambda: KEPT["write"](b"late"),
    "start_response": lambda: KEPT["start_response"]("200 OK", []),
    "hints": lambda: KEPT["hints"]([("Link", "x")]),
    "read": lambda: KEPT["input"].read(),
    "socket": lambda: KEPT["socket"].fileno(),
}


def use_kept(environ, start_response):
    """Uses what was kept, while another request runs: nothing of it may reach that one's response."""
    results = {name: attempt(call) for name, call in LATE_CALLS.items()}
    KEPT.clear()
    return text(start_response, json.dumps(results))


def write_from_threads(environ, start_response):
    """Several threads write; each retries while another one is at it."""
    write = start_response("200 OK", list(TEXT))

    def run(letter):
        for _ in range(50):
            while attempt(write, letter * 1000) != "None":
                time.sleep(0)

    threads = [threading.Thread(target=run, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return []


def leave_a_writer(environ, start_response):
    """Returns while another thread still writes; that one must end with an exception."""
    write = start_response("200 OK", list(TEXT))
    write(b"begin")

    def run():
        while True:
            try:
                write(b"more")
            except RuntimeError as error:
                if "ended" in str(error):
                    SEEN.append(str(error))
                    return

    threading.Thread(target=run, daemon=True).start()
    return []


# Input, errors, socket, files


def read(environ, start_response):
    """Evaluates an expression over `wsgi.input`, called `body`."""
    return text(start_response, attempt(eval, option(environ, "of"), {"body": environ["wsgi.input"]}))


def digest(environ, start_response):
    """The body's length and checksum, read in lines and blocks by turns."""
    from zlib import crc32

    size = crc = 0
    body = environ["wsgi.input"]
    while block := body.readline(3001) + body.read(5003):
        size, crc = size + len(block), crc32(block, crc)
    return text(start_response, f"{size} {crc}")


def errors(environ, start_response):
    stream = environ["wsgi.errors"]
    stream.write("one line\n")
    stream.writelines(["two ", "parts\n"])
    print("printed", "line", file=stream)
    stream.flush()
    return text(start_response, attempt(stream.write, 1))


def begun_line(environ, start_response):
    """Writes lines that do not end."""
    stream = environ["wsgi.errors"]
    stream.write("x" * 9000)
    stream.write("only begun")
    return text(start_response, "begun")


def client_socket(environ, start_response):
    """Asks the client's socket, and closes it; the response does not depend on that."""
    client = environ["gunicorn.socket"]
    is_peer = client.getpeername()[1] == int(environ["REMOTE_PORT"])
    facts = [is_peer, socket.SocketKind(client.type).name, os.get_inheritable(client.fileno())]
    client.close()
    return text(start_response, json.dumps(facts))


def file(environ, start_response):
    """A file wrapper around what the query names."""
    kind = option(environ, "kind")
    content = b"0123456789" * 2000
    if kind == "memory":
        opened = io.BytesIO(content)
    elif kind == "pipe":
        reader, writer = os.pipe()
        # gevent's `os.close` closes later.
        with open(writer, "wb") as out:
            out.write(b"through a pipe")
        opened = os.fdopen(reader, "rb")
    elif kind in ("gzip", "buffered-gzip"):
        with gzip.open("content.gz", "wb") as out:
            out.write(content)
        opened = gzip.open("content.gz")
        opened = io.BufferedReader(opened) if kind == "buffered-gzip" else opened
    elif kind == "unbuffered":
        with open("content", "wb") as out:
            out.write(content)
        opened = open("content", "rb", buffering=0)
    else:
        with open("content", "wb") as out:
            out.write(content)
        opened = open("content", "rb")
        opened.read(int(option(environ, "read", "0")))
    KEPT["file"] = opened
    wrapper = environ["wsgi.file_wrapper"]
    if kind == "subclass":
        wrapper = type("Wrapper", (wrapper,), {})
    length = option(environ, "length")
    start_response("200 OK", [*TEXT, *([("Content-Length", length)] if length else [])])
    return wrapper(opened)


def file_closed(environ, start_response):
    return text(start_response, KEPT.pop("file").closed)


def fork(environ, start_response):
    """Forks a child that lives until it is told to go, with a copy of every descriptor."""
    child = os.fork()
    if child == 0:
        await_file("go")
        os._exit(0)
    KEPT["child"] = child
    return text(start_response, "forked")


def reap(environ, start_response):
    """Whether the child was still there; waits for its end."""
    was_there = os.waitpid(KEPT["child"], os.WNOHANG) == (0, 0)
    open("go", "w").close()
    os.waitpid(KEPT.pop("child"), 0)
    return text(start_response, was_there)


def hints(environ, start_response):
    """Early hints as `str`, as `bytes`, with a line feed, with a space in the name, and after the head."""
    send = environ["wsgi.early_hints"]
    tried = [("Link", "<a>"), (b"Link", b"<b>"), ("Link", "a\r\nX: 1"), ("a b", "1")]
    results = [attempt(send, [given]) for given in tried]
    write = start_response("200 OK", list(TEXT))
    write(b" ")
    results.append(attempt(send, [("Link", "<late>")]))
    write(json.dumps(results).encode())
    return []


def validated(environ, start_response):
    """wsgiref's check of both sides, around an application that uses most of the interface."""
    from wsgiref.validate import validator

    def inner(environ, start_response):
        body = environ["wsgi.input"]
        got = body.read(1) + body.readline() + b"".join(body.readlines(100)) + b"".join(body)
        environ["wsgi.errors"].write("validated\n")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"valid ", got]

    return validator(inner)(environ, start_response)


# Memory


def blocks(environ, start_response):
    """Memory blocks that Python holds, after a collection."""
    gc.collect()
    return text(start_response, sys.getallocatedblocks())


def cycle(environ, start_response):
    """Puts the request's objects into a cycle, which only the collector can free."""
    environ["start"] = start_response
    environ["self"] = environ
    return text(start_response, "cycle")


ROUTES = {name: value for name, value in list(globals().items()) if callable(value)}

"""A plain WSGI application whose every path does one thing that a test looks at.

`application` is a table from paths to functions `(environ, start_response) -> iterable`. Nothing here depends on a
server, so the same requests can be made to gunicorn and to gunicorn-rs.
"""

import json
import logging
import os
import sys
import time
from functools import cache
from urllib.parse import parse_qs

import loaded

TEXT = [("Content-Type", "text/plain")]
ROUTES = {}
CLOSED = []


def route(path):
    """Registers a function for `path`."""

    def register(function):
        ROUTES[path] = function
        return function

    return register


def application(environ, start_response):
    """Calls the function of the request's path; any path below `/environ` shows it, other paths get the hello page."""
    path = environ["PATH_INFO"]
    default = environ_as_json if path.startswith("/environ/") else hello
    return ROUTES.get(path, default)(environ, start_response)


app = application


def option(environ, name, default=""):
    """The first value of a query parameter."""
    return parse_qs(environ["QUERY_STRING"]).get(name, [default])[0]


def reply(start_response, body, status="200 OK", headers=()):
    """A response with its length."""
    body = body if isinstance(body, bytes) else str(body).encode()
    start_response(status, [*TEXT, ("Content-Length", str(len(body))), *headers])
    return [body]


@route("/")
def hello(environ, start_response):
    return reply(start_response, "Hello, World!\n")


# What the application is told


@route("/environ")
def environ_as_json(environ, start_response):
    """Each key with its type and, where JSON can hold it, its value."""
    plain = (str, int, bool, tuple)
    dump = {k: [type(v).__name__, v if isinstance(v, plain) else None] for k, v in environ.items()}
    return reply(start_response, json.dumps(dump))


@route("/process")
def process(environ, start_response):
    """The process that answers, as the application sees it."""
    facts = {
        "pid": os.getpid(), "ppid": os.getppid(), "cwd": os.getcwd(), "path": sys.path, "env": dict(os.environ),
        "uid": os.getuid(), "gid": os.getgid(), "imported_in": IMPORTED_IN,
        "executable": sys.executable, "argv": sys.argv,
    }
    return reply(start_response, json.dumps(facts))


@route("/umask")
def umask(environ, start_response):
    mask = os.umask(0)
    os.umask(mask)
    return reply(start_response, oct(mask))


@route("/validated")
def validated(environ, start_response):
    """The hello page and the echo, with PEP 3333 checked on both sides of it."""
    from wsgiref.validate import validator

    def inner(environ, start_response):
        body = environ["wsgi.input"].read(10)
        return reply(start_response, body or b"valid\n")

    return validator(inner)(environ, start_response)


# What the application reads


@route("/echo")
def echo(environ, start_response):
    return reply(start_response, environ["wsgi.input"].read())


@route("/slow-echo")
def slow_echo(environ, start_response):
    """The body, after up to 5 ms, as it says."""
    body = environ["wsgi.input"].read()
    time.sleep(sum(body) % 6 / 1000)
    return reply(start_response, body)


@route("/count")
def count(environ, start_response):
    """The size and a checksum of the body, read in blocks."""
    from zlib import crc32

    size, checksum = 0, 0
    while block := environ["wsgi.input"].read(8192):
        size, checksum = size + len(block), crc32(block, checksum)
    return reply(start_response, f"{size} {checksum}")


@route("/read")
def read(environ, start_response):
    """Performs the calls that the query names on `wsgi.input` (`readline:5,read,readlines`); shows what they gave."""
    results = []
    for call in option(environ, "calls").split(","):
        name, _, size = call.partition(":")
        stream = environ["wsgi.input"]
        value = list(stream) if name == "iterate" else getattr(stream, name)(*([int(size)] if size else []))
        results.append([name, repr(value)])
    return reply(start_response, json.dumps(results))


@route("/take")
def take(environ, start_response):
    """Answers when all of the body is here, which it is."""
    return reply(start_response, "taken\n")


@route("/unread")
def unread(environ, start_response):
    """Answers without a look at the body."""
    return reply(start_response, "unread\n")


@route("/input-error")
def input_error(environ, start_response):
    """Names the exception that reading the body raises."""
    try:
        environ["wsgi.input"].read()
    except Exception as error:
        return reply(start_response, type(error).__name__)
    return reply(start_response, "no error")


# What the application sends


@route("/status")
def status(environ, start_response):
    """The status line that the query asks for, with no header of its own."""
    start_response(option(environ, "line", "200 OK"), list(TEXT))
    return [option(environ, "body").encode()]


@route("/headers")
def headers(environ, start_response):
    """Headers whose case, order and repetition must survive."""
    given = [("X-First", "1"), ("x-lower", "a"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Path=/"), ("X-UPPER", "Z")]
    return reply(start_response, "headers\n", headers=[*given, ("X-Latin", "caf\xe9"), ("X-Padded", "  in  side\t")])


@route("/own")
def own(environ, start_response):
    """Headers that a server sets itself, set by the application."""
    given = [("Server", "mine"), ("Date", "Thu, 01 Jan 1970 00:00:00 GMT")]
    return reply(start_response, "own\n", headers=given)


@route("/hop")
def hop(environ, start_response):
    """A hop-by-hop header, which is not the application's to send."""
    name = option(environ, "name", "Connection")
    return reply(start_response, "hop\n", headers=[(name, option(environ, "value", "close"))])


@route("/empty")
def empty(environ, start_response):
    start_response("200 OK", list(TEXT))
    return []


@route("/stream")
def stream(environ, start_response):
    """Parts with no length: chunked for HTTP/1.1, up to the end of the connection for HTTP/1.0."""
    start_response("200 OK", list(TEXT))
    yield b"one\n"
    yield b""
    yield b"two\n"
    yield b"three\n"


@route("/endless")
def endless(environ, start_response):
    """Parts until the client goes."""
    start_response("200 OK", list(TEXT))
    while True:
        yield b"more\n"


@route("/gated")
def gated(environ, start_response):
    """A first part, then one more as soon as the file named by the query exists."""
    start_response("200 OK", list(TEXT))
    yield b"first\n"
    while not os.path.exists(option(environ, "gate")):
        time.sleep(0.01)
    yield b"second\n"


@route("/write")
def write(environ, start_response):
    """The `write()` callable of PEP 3333, mixed with an iterable."""
    send = start_response("200 OK", list(TEXT))
    send(b"written ")
    send(b"twice ")
    return [b"then ", b"iterated\n"]


@route("/large")
def large(environ, start_response):
    """As many bytes as the query says, in blocks of 64 KiB; `length=none` leaves the length untold."""
    size = int(option(environ, "size", "1048576"))
    told = [] if option(environ, "length") == "none" else [("Content-Length", str(size))]
    start_response("200 OK", [*TEXT, *told])
    block = bytes(range(256)) * 256
    return (block[: min(65536, size - start)] for start in range(0, size, 65536))


@cache
def one_block(size):
    return bytes(range(256)) * (size // 256)


@route("/block")
def block(environ, start_response):
    """As many bytes as the query says (a multiple of 256), in one block: the same object for each request."""
    return reply(start_response, one_block(int(option(environ, "size"))))


@route("/file")
def file(environ, start_response):
    """`wsgi.file_wrapper` over a file of the working directory; `length` and `seek` as the query says."""
    opened = open(option(environ, "name"), "rb")
    opened.seek(int(option(environ, "seek", "0")))
    length = option(environ, "length")
    start_response("200 OK", [*TEXT, *([("Content-Length", length)] if length else [])])
    return environ["wsgi.file_wrapper"](opened, 4096)


class FileLike:
    """Has `read` but no descriptor."""

    def __init__(self, data):
        self.data = data

    def read(self, size):
        block, self.data = self.data[:size], self.data[size:]
        return block

    def close(self):
        CLOSED.append("file")


@route("/file-like")
def file_like(environ, start_response):
    start_response("200 OK", list(TEXT))
    return environ["wsgi.file_wrapper"](FileLike(b"like a file\n" * 3), 7)


@route("/early-hints")
def early_hints(environ, start_response):
    environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload; as=style")])
    environ["wsgi.early_hints"]([("Link", "</script.js>; rel=preload")])
    return reply(start_response, "hinted\n")


class Closing:
    """An iterable whose `close()` is seen by `/closed`."""

    def __init__(self, parts, fail=False):
        self.parts = iter(parts)
        self.fail = fail

    def __iter__(self):
        return self

    def __next__(self):
        part = next(self.parts)
        if part is None:
            raise RuntimeError("failure in the iterable")
        return part

    def close(self):
        CLOSED.append("iterable")
        if self.fail:
            raise RuntimeError("failure in close")


@route("/closing")
def closing(environ, start_response):
    """An iterable with `close()`; `fail` = `next` or `close` makes it fail there."""
    start_response("200 OK", list(TEXT))
    fail = option(environ, "fail")
    return Closing([b"part\n", None] if fail == "next" else [b"part\n"], fail == "close")


@route("/left")
def left(environ, start_response):
    """A first part, then 64 MiB as soon as the query's file exists; tells the log how much was taken at `close()`."""
    start_response("200 OK", list(TEXT))
    taken = 0
    try:
        yield b"first\n"
        while not os.path.exists(option(environ, "gate")):
            time.sleep(0.01)
        for taken in range(1, 1025):
            yield bytes(65536)
    finally:
        logging.getLogger("gunicorn.error").info("probe left after %d of 1024 blocks", taken)


@route("/closed")
def closed(environ, start_response):
    """How often `close()` was called in this worker, and forgets it."""
    taken, CLOSED[:] = list(CLOSED), []
    return reply(start_response, json.dumps(taken))


# What the application does wrong


@route("/raise")
def raise_before(environ, start_response):
    raise RuntimeError("failure before the head")


@route("/raise-started")
def raise_started(environ, start_response):
    """After `start_response`, before any byte is sent."""
    start_response("200 OK", [*TEXT, ("Content-Length", "5")])
    raise RuntimeError("failure before the body")


@route("/raise-inside")
def raise_inside(environ, start_response):
    """Inside the body."""
    length = option(environ, "length")
    start_response("200 OK", [*TEXT, *([("Content-Length", length)] if length else [])])
    yield b"begin\n"
    raise RuntimeError("failure inside the body")


@route("/exit")
def system_exit(environ, start_response):
    raise SystemExit(int(option(environ, "code", "0")))


@route("/recover")
def recover(environ, start_response):
    """Replaces a head that is not sent yet, as `exc_info` allows."""
    start_response("200 OK", [("X-Old", "1"), ("Content-Length", "100")])
    try:
        raise ValueError("recovered")
    except ValueError:
        start_response("503 Service Unavailable", list(TEXT), sys.exc_info())
    return [b"recovered\n"]


@route("/recover-late")
def recover_late(environ, start_response):
    """Tries to replace a head that is sent already: `exc_info` must be raised again."""
    start_response("200 OK", list(TEXT))
    yield b"sent\n"
    try:
        raise ValueError("too late")
    except ValueError:
        start_response("500 Late", list(TEXT), sys.exc_info())
    yield b"never sent\n"


@route("/twice")
def twice(environ, start_response):
    start_response("200 OK", list(TEXT))
    start_response("200 OK", list(TEXT))
    return [b"twice\n"]


@route("/never")
def never(environ, start_response):
    """No `start_response` at all."""
    return [b"body without head\n"]


@route("/none")
def none(environ, start_response):
    """An iterable that is none."""
    start_response("200 OK", list(TEXT))
    return None


@route("/text-body")
def text_body(environ, start_response):
    start_response("200 OK", list(TEXT))
    return ["text"]


@route("/bad-head")
def bad_head(environ, start_response):
    """A status or header of a wrong type or with forbidden characters, as the query names it."""
    status_line, header = BAD_HEADS[option(environ, "case")]
    start_response(status_line, [*TEXT, header])
    return [b"bad head\n"]


BAD_HEADS = {
    "bytes-status": (b"200 OK", ("X-A", "1")),
    "number-status": (200, ("X-A", "1")),
    "word-status": ("OK", ("X-A", "1")),
    "short-status": ("20", ("X-A", "1")),
    "split-status": ("200 OK\r\nX-Injected: 1", ("X-A", "1")),
    "bytes-name": ("200 OK", (b"X-A", "1")),
    "bytes-value": ("200 OK", ("X-A", b"1")),
    "number-value": ("200 OK", ("X-A", 1)),
    "space-name": ("200 OK", ("X A", "1")),
    "colon-name": ("200 OK", ("X-A:", "1")),
    "empty-name": ("200 OK", ("", "1")),
    "split-name": ("200 OK", ("X-A\r\nX-Injected", "1")),
    "split-value": ("200 OK", ("X-A", "1\r\nX-Injected: 1")),
    "newline-value": ("200 OK", ("X-A", "1\nX-Injected: 1")),
    "nul-value": ("200 OK", ("X-A", "1\0")),
    "wide-value": ("200 OK", ("X-A", "\u20ac")),
    "word-length": ("200 OK", ("Content-Length", "many")),
    "pair": ("200 OK", ("X-A",)),
}


@route("/length")
def length(environ, start_response):
    """A `Content-Length` of the query's `says` and a body of `sends` bytes."""
    start_response("200 OK", [*TEXT, ("Content-Length", option(environ, "says"))])
    return [b"x" * int(option(environ, "sends"))]


# What the application does besides


@route("/sleep")
def sleep(environ, start_response):
    """Tells the log that it is in, and answers after the query's `seconds`."""
    logging.getLogger("gunicorn.error").info("probe sleeps")
    time.sleep(float(option(environ, "seconds", "1")))
    return reply(start_response, "slept\n")


@route("/wait")
def wait(environ, start_response):
    """Tells the log that it is in, and answers as soon as the query's file exists."""
    logging.getLogger("gunicorn.error").info("probe waits")
    while not os.path.exists(option(environ, "gate")):
        time.sleep(0.01)
    return reply(start_response, "waited\n")


@route("/log")
def log(environ, start_response):
    """One message at each level to `gunicorn.error`, one to `wsgi.errors`, and the two standard streams."""
    logger = logging.getLogger("gunicorn.error")
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(logger, level)("application says %s", level)
    environ["wsgi.errors"].write("application writes to wsgi.errors\n")
    environ["wsgi.errors"].flush()
    print("application prints to stdout", flush=True)
    print("application prints to stderr", file=sys.stderr, flush=True)
    return reply(start_response, "logged\n")


IMPORTED_IN = os.getpid()
loaded.announce()

"""The plain WSGI application that every server of the bench serves."""

import time

HELLO = b"Hello, World!\n"
LARGE = bytes(1 << 20)


def app(environ, start_response):
    """Hello world, a body that is read, a megabyte, or a pause, by the path."""
    path = environ["PATH_INFO"]
    if path == "/block":
        time.sleep(0.05)
    if path == "/post":
        body = str(len(environ["wsgi.input"].read())).encode()
    else:
        body = LARGE if path == "/large" else HELLO
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]

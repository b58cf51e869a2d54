"""The smallest applications: `gunicorn-rs app:hello`, or `gunicorn-rs app:environ` to see what a request brings."""


def hello(environ, start_response):
    """Answers every request with one line."""
    body = b"Hello, World!\n"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def environ(environ, start_response):
    """Shows the WSGI environ, one line a key."""
    body = "".join(f"{key} = {value!r}\n" for key, value in sorted(environ.items())).encode()
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]


application = hello

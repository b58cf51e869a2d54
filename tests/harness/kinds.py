"""The worker kinds there are: what every one of them must do is checked under each."""

KINDS = ["sync", "gthread", "asgi", "gevent", "eventlet"]


def app_of(kind, name):
    """The application `name` as a kind takes it: each has an async sibling."""
    return f"asgi_{name}:app" if kind == "asgi" else f"{name}:app"

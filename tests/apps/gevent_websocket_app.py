"""A WSGI application of gevent-websocket: it echoes what comes on a WebSocket."""

import loaded


def app(environ, start_response):
    socket = environ["wsgi.websocket"]
    while (text := socket.receive()) is not None:
        socket.send(text)
    return []


loaded.announce()

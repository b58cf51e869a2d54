"""The plain ASGI application that every async server of the bench serves."""

HELLO = b"Hello, World!\n"


async def app(scope, receive, send):
    """Hello world, or the length of a body that is read, by the path."""
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    body = HELLO
    if scope["path"] == "/post":
        length, more = 0, True
        while more:
            message = await receive()
            length, more = length + len(message.get("body", b"")), message.get("more_body", False)
        body = b"%d" % length
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""The ASGI sibling of `seen`: tells what it saw of each request, in the same words."""

import json
from collections import Counter

import loaded

SEEN = Counter()
BARE = ("content-type", "content-length")


async def app(scope, receive, send):
    """The request as JSON; `/seen` is not counted and answers with the counts, by the client's port."""
    assert scope["type"] == "http"
    target = scope["raw_path"].decode("latin-1")
    if scope["query_string"]:
        target += "?" + scope["query_string"].decode("latin-1")
    if target == "/seen":
        account = SEEN
    else:
        SEEN[str(scope["client"][1])] += 1
        body = await whole(receive)
        if body is None:
            return
        account = {
            "method": scope["method"],
            "target": target,
            "version": f"HTTP/{scope['http_version']}",
            "fields": environ(scope["headers"]),
            "body": body.decode("latin-1"),
        }
    headers = [(b"content-length", b"0"), (b"seen", json.dumps(account).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body"})


async def whole(receive):
    """All of the body; None if the client goes."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body, more = body + message["body"], message["more_body"]
    return body


def environ(headers):
    """The fields by the names that PEP 3333 gives them."""
    fields = {}
    for name, value in headers:
        name = name.decode()
        key = ("" if name in BARE else "HTTP_") + name.upper().replace("-", "_")
        value = value.decode("latin-1")
        fields[key] = f"{fields[key]},{value}" if key in fields else value
    return fields


loaded.announce()

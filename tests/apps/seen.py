"""A WSGI application that tells what it saw of each request, and how many of each client's requests it saw.

The account stands in a header, so that a response without a body has it too.
"""

import json
from collections import Counter

import loaded

SEEN = Counter()


def app(environ, start_response):
    """The request as JSON; `/seen` is not counted and answers with the counts, by the client's port."""
    if environ["RAW_URI"] == "/seen":
        account = SEEN
    else:
        SEEN[environ["REMOTE_PORT"]] += 1
        account = {
            "method": environ["REQUEST_METHOD"],
            "target": environ["RAW_URI"],
            "version": environ["SERVER_PROTOCOL"],
            "fields": {key: value for key, value in environ.items() if key.startswith(("HTTP_", "CONTENT_"))},
            "body": environ["wsgi.input"].read().decode("latin-1"),
        }
    start_response("200 OK", [("Content-Length", "0"), ("Seen", json.dumps(account))])
    return []


loaded.announce()

"""What all process-level tests stand on: a server process, a client, and waiting for conditions."""

from .crowd import Crowd
from .documented import documented
from .http import Connection, Response, chunks, render
from .kinds import KINDS, app_of
from .server import APPS, GUNICORN, OURS, ROOT, WORKER, Server
from .wait import eventually

__all__ = [
    "APPS", "GUNICORN", "OURS", "ROOT", "WORKER", "Connection", "Crowd", "Response", "Server", "app_of",
    "chunks", "documented", "eventually", "render",
]

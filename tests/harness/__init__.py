"""What all process-level tests stand on: a server process, a client, and waiting for conditions."""

from .background import Background
from .crowd import Crowd
from .documented import documented
from .http import Connection, Response, chunks, render
from .kinds import KINDS, app_of
from .server import APPS, GUNICORN, OURS, ROOT, WORKER, Server
from .wait import eventually

__all__ = [
    "APPS", "GUNICORN", "KINDS", "OURS", "ROOT", "WORKER", "Background", "Connection", "Crowd", "Response", "Server",
    "app_of", "chunks", "documented", "eventually", "render",
]

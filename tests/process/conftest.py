"""Checks of what gunicorn-rs alone promises; `kind` is gunicorn-rs, as by default."""


import pytest

from harness import APPS, WORKER, Background


@pytest.fixture
def own_app():
    """Source of an application `own:app` whose answer is the given text; it tells the log when it is loaded."""

    def source(answer):
        return (
            "import os\n"
            "def app(environ, start_response):\n"
            f"    body = {answer!r}.encode()\n"
            "    start_response('200 OK', [('Content-Length', str(len(body)))])\n"
            "    return [body]\n"
            "os.write(2, b'probe loaded in %d\\n' % os.getpid())\n"
        )

    return source


class Hammer(Background):
    """A client that makes one request after the other until it is told to stop, and keeps what went wrong."""

    def __init__(self, server):
        super().__init__()
        self.server = server
        self.address = server.address()
        self.bodies = []
        self.failures = []

    def run(self):
        while not self.ending.is_set():
            try:
                response = self.server.get("/", address=self.address)
                if response.status != 200 or not response.complete:
                    self.failures.append(response)
                self.bodies.append(response.body)
            except (OSError, ConnectionError) as error:
                self.failures.append(error)


@pytest.fixture
def hammer():
    """`with hammer(server) as client:` keeps requests coming; `client.failures` must stay empty."""
    return Hammer


@pytest.fixture(scope="session")
def apps():
    """The directory of the test applications."""
    return APPS


@pytest.fixture(params=["asyncio", "uvloop"])
def asgi(request, serve):
    """`asgi("--timeout", 1)` is a started server of the asgi kind on either loop; `start=False` leaves it unstarted."""
    if WORKER != "sync":
        pytest.skip("these name the kind themselves")

    def make(*args, workers=1, start=True, app="asgi_probe:app", **options):
        kind = ("--worker-class", "asgi", "--asgi-loop", request.param, "--workers", workers)
        server = serve(*kind, *args, app=app, **options)
        return server.start(workers=workers) if start else server

    make.loop = request.param
    return make

"""The server that these checks are made on: ours, with the applications of this directory."""

from pathlib import Path

import pytest

from harness import OURS, Server

HERE = str(Path(__file__).parent)


@pytest.fixture(scope="module", params=[[], ["--keep-alive", "5"]], ids=["close", "keep-alive"])
def server(request):
    """One worker; in the second round connections stay open, so that leftovers of a response would be seen."""
    with Server(OURS, *request.param, app="apps", env={"PYTHONPATH": HERE}) as server:
        yield server.start()


@pytest.fixture(autouse=True)
def worker_survives(server):
    """The same worker, and no other, answers after whatever a check has done."""
    assert server.get("/").body == b"hello"
    before = server.workers()
    yield
    assert server.get("/").body == b"hello"
    assert server.workers() == before

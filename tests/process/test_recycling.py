"""Workers that have had their share of requests: replaced first, gone then, and no request of a kept connection lost."""

import re
import signal
from contextlib import ExitStack

import pytest

from harness import Background, eventually

KEEP_ALIVE = ("--workers", 2, "--keep-alive", 5)
RECYCLE = ("--max-requests", 20, "--max-requests-jitter", 5)
CLIENTS = 4


class Keeper(Background):
    """A client that keeps its connection as long as the server lets it, and opens another when a response says so."""

    def __init__(self, server):
        super().__init__()
        self.server = server
        self.address = server.address()
        self.connections = 0
        self.bodies = []
        self.failures = []

    def run(self):
        while not self.ending.is_set():
            try:
                with self.server.connect(self.address) as connection:
                    self.connections += 1
                    self._use(connection)
            except OSError as error:
                self.failures.append(error)

    def _use(self, connection):
        while not self.ending.is_set():
            response = connection.request("GET", "/")
            if response.status != 200 or not response.complete:
                self.failures.append(response)
            self.bodies.append(response.body)
            if response.get("connection") == "close":
                return


@pytest.fixture
def keepers():
    """`keepers(server)` starts several clients that end with the test."""
    with ExitStack() as stack:
        yield lambda server: [stack.enter_context(Keeper(server)) for _ in range(CLIENTS)]


def answered(clients):
    """How many requests have been answered."""
    return sum(len(client.bodies) for client in clients)


def failures(clients):
    """What has gone wrong, after some more requests than were under way."""
    count = answered(clients)
    eventually(lambda: answered(clients) >= count + 20 * len(clients), what="requests are answered")
    return [failure for client in clients for failure in client.failures]


def booted(server):
    """How many workers have booted."""
    return len(re.findall("Booting worker with pid", server.log()))


def fewest_ready(server):
    """The least number of workers that had booted and did not end, from the first full pool on."""
    ready, fewest = set(), None
    for loaded, exiting in re.findall(r"probe loaded in (\d+)|Worker exiting \(pid: (\d+)\)", server.log()):
        ready.add(loaded) if loaded else ready.discard(exiting)
        if fewest is not None or len(ready) == 2:
            fewest = min(len(ready), fewest or 2)
    return fewest


def test_recycling_loses_no_request_and_no_worker(serve, keepers):
    server = serve(*KEEP_ALIVE, *RECYCLE).start(workers=2)
    first = server.workers()
    clients = keepers(server)
    eventually(lambda: booted(server) >= 10 and answered(clients) >= 400, timeout=60)
    assert failures(clients) == []
    assert all(client.connections > 1 for client in clients)
    server.wait_log("Autorestarting worker after current request.")
    eventually(lambda: not set(first) & set(server.workers()), what="the first workers are gone")
    assert fewest_ready(server) == 2
    assert not re.search(r"\[ERROR\]|\[WARNING\]|\[CRITICAL\]", server.log()), server.log()


@pytest.mark.parametrize("recycle", [(), RECYCLE], ids=["all are young", "some are recycled"])
def test_no_kept_connection_loses_a_request_during_reloads(serve, keepers, recycle):
    server = serve(*KEEP_ALIVE, *recycle).start(workers=2)
    clients = keepers(server)
    for number in range(2, 5):
        before = server.workers()
        server.signal(signal.SIGHUP)
        server.wait_log(f"Reloaded: generation {number} serves")
        assert not set(server.workers()) & set(before)
    assert failures(clients) == []
    assert fewest_ready(server) == 2


def test_worker_whose_successor_cannot_boot_serves_on(serve, own_app, keepers):
    server = serve("--workers", 1, "--keep-alive", 5, "--max-requests", 10, app="own:app", apps=False)
    server.write("own.py", own_app("old"))
    server.start(workers=1)
    [old] = server.workers()
    server.write("own.py", "def app(:\n")
    clients = keepers(server)
    # The third try is one that had to wait: by then nothing else is on its way.
    eventually(lambda: booted(server) >= 1 + 3, what="three successors have been tried")
    server.wait_log("No worker could be started or kept for long")
    assert failures(clients) == []
    assert {body for client in clients for body in client.bodies} == {b"old"}
    assert old in server.workers()
    server.write("own.py", own_app("new"))
    eventually(lambda: old not in server.workers(), timeout=30, what="the old worker has been replaced")
    assert failures(clients) == []
    assert {client.bodies[-1] for client in clients} == {b"new"}


def test_stop_hurries_a_worker_that_leaves(serve):
    server = serve("--workers", 1, "--keep-alive", 3600, "--max-requests", 2, "--graceful-timeout", 3600)
    server.start(workers=1)
    with server.connect() as idle, server.connect() as probe:
        assert idle.request("GET", "/").get("connection") == "keep-alive"
        eventually(lambda: probe.request("GET", "/").get("connection") == "close", what="the worker leaves")
        server.signal(signal.SIGTERM)
        assert idle.ended() == b""
    assert server.wait_exit() == 0

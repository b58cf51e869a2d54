"""Fixtures and marks that all process-level tests share."""

import signal

import pytest

from harness import OURS, WORKER, Server

# A shell has its jobs in the background ignore SIGINT, and the servers would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config):
    config.addinivalue_line("markers", "sync_only(reason): a check of what only the sync kind does")
    config.addinivalue_line("markers", "not_yet(kind, reason): a check that a server of this kind must still fail")


def pytest_collection_modifyitems(items):
    """Turns `not_yet` into a strict xfail for the one server that it names, so that a repaired check is noticed."""
    for item in items:
        for mark in item.iter_markers("sync_only"):
            if WORKER != "sync":
                item.add_marker(pytest.mark.skip(reason=f"sync only: {mark.args[0]}"))
        for mark in item.iter_markers("not_yet"):
            kind, reason = mark.args
            callspec = getattr(item, "callspec", None)
            if (callspec.params.get("kind", OURS) if callspec else OURS) == kind:
                item.add_marker(pytest.mark.xfail(strict=True, reason=reason))


@pytest.fixture(scope="module")
def kind():
    """Which server is tested; `tests/compat` runs on both."""
    return OURS


@pytest.fixture
def serve(kind):
    """Makes servers that end with the test: `serve("--workers", 2)` is a `Server` that is not started yet."""
    made = []

    def make(*args, **options):
        made.append(Server(kind, *args, **options))
        return made[-1]

    yield make
    for server in made:
        server.close()

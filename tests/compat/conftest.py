"""Every check of this directory runs on gunicorn and on gunicorn-rs."""

import pytest

from harness import GUNICORN, OURS, WORKER, Server


@pytest.fixture(scope="module", params=[GUNICORN, OURS] if WORKER == "sync" else [OURS])
def kind(request):
    """Which of the two servers the check runs on; under another worker kind, ours alone."""
    return request.param


@pytest.fixture(scope="module")
def server(request, kind):
    """One server for all checks of a module; the module's `APP` and `ARGS` say how it is started."""
    args = getattr(request.module, "ARGS", ())
    with Server(kind, *args, app=getattr(request.module, "APP", "probe:app")) as server:
        yield server.start(workers=1)


@pytest.fixture(scope="module")
def both(request):
    """Both servers at once, to compare what they say: `(gunicorn, gunicorn-rs)`."""
    app = getattr(request.module, "APP", "probe:app")
    with Server(GUNICORN, app=app) as theirs, Server(OURS, app=app) as ours:
        yield theirs.start(workers=1), ours.start(workers=1)

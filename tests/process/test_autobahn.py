"""The cases of the Autobahn suite against an echoing application, run by `kosoku`, which is their client.

`GUNICORN_AUTOBAHN=all` runs all cases, as `make autobahn` does; else those of the compression (12, 13) are a choice,
since all of them take minutes.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.sync_only("the kind is asgi in either run")

KOSOKU = Path(sys.prefix) / "bin" / "kosoku"
PROTOCOL = [f"{number}.*" for number in (1, 2, 3, 4, 5, 6, 7, 9, 10)]
ALL = os.environ.get("GUNICORN_AUTOBAHN") == "all"
# The first size of each kind makes kosoku 0.1.0 fail in its own code ("Strings must be encoded before hashing").
SIZES = range(2, 19) if ALL else (2, 5, 11)
COMPRESSION = [f"{number}.*.{size}" for number in (12, 13) for size in SIZES]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("cases", [PROTOCOL, COMPRESSION], ids=["protocol", "compression"])
def test_no_case_fails(serve, loop, cases):
    server = serve("-k", "asgi", "--asgi-loop", loop, app="sockets:app").start(1)
    host, port = server.address()
    chosen = [argument for case in cases for argument in ("--include", case)]
    reports = server.path("reports")
    command = [KOSOKU, "--parallelism", "2", "--outdir", reports, *chosen, f"{host}:{port}"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    (results,) = json.loads((reports / "index.json").read_text()).values()
    assert len(results) > 30
    bad = {
        case: (result["behavior"], result["behaviorClose"])
        for case, result in results.items()
        if {result["behavior"], result["behaviorClose"]} - {"OK", "INFORMATIONAL"}
    }
    assert bad == {}
    assert "Exception" not in server.log()

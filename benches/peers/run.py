"""Measures gunicorn-rs and its peers side by side: `make bench`, or `python3 benches/peers/run.py --help`.

All servers run at once, one worker each, bound to one core; wrk has another. Every round loads each server with each
scenario in turn, so that whatever else the machine does meets all of them alike; what is shown are medians of the rounds.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from measure import CONNECTIONS, ECHO_LOAD, IN_FLIGHT, load, measure, medians, memory
from report import document, write_readme
from servers import ASYNC, ONLY_WEBSOCKET, READY_SECONDS, ROOT, VENV, available, start

ONE_AT_A_TIME = ("gunicorn-rs", "gunicorn-rs, access log", "gunicorn sync", "bjoern", "fastwsgi", "granian")

# Scenario: title, application, path, servers that cannot take part.
SCENARIOS = {
    "hello": ("Hello world, keep-alive", "plain", "/", ()),
    "close": ("Hello world, a connection for each request", "plain", "/", ()),
    "post": ("POST of 10 KB, read by the application", "plain", "/post", ("nginx return 200",)),
    "large": ("Response of 1 MB", "plain", "/large", ("nginx return 200",)),
    "block": (
        "Requests that block for 50 ms, 4 connections", "plain", "/block", ("nginx return 200", *ONE_AT_A_TIME)
    ),
    "flask": ("Flask, JSON", "framework", "/json", ("nginx return 200",)),
    "ahello": ("ASGI: hello world, keep-alive", "aplain", "/", ()),
    "apost": ("ASGI: POST of 10 KB, read by the application", "aplain", "/post", ()),
    "fastapi": ("ASGI: FastAPI, JSON", "aframework", "/json", ()),
    "wsecho": ("WebSocket: echo of a small text, 8 in flight on each connection", "aecho", "/", ("uvicorn",)),
    "wsone": ("WebSocket: echo of a small text, one after the other", "aecho", "/", ("uvicorn",)),
}
MODULES = ("plain", "framework", "aplain", "aframework", "aecho")
WARM_UP_SECONDS = 1
FOOTPRINT_WORKERS = 4
SETTLED_MIB = 0.05
FOOTPRINT_REQUESTS = 400


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=3, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each server in each scenario")
    parser.add_argument("--only", default="", help="comma-separated parts of server or scenario names")
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    return parser.parse_args()


def main():
    options = arguments()
    prepare()
    servers, scenarios = chosen(options.only)
    if IN_FLIGHT.keys() & set(scenarios):
        subprocess.run(["cargo", "build", "--release", "--example", ECHO_LOAD.name], cwd=ROOT, check=True)
    cores = sorted(os.sched_getaffinity(0))
    results = {}
    for module in MODULES:
        names = [name for name in scenarios if SCENARIOS[name][1] == module]
        if names:
            results.update(measure_all(servers, names, module, options, cores))
    footprints = {name: footprint(name, cores) for name in ("gunicorn-rs", "gunicorn sync") if name in servers}
    settings = (
        f"one worker on one core, wrk (for WebSockets echo_load.rs) with {CONNECTIONS} connections on another, "
        f"medians of {options.rounds} interleaved rounds of {options.seconds} s"
    )
    text = document({name: SCENARIOS[name][0] for name in scenarios}, results, footprints, settings)
    print(text)
    if options.write:
        write_readme(text)


def prepare():
    """Checks the tools and installs the peers."""
    for tool, package in {"wrk": "wrk", "taskset": "util-linux"}.items():
        if not shutil.which(tool):
            sys.exit(f"{tool} is not installed: apt-get install {package}")
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("the bench needs two cores: one for the server, one for wrk")
    install(
        "flask", "gunicorn==27.0.1", "granian", "fastwsgi", "bjoern", "fastapi", "uvicorn", "httptools", "uvloop",
        "hypercorn", "websockets", "wsproto", "gevent", "packaging",
    )


def install(*requirements):
    """Installs the peers; without libev's headers all but bjoern."""
    maker = [sys.executable, str(ROOT / "tools" / "make_venv.py"), str(VENV)]
    if subprocess.run([*maker, *requirements]).returncode:
        print("trying without bjoern, which needs libev-dev and python3-dev", file=sys.stderr)
        subprocess.run([*maker, *(name for name in requirements if name != "bjoern")], check=True)


def chosen(only):
    """The servers and scenarios that `--only` leaves; if it names none of a sort, all of that sort are left."""
    parts = [part for part in only.split(",") if part]
    servers, scenarios = available(), list(SCENARIOS)
    picked = [name for name in servers if any(selects(part, name, servers) for part in parts)]
    return picked or servers, [name for name in scenarios if name in parts] or scenarios


def selects(part, name, names):
    """Whether `part` is `name`, or else a part of it and nobody else's whole name."""
    return part == name or (part not in names and part in name)


def measure_all(servers, scenarios, module, options, cores):
    """Medians for each scenario and server of one application."""
    found = {scenario: {} for scenario in scenarios}
    with ExitStack() as running:
        up = [begin(running, name, module, cores) for name in servers if can_serve(name, module)]
        for number in range(options.rounds):
            for scenario in scenarios:
                for server in filter(None, up):
                    one_run(found, server, scenario, options.seconds, cores, first=number == 0)
            print(f"{module}: round {number + 1} of {options.rounds}", file=sys.stderr)
    return {scenario: {name: medians(runs) for name, runs in rows.items()} for scenario, rows in found.items()}


def can_serve(name, module):
    """Whether the server is one for the application: sync or async; nginx is none for a framework's."""
    if name in ONLY_WEBSOCKET:
        return module == "aecho"
    is_async = module in ("aplain", "aframework", "aecho")
    return (name in ASYNC) == is_async and (module == "plain" or "nginx" not in name)


def begin(running, name, module, cores):
    """Starts a server for as long as `running` is open; one that does not start is left out."""
    try:
        server = start(name, module, str(cores[0]))
    except RuntimeError as error:
        print(f"left out: {error}", file=sys.stderr)
        return None
    running.callback(server.stop)
    return server


def one_run(found, server, scenario, seconds, cores, first):
    """Adds one measurement to `found`; before the first one the server is warmed up."""
    _, _, path, absent = SCENARIOS[scenario]
    if server.name in absent:
        return
    if first:
        load(server.port, scenario, path, WARM_UP_SECONDS, str(cores[1]))
    result = measure(server, scenario, path, seconds, str(cores[1]))
    found[scenario].setdefault(server.name, []).append(result)


def footprint(name, cores):
    """Memory of four Flask workers that have served: (PSS of all processes, private memory of the master), in MiB."""
    server = start(name, "framework", ",".join(map(str, cores)), ("--workers", str(FOOTPRINT_WORKERS)))
    try:
        for _ in range(FOOTPRINT_REQUESTS):
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/json", timeout=10).read()
        return settled(server), memory([server.process.pid], ("Private_Clean", "Private_Dirty"))
    finally:
        server.stop()


def settled(server):
    """The PSS of all processes of a server, once it grows no more: a worker may still be booting while others serve."""
    last, now, end = 0, memory(server.tree()), time.monotonic() + READY_SECONDS
    while abs(now - last) > SETTLED_MIB and time.monotonic() < end:
        time.sleep(0.5)
        last, now = now, memory(server.tree())
    return now


if __name__ == "__main__":
    main()

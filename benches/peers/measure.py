"""One measurement: a run of wrk(1), or of `echo_load.rs`, against a server, and what its processes used during it."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from servers import RELEASE

HERE = Path(__file__).resolve().parent
CONNECTIONS = 64
FEW_CONNECTIONS = {"block": 4}
IN_FLIGHT = {"wsecho": 8, "wsone": 1}
"""The scenarios of WebSockets: how many messages of a connection are on their way at once."""
ECHO_LOAD = RELEASE / "examples" / "echo_load"
TICK_MICROSECONDS = 1_000_000 / os.sysconf("SC_CLK_TCK")
GRACE_SECONDS = 30


@dataclass
class Result:
    """What one run gave; the medians of several make one too."""

    cpu: float
    """Microseconds of the server's CPU time for a request or message, all its processes together."""
    rate: float
    """Requests, or messages that have come back, in a second."""
    p50: float
    """Median latency in microseconds."""
    p99: float
    """99th percentile of the latency in microseconds."""
    errors: float
    """Failed connects, reads, writes, time-outs and statuses of 400 and above."""
    memory: float
    """Proportional set size of all processes at the end, in MiB."""


def medians(results):
    """The medians of several runs; errors are summed, so that none is lost."""
    middle = {key: median(getattr(result, key) for result in results) for key in Result.__dataclass_fields__}
    return Result(**{**middle, "errors": sum(result.errors for result in results)})


def measure(server, scenario, path, seconds, cpu):
    """Loads `server` for `seconds` from the core `cpu`."""
    before = cpu_microseconds(server.tree())
    report = load(server.port, scenario, path, seconds, cpu)
    tree = server.tree()
    used = cpu_microseconds(tree) - before
    requests = max(report["requests"], 1)
    rate = report["requests"] * 1e6 / report["microseconds"]
    return Result(used / requests, rate, report["p50"], report["p99"], report["errors"], memory(tree))


def load(port, scenario, path, seconds, cpu):
    """Loads the port with what the scenario wants, and returns the summary."""
    connections = str(FEW_CONNECTIONS.get(scenario, CONNECTIONS))
    if scenario in IN_FLIGHT:
        address = f"127.0.0.1:{port}"
        command = [str(ECHO_LOAD), address, path, connections, str(IN_FLIGHT[scenario]), str(seconds)]
    else:
        command = [
            "wrk", "--threads", "1", "--connections", connections, "--duration", f"{seconds}s",
            "--script", str(HERE / "load.lua"), f"http://127.0.0.1:{port}{path}", "--", scenario,
        ]
    command = ["taskset", "-c", cpu, *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + GRACE_SECONDS)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            return json.loads(line.removeprefix("RESULT "))
    raise RuntimeError(f"{command[3]} failed: {done.stdout}{done.stderr}")


def cpu_microseconds(pids):
    """User and system time of the processes and of their children that have been waited for (proc(5), `stat`)."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(map(int, fields[11:15]))
    return total * TICK_MICROSECONDS


def memory(pids, keys=("Pss",)):
    """The sum of the named fields of `/proc/PID/smaps_rollup`, in MiB."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(line.split()[1]) for line in lines if line.split(":")[0] in keys)
    return total / 1024

"""What `/proc` says about processes (proc(5)); a process that has gone meanwhile is simply not there."""

import os
from pathlib import Path


def alive(pid):
    """Whether `pid` runs; a zombie does not."""
    fields = stat(pid)
    return fields is not None and fields["state"] not in "ZX"


def stat(pid):
    """Fields of `/proc/PID/stat` that the tests use, or None if there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name is in parentheses and may itself hold spaces and parentheses.
    state, ppid = text.rpartition(")")[2].split()[:2]
    return {"state": state, "ppid": int(ppid)}


def cpu_seconds(pid):
    """Time that `pid` has used of a CPU, all its threads together."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid):
    """Pids of the living children of `pid`, in ascending order."""
    return sorted(p for p in everyone() if (s := stat(p)) and s["ppid"] == pid and s["state"] not in "ZX")


def everyone():
    """All pids of the machine (of this pid name space)."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def carrying(variable, value):
    """Pids of all living processes that were started with `variable=value` in their environment.

    The environment survives fork, exec and a change of parent, so no descendant escapes this search.
    """
    wanted = f"{variable}={value}".encode()
    return sorted(pid for pid in everyone() if wanted in environment(pid) and alive(pid))


def environment(pid):
    """The `NAME=VALUE` pairs that `pid` was started with; empty if they cannot be read."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return []


def title(pid):
    """The command line of `pid` as ps(1) shows it."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def private_bytes(pid):
    """The memory that `pid` shares with nobody: what it alone costs (proc_pid_smaps(5))."""
    fields = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return sum(int(size) * 1024 for name, size, _ in fields if name in ("Private_Clean:", "Private_Dirty:"))


def threads(pid):
    """The names of the threads of `pid`."""
    names = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            names.append((task / "comm").read_text().strip())
        except (FileNotFoundError, ProcessLookupError):
            pass
    return names


def sockets(pid):
    """How many sockets `pid` has open."""
    count = 0
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            count += os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:")
        except FileNotFoundError:
            pass
    return count


def descriptors(pid):
    """How many files, sockets included, `pid` has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))

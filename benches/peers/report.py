"""The result as Markdown: a table for each scenario, the memory, and how far the aims are reached."""

import platform
import re
from datetime import date
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
START, END = "<!-- bench -->", "<!-- /bench -->"
OURS = "gunicorn-rs"

GTHREAD = "gunicorn-rs gthread"
ASGI = "gunicorn-rs asgi"
GEVENT = "gunicorn-rs gevent"

# Each aim: scenario, server, peer, the largest allowed ratio of the CPU time of a request.
AIMS = [
    ("hello", OURS, "bjoern", 0.9), ("hello", OURS, "fastwsgi", 0.9), ("hello", OURS, "nginx return 200", 1.1),
    ("post", OURS, "bjoern", 1.0), ("post", OURS, "fastwsgi", 1.0), ("large", OURS, "fastwsgi", 1.0),
    ("flask", OURS, "bjoern", 1.0), ("close", OURS, "bjoern", 1.0),
    ("hello", GTHREAD, OURS, 1.15), ("hello", GTHREAD, "granian", 0.6),
    ("hello", GEVENT, "gunicorn gevent", 0.2),
    ("ahello", ASGI, "granian asgi", 0.5), ("apost", ASGI, "uvicorn", 0.6),
    # The best peer is one of these.
    ("fastapi", ASGI, "granian asgi", 0.8), ("fastapi", ASGI, "uvicorn", 0.8), ("fastapi", ASGI, "gunicorn asgi", 0.8),
    *(("wsecho", ASGI, peer, 1.0) for peer in ("granian asgi", "uvicorn, websockets-sansio", "gunicorn asgi")),
]
BLOCKED_RATE_AIM = 76
LOG_AIM_MICROSECONDS = 1.5
MASTER_AIM_MIB = 6.0


def document(titles, results, footprints, settings):
    """The whole report; `results[scenario][server]` are medians, `footprints[server]` the memory of four workers."""
    parts = [f"Measured on {date.today()} on {machine()}: {settings}."]
    parts += [section(titles[scenario], results[scenario]) for scenario in titles if results.get(scenario)]
    parts.append(footprint_table(footprints))
    if reached := list(aims(results, footprints)):
        parts.append("\n".join(["Aims (CPU time for a request, ours to the peer's):", "", *reached]))
    return "\n\n".join(part for part in parts if part) + "\n"


def machine():
    """The processor and the kernel."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return f"{model[1] if model else platform.machine()}, Linux {platform.release()}, Python {platform.python_version()}"


def section(title, rows):
    """One scenario's table, cheapest server first."""
    lines = [
        f"**{title}**", "", "| server | CPU µs/request | requests/s | p50 µs | p99 µs | errors | memory MiB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in sorted(rows.items(), key=lambda item: item[1].cpu):
        numbers = f"{row.cpu:.1f} | {row.rate:.0f} | {row.p50:.0f} | {row.p99:.0f} | {row.errors:.0f} | {row.memory:.1f}"
        lines.append(f"| {name} | {numbers} |")
    return "\n".join(lines)


def footprint_table(footprints):
    """What four workers of the Flask application and everything around them take."""
    lines = [
        "**Memory of four Flask workers and all that belongs to them**", "",
        "| server | all processes, PSS MiB | master, private MiB |", "| --- | ---: | ---: |",
    ]
    lines += [f"| {name} | {whole:.1f} | {master:.1f} |" for name, (whole, master) in footprints.items()]
    return "\n".join(lines) if footprints else ""


def aims(results, footprints):
    """One line for each aim that this run can tell about."""
    for scenario, server, peer, limit in AIMS:
        rows = results.get(scenario, {})
        if server in rows and peer in rows:
            yield verdict(f"{scenario}, {server} to {peer}", rows[server].cpu / rows[peer].cpu, limit, "")
    if blocked := results.get("block", {}).get(GTHREAD):
        reached = "reached" if blocked.rate >= BLOCKED_RATE_AIM else "missed"
        yield f"- requests that block, {GTHREAD}: {blocked.rate:.1f}/s (aim: at least {BLOCKED_RATE_AIM}; {reached})"
    logged = results.get("hello", {}).get(f"{OURS}, access log")
    if logged and OURS in results["hello"]:
        yield verdict("access log on", logged.cpu - results["hello"][OURS].cpu, LOG_AIM_MICROSECONDS, " µs more")
    if OURS in footprints:
        yield verdict("private memory of the master", footprints[OURS][1], MASTER_AIM_MIB, " MiB")
    if {OURS, "gunicorn sync"} <= set(footprints):
        ratio = footprints[OURS][0] / footprints["gunicorn sync"][0]
        yield verdict("memory of four Flask workers to gunicorn sync", ratio, 1.0, "")


def verdict(what, value, limit, unit):
    """`what: value (aim)`."""
    return f"- {what}: {value:.2f}{unit} (aim: at most {limit}; {'reached' if value <= limit else 'missed'})"


def write_readme(text):
    """Puts the report between the marks of the README."""
    before, _, rest = README.read_text().partition(START)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{START}\n{text}{END}{after}")

"""The result as Markdown: a table for each scenario, the memory, and how far the aims are reached."""

import platform
import re
from datetime import date
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
START, END = "<!-- bench -->", "<!-- /bench -->"
OURS = "gunicorn-rs"

# Each aim: scenario, peer, the largest allowed ratio of our CPU time to the peer's.
AIMS = [
    ("hello", "bjoern", 0.9), ("hello", "fastwsgi", 0.9), ("hello", "nginx return 200", 1.1), ("post", "bjoern", 1.0),
    ("flask", "bjoern", 1.0), ("close", "bjoern", 1.0),
]
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
    for scenario, peer, limit in AIMS:
        rows = results.get(scenario, {})
        if OURS in rows and peer in rows:
            yield verdict(f"{scenario} to {peer}", rows[OURS].cpu / rows[peer].cpu, limit, "")
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

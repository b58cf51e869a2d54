"""The servers of the bench: how each is started, with one worker and its defaults otherwise."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
VENV = ROOT / "target" / "venv" / "bench"
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
OURS = RELEASE / "gunicorn-rs"
READY_SECONDS = 20
STOP_SECONDS = 10

NGINX = """
daemon off; master_process off; pid {directory}/pid; error_log {directory}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 1000000000;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        location / {{ default_type text/plain; return 200 "Hello, World!\\n"; }}
    }}
}}
"""


def venv(name):
    """A program of the bench's virtual environment."""
    return str(VENV / "bin" / name)


def gunicorn_rs(*extra):
    return lambda module, port, directory: [
        str(OURS), f"{module}:app", "--bind", f"127.0.0.1:{port}", "--log-level", "warning", "--keep-alive", "75", *extra,
    ]


def gunicorn(*extra):
    return lambda module, port, directory: [
        venv("gunicorn"), f"{module}:app", "--bind", f"127.0.0.1:{port}", "--log-level", "warning", "--no-control-socket",
        *extra,
    ]


def granian(interface, *extra):
    return lambda module, port, directory: [
        venv("granian"), "--interface", interface, "--port", str(port), "--log-level", "warning", *extra, f"{module}:app",
    ]


def uvicorn(*extra):
    return lambda module, port, directory: [
        venv("uvicorn"), f"{module}:app", "--port", str(port), "--log-level", "warning", "--no-access-log",
        "--loop", "uvloop", "--http", "httptools", *extra,
    ]


def hypercorn(module, port, directory):
    return [
        venv("hypercorn"), f"{module}:app", "--bind", f"127.0.0.1:{port}", "--log-level", "warning",
        "--worker-class", "uvloop",
    ]


def script(name):
    return lambda module, port, directory: [venv("python"), f"{name}.py", module, str(port)]


def nginx(module, port, directory):
    config = Path(directory) / "nginx.conf"
    config.write_text(NGINX.format(directory=directory, port=port))
    return ["nginx", "-p", directory, "-e", f"{directory}/error.log", "-c", str(config)]


SERVERS = {
    "gunicorn-rs": gunicorn_rs(),
    "gunicorn-rs gthread": gunicorn_rs("--worker-class", "gthread", "--threads", "4"),
    "gunicorn-rs gevent": gunicorn_rs("--worker-class", "gevent"),
    "gunicorn-rs, access log": gunicorn_rs("--access-logfile", "access.log"),
    "gunicorn sync": gunicorn(),
    "gunicorn gthread": gunicorn("--worker-class", "gthread", "--threads", "4", "--keep-alive", "75"),
    "gunicorn gevent": gunicorn("--worker-class", "gevent", "--keep-alive", "75"),
    "granian": granian("wsgi"),
    "bjoern": script("run_bjoern"),
    "fastwsgi": script("run_fastwsgi"),
    "nginx return 200": nginx,
    "gunicorn-rs asgi": gunicorn_rs("--worker-class", "asgi", "--asgi-loop", "uvloop"),
    "gunicorn-rs asgi, asyncio": gunicorn_rs("--worker-class", "asgi", "--asgi-loop", "asyncio"),
    "granian asgi": granian("asgi", "--loop", "uvloop"),
    "uvicorn": uvicorn(),
    "uvicorn, websockets": uvicorn("--ws", "websockets"),
    "uvicorn, websockets-sansio": uvicorn("--ws", "websockets-sansio"),
    "uvicorn, wsproto": uvicorn("--ws", "wsproto"),
    "hypercorn": hypercorn,
    "gunicorn asgi": gunicorn("--worker-class", "asgi", "--asgi-loop", "uvloop", "--keep-alive", "75"),
}
ASYNC = ("gunicorn-rs asgi", "gunicorn-rs asgi, asyncio", "granian asgi", "uvicorn", "hypercorn", "gunicorn asgi")
"""The servers of async applications."""
ONLY_WEBSOCKET = ("uvicorn, websockets", "uvicorn, websockets-sansio", "uvicorn, wsproto")
"""Those that differ from another one only there."""


@dataclass
class Running:
    """A started server; `stop()` ends it and all its processes."""

    name: str
    port: int
    process: subprocess.Popen
    directory: tempfile.TemporaryDirectory

    def tree(self):
        """Pids of the server's processes: it leads a session, to which all of them belong."""
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if session(pid) == self.process.pid]

    def stop(self):
        """Ends the server: by TERM, and by KILL what is left of it then."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        for pid in self.tree():
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.directory.cleanup()


def session(pid):
    """The session that `pid` belongs to, None if it has gone."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def start(name, module, cpu, extra=()):
    """Starts the server `name` with the application `module`, bound to the core `cpu`; returns it once it answers."""
    directory = tempfile.TemporaryDirectory(prefix="gunicorn-bench-")
    port = free_port()
    command = ["taskset", "-c", cpu, *SERVERS[name](module, port, directory.name), *extra]
    environment = {**os.environ, "VIRTUAL_ENV": str(VENV), "PYTHONPATH": str(HERE / "apps"), "HOME": directory.name}
    with open(Path(directory.name) / "output", "wb") as output:
        process = subprocess.Popen(
            command, cwd=HERE / "apps" if name in ("bjoern", "fastwsgi") else directory.name, env=environment,
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )
    running = Running(name, port, process, directory)
    try:
        wait_ready(running)
    except RuntimeError:
        running.stop()
        raise
    return running


def free_port():
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_ready(running):
    """Waits until the server answers a request in whatever way."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and running.process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{running.port}/", timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    output = (Path(running.directory.name) / "output").read_text(errors="replace")
    raise RuntimeError(f"{running.name} does not answer:\n{output[-2000:]}")


def available():
    """The servers that can run here; says what the others lack."""
    missing = {}
    if not OURS.exists():
        missing.update({name: "run `cargo build --release`" for name in SERVERS if name.startswith("gunicorn-rs")})
    for name in ("granian", "bjoern", "fastwsgi", "uvicorn", "hypercorn"):
        if subprocess.run([venv("python"), "-c", f"import {name}"], capture_output=True).returncode:
            missing[name] = "its package could not be installed" + (" (it needs libev-dev)" if name == "bjoern" else "")
    same = {"granian asgi": "granian", **dict.fromkeys(ONLY_WEBSOCKET, "uvicorn")}
    missing.update({name: missing[other] for name, other in same.items() if other in missing})
    if subprocess.run(["sh", "-c", "command -v nginx"], capture_output=True).returncode:
        missing["nginx return 200"] = "nginx is not installed (apt-get install nginx-light)"
    for name, reason in missing.items():
        print(f"left out: {name}: {reason}", file=sys.stderr)
    return [name for name in SERVERS if name not in missing]

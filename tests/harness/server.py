"""A server under test: a real process, its log, its workers and its sockets."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

from . import procs
from .http import Connection
from .wait import eventually

ROOT = Path(__file__).resolve().parents[2]
APPS = ROOT / "tests" / "apps"
GUNICORN = "gunicorn"
OURS = "gunicorn-rs"
MARK = "GUNICORN_TEST_SERVER"
WORKER = os.environ.get("GUNICORN_TEST_WORKER", "sync")
"""The worker kind of the servers of this run, both gunicorn's and ours."""
START_SECONDS = 20.0
STOP_SECONDS = 15.0

LISTENING = re.compile(r"Listening at: (\S+)")
BOOTING = re.compile(r"Booting worker with pid: (\d+)")


def executable(kind):
    """The command that starts a server of `kind`."""
    if kind == GUNICORN:
        return [sys.executable, "-m", "gunicorn"]
    return [os.environ.get("GUNICORN_RS", str(ROOT / "target" / "release" / "gunicorn-rs"))]


class Server:
    """One server process and its temporary directory, which is also its working directory.

    `args` follow the defaults (`--bind 127.0.0.1:0`, unless `bind` is None). Nothing is started before `start()`.
    """

    def __init__(self, kind, *args, app="probe:app", bind="127.0.0.1:0", env=None, apps=True):
        self.kind = kind
        self.directory = Path(tempfile.mkdtemp(prefix="gunicorn-test-"))
        self.mark = uuid.uuid4().hex
        self.command = [*executable(kind), *self._defaults(bind), *map(str, args), *([app] if app else [])]
        self.env = self._environment(env or {}, apps)
        self.inherit = ()
        """Descriptors that the process inherits."""
        self.process = None
        self.code = None

    def _defaults(self, bind):
        # gunicorn's control socket lies in the home directory: parallel servers would fight for it.
        control = ["--no-control-socket"] if self.kind == GUNICORN else []
        worker = [] if WORKER == "sync" else ["--worker-class", WORKER]
        worker += ["--threads", "4"] if WORKER == "gthread" else []
        return [*control, *worker, *(["--bind", bind] if bind else [])]

    def _environment(self, extra, apps):
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("GUNICORN", "WEB_", "PYTEST", "PYTHON"))}
        inherited.update({MARK: self.mark, "VIRTUAL_ENV": sys.prefix, "HOME": str(self.directory)})
        # No byte code of a source that the next line of a test replaces; no order of sets that differs from run to run.
        inherited.update({"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"})
        if apps:
            inherited["PYTHONPATH"] = str(APPS)
        inherited.update(extra)
        return {k: v for k, v in inherited.items() if v is not None}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def ours(self):
        """Whether this is gunicorn-rs."""
        return self.kind == OURS

    def path(self, name):
        """The path of `name` in the server's directory."""
        return self.directory / name

    def write(self, name, text):
        """Writes a file into the server's directory and returns its path."""
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        # A new file put in place of the old one: a reload never reads half a file, nor trusts an equal time stamp.
        fresh = self.path(name + ".new")
        fresh.write_text(text)
        fresh.replace(self.path(name))
        return self.path(name)

    # Life of the process

    def launch(self):
        """Starts the process and waits for nothing."""
        with open(self.path("stdout"), "ab") as out, open(self.path("stderr"), "ab") as err:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.directory,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                pass_fds=self.inherit,
            )
        return self

    def start(self, workers=None):
        """Starts the process; waits until it listens and, if given, until `workers` have loaded the application."""
        self.launch()
        eventually(lambda: self.address() or self.exited(), START_SECONDS, "the server listens")
        assert not self.exited(), f"the server exited with {self.code}:\n{self.log()}"
        if workers:
            self.wait_workers(workers)
        return self

    def run(self, timeout=START_SECONDS):
        """Starts the process, expects it to end by itself, and returns its exit code."""
        self.launch()
        return self.wait_exit(timeout)

    def exited(self):
        """Whether the process has ended; its code is then in `code` (negative: the signal)."""
        self.code = self.process.poll()
        return self.code is not None

    def wait_exit(self, timeout=STOP_SECONDS):
        """Waits for the end of the process and returns its exit code."""
        try:
            self.code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"no exit within {timeout} s:\n{self.log()}") from None
        return self.code

    def stop(self, sig=signal.SIGTERM):
        """Ends the server by `sig` and returns its exit code."""
        if not self.exited():
            self.signal(sig)
        return self.wait_exit()

    def close(self):
        """Ends everything; fails if a process of this server outlives its master."""
        try:
            if self.process:
                self._end()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _end(self):
        try:
            if not self.exited():
                self.stop()
            eventually(lambda: not self.processes(), 5.0, lambda: f"no process is left:\n{self.log()}")
        finally:
            for pid in self.processes():
                os.kill(pid, signal.SIGKILL)
            self.process.wait()

    # Processes

    @property
    def pid(self):
        """Pid of the master."""
        return self.process.pid

    def signal(self, sig):
        """Sends `sig` to the master."""
        os.kill(self.pid, sig)

    def processes(self):
        """Pids of all living processes of this server, whoever their parent is now."""
        return procs.carrying(MARK, self.mark)

    def workers(self):
        """Pids of the living workers, oldest first. (A zygote is a child too, but never logs that it boots.)"""
        booted = sorted({int(pid) for pid in BOOTING.findall(self.log())})
        return [pid for pid in booted if procs.alive(pid) and self._child(pid)]

    def _child(self, pid):
        fields = procs.stat(pid)
        return fields is not None and fields["ppid"] == self.pid

    def wait_workers(self, count, without=()):
        """Waits for exactly `count` workers, none of them in `without`, that have loaded the application."""

        def settled():
            workers = self.workers()
            loaded = set(re.findall(r"probe loaded in (\d+)", self.log()))
            ready = all(str(pid) in loaded for pid in workers) or "--preload" in self.command
            return workers if len(workers) == count and ready and not set(workers) & set(without) else None

        return eventually(settled, what=lambda: f"{count} workers are ready, none of {without}:\n{self.log()}")

    # Logs

    def log(self, name="stderr"):
        """What the process has written to `stderr`, `stdout` or another file of its directory."""
        try:
            return self.path(name).read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def wait_log(self, pattern, name="stderr", timeout=10.0):
        """Waits until the log matches `pattern` (a regular expression over lines); returns the match."""
        compiled = re.compile(pattern, re.MULTILINE)
        try:
            return eventually(lambda: compiled.search(self.log(name)), timeout, f"{name} matches {pattern!r}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log(name)}") from None

    # Sockets

    def address(self):
        """The first address of the log's `Listening at` line: `(host, port)` or a Unix socket's path, or None."""
        found = LISTENING.search(self.log())
        if not found:
            return None
        first = found[1].split(",")[0]
        if first.startswith("unix:"):
            return first.removeprefix("unix:")
        host, _, port = first.rpartition("/")[2].rpartition(":")
        return host.strip("[]"), int(port)

    def addresses(self):
        """All addresses of the `Listening at` line, as printed."""
        return LISTENING.search(self.log())[1].split(",")

    def connect(self, address=None, **options):
        """A new connection to the server's first address, or to `address`."""
        return Connection(address or self.address(), **options)

    def request(self, method, target, headers=(), body=None, http="1.1", address=None):
        """One request on a connection of its own; reads on to the end if the server says that it closes."""
        with self.connect(address) as connection:
            response = connection.request(method, target, headers, body, http)
            if "close" in (response.get("connection") or "").lower():
                rest = connection.ended()
                response.closed, response.extra = rest is not None, rest or b""
            return response

    def get(self, target, **options):
        """`request` with GET."""
        return self.request("GET", target, **options)

    def exchange(self, data):
        """Sends raw bytes on a connection of its own and reads the response to them."""
        with self.connect() as connection:
            return connection.send(data).response()

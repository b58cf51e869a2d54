"""Worker classes as users write them for gunicorn."""

import copy
import json
import os
import select
import signal
import sys
import time

from gunicorn.workers.base import Worker
from gunicorn.workers.gthread import ThreadWorker
from gunicorn.workers.sync import SyncWorker


MADE = (
    "worker_class_str", "address", "uid", "gid", "proc_name", "logger_class", "is_ssl", "env", "sendfile", "reuse_port",
)
"""What gunicorn's config makes of its settings."""


def shown(value):
    """A value as text that is the same in each process."""
    return value.__qualname__ if callable(value) else repr(value)


class Shouting(SyncWorker):
    """Says what it handles, and more at the path `/facts`."""

    def handle_request(self, listener, req, client, addr):
        self.log.info("probe: a class of its own handles %s", req.path)
        if req.path == "/facts":
            self.wsgi = self.facts
        return super().handle_request(listener, req, client, addr)

    def facts(self, environ, start_response):
        """What the class was given."""
        sock = self.sockets[0]
        facts = {
            "age": self.age, "pid": self.pid, "ppid": self.ppid, "timeout": self.timeout, "booted": self.booted,
            "sockets": [str(each) for each in self.sockets], "kind": type(sock).__name__, "backlog": sock.get_backlog(),
            "blocking": sock.getblocking(), "inheritable": sock.get_inheritable(),
            "app": type(self.app.wsgi()).__name__,
            "cfg": {name: shown(setting.get()) for name, setting in self.cfg.settings.items()},
            "made": [shown(getattr(self.cfg, name)) for name in MADE],
            "fileno": isinstance(self.tmp.fileno(), int), "updated": time.monotonic() - self.tmp.last_update(),
        }
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(facts).encode()]


class Threads(ThreadWorker):
    """Nothing but another name."""


class Silent(Worker):
    """Has no heartbeat, and answers each client with the same words."""

    def run(self):
        while self.alive:
            ready, _, _ = select.select(self.wait_fds, [], [])
            for listener in set(ready) & set(self.sockets):
                try:
                    client, _ = listener.accept()
                except BlockingIOError:
                    continue
                client.setblocking(True)
                client.recv(4096)
                client.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\nsilent")
                client.close()


class Apart(SyncWorker):
    """Has its own order of steps, its own way of taking signals, and looks at itself."""

    def init_process(self):
        self.PIPE = os.pipe()
        for end in self.PIPE:
            os.set_blocking(end, False)
        self.wait_fds = [*self.sockets, self.PIPE[0]]
        self.init_signals()
        self.load_wsgi()
        self.run()

    def init_signals(self):
        super().init_signals()
        signal.signal(signal.SIGTERM, lambda number, frame: self.handle_exit())
        signal.signal(signal.SIGQUIT, lambda number, frame: self.handle_quit(sig=number))

    def handle_exit(self):
        self.alive = False
        self.log.info("probe: leaves")

    def handle_quit(self, sig):
        self.alive = False
        self.log.info("probe: quits at %d", sig)
        sys.exit(0)

    def run(self):
        assert not hasattr(copy.copy(self.tmp), "__no_such_name__")
        super().run()


class Failing(SyncWorker):
    """Cannot boot."""

    def init_process(self):
        raise RuntimeError("no such device")


class Returning(SyncWorker):
    """Is ready, and then has nothing to do."""

    def run(self):
        self.notify()


class Leaving(SyncWorker):
    """Exits with the code of the path that is asked for, or by an exception that nobody expects."""

    def handle_request(self, listener, req, client, addr):
        result = super().handle_request(listener, req, client, addr)
        if req.path.startswith("/exit/"):
            self.code = int(req.path.rpartition("/")[2])
            self.alive = False
        return result

    def run(self):
        self.code = 0
        super().run()
        raise KeyboardInterrupt if self.code == 255 else SystemExit(self.code)


class Stranger:
    """Derives from nothing."""


NOTHING = None

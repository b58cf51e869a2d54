"""Runs a worker class that was written for gunicorn."""

import faulthandler
import importlib
import importlib.metadata
import json
import os
import signal
import socket
import sys
import time
import traceback

APP_LOAD_FAILED = 4
BROKEN = 255

QUICK_SECONDS = 3
"""How long a class may be busy with hearing that it is to end at once."""

# Settings that gunicorn takes as text with commas, and that we have as lists.
WITH_COMMAS = ("forwarded_allow_ips", "proxy_allow_ips", "forwarder_headers", "pythonpath")

# Modules of gunicorn whose workers count requests in `nr`, and end at `max_requests`: we count for them.
COUNTING = tuple("gunicorn.workers." + name for name in ("sync", "gthread", "base_async", "gasgi", "gtornado"))

# Files in which modules are imported.
NOT_THE_USERS = ("gunicorn_rs/_foreign.py", "importlib/__init__.py", "<frozen importlib._bootstrap>",
                 "<frozen importlib._bootstrap_external>")


class Unusable(Exception):
    """Why the class cannot serve, for the operator: of its traceback only that of its cause tells something."""


def explain(error):
    """What the operator is to read."""
    if not isinstance(error, Unusable):
        return "".join(traceback.format_exception(error))
    if error.__cause__ is None:
        return str(error)
    cause = traceback.TracebackException.from_exception(error.__cause__)
    # What has led to the user's module is not what is wrong with it.
    ours = [index for index, frame in enumerate(cause.stack) if frame.filename.endswith(NOT_THE_USERS)]
    del cause.stack[: max(ours, default=-1) + 1]
    return "%s\n%s" % (error, "".join(cause.format()))


def load(name, values, namespace, known, threads):
    """What all workers of the class share.

    `values` is JSON of the settings that differ from their defaults, `known` are the names of all that we have, and
    `namespace` is what the Python config defines.
    """
    require_gunicorn(name)
    worker_class = find(name, namespace, threads)
    cfg = configure(name, worker_class, json.loads(values), namespace, known)
    if hasattr(worker_class, "setup"):
        worker_class.setup()
    log = make_log(cfg)
    if hasattr(worker_class, "check_config"):
        worker_class.check_config(cfg, log)
    return Foreign(worker_class, cfg, log)


def require_gunicorn(name):
    try:
        importlib.import_module("gunicorn.workers.base")
    except ModuleNotFoundError as error:
        if error.name != "gunicorn":
            raise Unusable("worker_class %s: the package gunicorn cannot be imported" % name) from error
        raise Unusable(
            "worker_class %s needs the package gunicorn, which is not installed: %s -m pip install gunicorn"
            % (name, sys.executable)
        ) from None


# Finding the class


def find(name, namespace, threads):
    """The class of this name, as gunicorn finds it; one that is named by an object is that object."""
    if name.startswith("<class '"):
        found = namespace.get("worker_class")
    elif name.startswith("egg:"):
        found = find_entry_point(name)
    else:
        # As in gunicorn, more than one thread makes one kind of the other.
        is_sync = name.endswith("SyncWorker") and threads > 1
        found = find_attribute("gunicorn.workers.gthread.ThreadWorker" if is_sync else name)
    base = sys.modules["gunicorn.workers.base"].Worker
    if not isinstance(found, type):
        raise Unusable("worker_class %s is no class, but %s" % (name, type(found).__name__))
    if not issubclass(found, base):
        raise Unusable("worker_class %s does not derive from gunicorn.workers.base.Worker" % name)
    return found


def find_entry_point(name):
    package, _, entry = name.removeprefix("egg:").partition("#")
    try:
        points = importlib.metadata.distribution(package).entry_points
    except (importlib.metadata.PackageNotFoundError, ValueError):
        raise Unusable("worker_class %s: no package %s is installed" % (name, package or "''")) from None
    group = [point for point in points if point.group == "gunicorn.workers"]
    for point in group:
        if point.name == entry:
            return find_attribute(point.value, name)
    names = ", ".join(point.name for point in group) or "none"
    raise Unusable(
        "worker_class %s: the package %s has no such entry point in the group gunicorn.workers; it has %s"
        % (name, package, names)
    )


def find_attribute(path, name=None):
    """What `package.module.Class` or `package.module:Class` names."""
    name = name or path
    module_name, _, attributes = path.rpartition("." if ":" not in path else ":")
    found = import_module(module_name, name)
    for attribute in attributes.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError:
            raise Unusable("worker_class %s: the module %s has no %s" % (name, module_name, attributes)) from None
    return found


def import_module(module_name, name):
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name + ".").startswith(error.name + "."):
            why = "no module %s is installed, nor is there one in %s" % (error.name, os.getcwd())
        else:
            why = "the module %s cannot be imported: %s" % (module_name, error)
        raise Unusable("worker_class %s: %s" % (name, why)) from None
    except (ImportError, RuntimeError) as error:
        # A module says so that something else must be installed.
        raise Unusable(
            "worker_class %s: the module %s cannot be imported: %s" % (name, module_name, error)
        ) from None
    except Exception as error:
        raise Unusable("worker_class %s: the module %s cannot be imported" % (name, module_name)) from error


# What the workers share


def configure(name, worker_class, values, namespace, known):
    """gunicorn's own `Config`: our settings, and those of the config that only gunicorn has, hooks among them."""
    from gunicorn.config import Config

    cfg = Config(prog="gunicorn")
    for key, value in namespace.items():
        if key in cfg.settings and key not in known:
            assign(cfg, key, value)
    for key, value in values.items():
        if key in cfg.settings and key != "worker_class":
            assign(cfg, key, ",".join(value) if key in WITH_COMMAS and isinstance(value, list) else value)
    # A name is kept where gunicorn would understand it.
    is_name = not name.startswith("<") and (":" not in name or name.startswith("egg:"))
    assign(cfg, "worker_class", name if is_name else worker_class)
    assign(cfg, "default_proc_name", values.get("wsgi_app"))
    try:
        # Older versions of gunicorn have no such check.
        if hasattr(cfg, "validate"):
            cfg.validate()
    except Exception as error:
        raise Unusable("the settings do not fit together: %s" % error) from None
    return cfg


def assign(cfg, name, value):
    try:
        cfg.set(name, value)
    except Exception as error:
        raise Unusable("invalid %s: %r, which gunicorn does not take: %s" % (name, value, error)) from None


def make_log(cfg):
    try:
        return cfg.logger_class(cfg)
    except Exception as error:
        raise Unusable("logger_class %s cannot be used" % cfg.settings["logger_class"].get()) from error


class Foreign:
    """A class, and what its instances share."""

    def __init__(self, worker_class, cfg, log):
        self.worker_class, self.cfg, self.log = worker_class, cfg, log

    def reopen_logs(self):
        """Opens the files of the log anew."""
        self.log.reopen_files()


# A worker


class Application:
    """The application as gunicorn's workers ask for it."""

    def __init__(self, cfg, apps, name, loaded):
        self.cfg, self.apps, self.name, self.callable = cfg, apps, name, loaded

    def load(self):
        return self.apps.load(self.name)

    def wsgi(self):
        if self.callable is None:
            self.callable = self.load()
        return self.callable

    def reload(self):
        """Does nothing: the master reads the settings anew, for other workers."""


class Server:
    """What hooks find in the place of gunicorn's arbiter: what is known of it, since it is another process."""

    def __init__(self, foreign, app, listeners, age):
        self.pid, self.worker_age, self.LISTENERS = os.getppid(), age, listeners
        self.app, self.cfg, self.log = app, foreign.cfg, foreign.log
        self.worker_class, self.num_workers = foreign.worker_class, foreign.cfg.workers
        self.address, self.timeout, self.proc_name = foreign.cfg.address, foreign.cfg.timeout, foreign.cfg.proc_name
        self.WORKERS = {}


class Pulse:
    """A worker's `tmp`: its heartbeat, which the master sees in the scoreboard instead of at a file.

    It is also where a worker is looked at from time to time. The first beat after it has booted says that it serves.
    """

    def __init__(self, worker, member, master):
        self.file, self.worker, self.member, self.master = worker.tmp, worker, member, master
        self.updated = time.monotonic()
        self.is_ready = self.is_quick = False
        self.counted = 0

    def __getattr__(self, name):
        # The file that gunicorn has in this place is still there: `fileno` and `close` are its. A copy that is being
        # made has no file yet.
        if name == "file" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.file, name)

    def notify(self):
        self.updated = time.monotonic()
        self.member.beat()
        if self.worker.booted and not self.is_ready:
            self.be_ready()
        if self.worker.nr > self.counted:
            self.count()

    def last_update(self):
        return self.updated

    def be_ready(self):
        self.is_ready = True
        if any(each.__module__ in COUNTING for each in type(self.worker).__mro__):
            self.worker.max_requests = sys.maxsize
        try:
            self.master.hear_ready()
        except OSError as error:
            self.worker.log.error("The master cannot be told that the worker serves: %s", error)
            self.worker.alive = False
            # Not every loop looks at that.
            signal.raise_signal(signal.SIGTERM)

    def count(self):
        """Counts down `max_requests` for a class that counts its requests in `nr`: so it has a successor first."""
        self.worker.max_requests = sys.maxsize
        new, self.counted = self.worker.nr - self.counted, self.worker.nr
        if self.member.count_requests(new):
            self.worker.alive = False


def work(foreign, member, master, descriptors, age, application):
    """A worker's life, as gunicorn's arbiter has it run.

    Gives the exit code, and whether nobody is to wait for what is left of it.
    """
    cfg, log = foreign.cfg, foreign.log
    share_reopening(log, member)
    app = Application(cfg, *application)
    listeners = [listener(descriptor, cfg, log) for descriptor in descriptors]
    server, worker = Server(foreign, app, listeners, age), None
    try:
        worker = foreign.worker_class(age, os.getppid(), listeners, app, cfg.timeout / 2.0, cfg, log)
        join(worker, member, master)
        cfg.post_fork(server, worker)
        worker.init_process()
        code = 0
    except SystemExit as error:
        code = exit_code(error.code, log)
    except BaseException as error:
        code = fail(error, worker, app, log)
    member.disregard_signals()
    member.finish()
    if worker is None:
        return code, False
    leave(server, worker, cfg, log)
    return code, getattr(worker.tmp, "is_quick", False)


def listener(descriptor, cfg, log):
    """An object like those that gunicorn has; it owns the descriptor."""
    from gunicorn import sock

    with socket.socket(fileno=os.dup(descriptor)) as probe:
        family, address = probe.family, probe.getsockname()
    kinds = {socket.AF_INET: sock.TCPSocket, socket.AF_INET6: sock.TCP6Socket}
    return kinds.get(family, sock.UnixSocket)(address, cfg, log, fd=descriptor)


def share_reopening(log, member):
    """Whoever has the class's log reopened means ours too."""
    reopen_files = log.reopen_files

    def reopen_both():
        member.reopen_logs()
        reopen_files()

    log.reopen_files = reopen_both


def join(worker, member, master):
    """Makes a worker one of ours, by what it calls itself."""
    worker.pid = os.getpid()
    worker.tmp = pulse = Pulse(worker, member, master)
    load_wsgi, run, init_signals, handle_exit = worker.load_wsgi, worker.run, worker.init_signals, worker.handle_exit

    def load_as_member():
        # Here gunicorn's workers have just changed their user.
        master.follow()
        return load_wsgi()

    def run_as_member():
        dump_stacks_before_class(member.error_descriptor)
        # So has gunicorn's `init_process`, if it is the one that is used.
        worker.booted = True
        if not worker.cfg.timeout and not pulse.is_ready:
            # It need not have a heartbeat.
            pulse.be_ready()
        return run()

    def exit_in_earnest(*args, **kwargs):
        handle_exit(*args, **kwargs)
        if (args[0] if args else kwargs.get("sig")) == signal.SIGQUIT:
            pulse.is_quick = True
            # So does uvicorn, whose loop does not look at `alive`. It hears INT, and at the second one waits for nobody.
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    def take_signals():
        init_signals()
        for number in (signal.SIGQUIT, signal.SIGINT):
            handler = signal.getsignal(number)
            if callable(handler):
                signal.signal(number, quickly(handler))

    def quickly(handler):
        """The handler of a signal after which nobody is waited for."""

        def handle(*args, **kwargs):
            pulse.is_quick = True
            # In gunicorn's class with threads this waits for ever if it interrupts the handing over of a request, for a
            # lock that is held below it.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(QUICK_SECONDS)
            try:
                return handler(*args, **kwargs)
            finally:
                signal.alarm(0)

        return handle

    worker.load_wsgi, worker.run, worker.init_signals = load_as_member, run_as_member, take_signals
    worker.handle_exit, worker.handle_quit = exit_in_earnest, quickly(worker.handle_quit)


def dump_stacks_before_class(descriptor):
    """Has ABRT write down all stacks and then be the class's, which has just installed its signals in our place."""
    handler = signal.getsignal(signal.SIGABRT)
    faulthandler.disable()
    if handler is not None:
        signal.signal(signal.SIGABRT, handler)
    faulthandler.enable(descriptor, all_threads=True)


def exit_code(code, log):
    """The exit code that `SystemExit` means."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    log.error("%s", code)
    return 1


def fail(error, worker, app, log):
    """Tells of an exception that has ended the worker; gives the exit code, which says how far it was."""
    from gunicorn.errors import AppImportError

    if worker is not None and worker.booted:
        log.error("Exception in worker process", exc_info=error)
        return BROKEN
    if isinstance(error, AppImportError):
        log.error("%s", error)
        return APP_LOAD_FAILED
    code, text = app.apps.explain(error)
    log.error("%s", text.rstrip())
    return code


def leave(server, worker, cfg, log):
    try:
        worker.tmp.close()
        cfg.worker_exit(server, worker)
    except BaseException:
        log.warning("Exception during worker exit:\n%s", traceback.format_exc())

"""Worker classes of users and of other packages, under both masters."""

import json
import re
import signal

import pytest

from harness import GUNICORN, OURS, Server, documented, eventually

pytestmark = pytest.mark.sync_only("these name the class themselves")

SHOUTING = ("--worker-class", "foreign_workers.Shouting")


GIVEN = """
import os
bind = ["127.0.0.1:0", "unix:%s/listener" % os.getcwd()]
backlog, threads, timeout, graceful_timeout, keepalive, max_requests = 7, 1, 9, 8, 4, 100
max_requests_jitter, limit_request_line, limit_request_fields, limit_request_field_size = 3, 2000, 20, 3000
forwarded_allow_ips, proxy_allow_ips, forwarder_headers = "10.0.0.1,10.1.0.0/16", "*", "X_A,X_B"
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
proxy_protocol, header_map, root_path, sendfile, umask = "v1", "refuse", "/x", False, 0o27
raw_env, pythonpath, proc_name, pidfile = ["ROUND=one", "SQUARE=2"], "/tmp,/", "probe", "pid"
accesslog, errorlog, loglevel, access_log_format, capture_output = "access.log", "-", "debug", "%(h)s", True
permit_obsolete_folding, strip_header_spaces, casefold_http_method = True, True, True
permit_unconventional_http_method, permit_unconventional_http_version = True, True
user, group, worker_connections, worker_tmp_dir, certfile = os.getuid(), os.getgid(), 70, "/dev/shm", None
statsd_prefix, syslog_facility, http_protocols, cert_reqs, ciphers = "a", "local1", "h1", 1, "x"
def pre_request(worker, req): pass
def when_ready(server): pass
"""
"""A config that sets most settings to something else than their defaults."""


def facts(server):
    """What the class was given, but for what differs from run to run."""
    seen = json.loads(server.get("/facts").body)
    for name in ("pid", "ppid", "sockets", "backlog", "updated"):
        del seen[name]
    # gunicorn does not say there what its arguments name.
    for name in ("config", "control_socket_disable", "chdir", "wsgi_app"):
        del seen["cfg"][name]
    # We make paths absolute, and each server has its directory.
    return json.loads(json.dumps(seen).replace(f"{server.directory}/", ""))


@pytest.mark.parametrize("config", ["", GIVEN], ids=["defaults", "given"])
def test_what_a_class_is_given(config):
    """The same from either master, with all that gunicorn's config knows."""
    with Server(GUNICORN, *SHOUTING) as theirs, Server(OURS, *SHOUTING) as ours:
        seen = []
        for server in (theirs, ours):
            server.write("gunicorn.conf.py", config)
            seen.append(facts(server.start(workers=1)))
    assert seen[1] == seen[0]


@pytest.mark.parametrize("name", ["uvicorn.workers.UvicornWorker", "uvicorn_worker.UvicornWorker"])
def test_classes_of_uvicorn(serve, name):
    server = serve("--worker-class", name, app="asgi_probe:app").start(workers=1)
    is_uvicorn = server.get("/").get("server") == "uvicorn"
    assert is_uvicorn == documented(server.kind, "uvicorn-classes", gunicorn=True, ours=False)


def test_server_of_hooks(serve):
    server = serve(*SHOUTING)
    server.write("gunicorn.conf.py", (
        "def post_fork(server, worker):\n"
        "    server.log.info('probe: %s, and all is there: %s', type(server).__name__, bool(\n"
        "        server.pid and server.cfg and server.app and server.address and server.LISTENERS))\n"
    ))
    server.start(workers=1)
    name = documented(server.kind, "hook-server", gunicorn="Arbiter", ours="Server")
    server.wait_log(f"probe: {name}, and all is there: True")


def test_age(serve):
    server = serve(*SHOUTING).start(workers=1)
    assert facts(server)["age"] == 1
    before = server.workers()
    server.signal(signal.SIGHUP)
    server.wait_workers(1, without=before)
    age = documented(server.kind, "worker-age", gunicorn=2, ours=1)
    # gunicorn's old worker may still be the one that answers.
    eventually(lambda: facts(server)["age"] == age)


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGQUIT])
def test_quick_end_of_uvicorn(serve, sig):
    # The class itself, which is what is compared.
    server = serve("--graceful-timeout", 3, app="asgi_probe:app")
    server.write("gunicorn.conf.py", "from uvicorn_worker import UvicornWorker as worker_class\n")
    server.start(workers=1)
    server.wait_log("Application startup complete")
    assert server.get("/").get("server") == "uvicorn"
    [worker] = server.workers()
    assert server.stop(sig) == 0
    is_killed = re.search("Finished server process", server.log()) is None
    assert is_killed == documented(server.kind, "quit-of-uvicorn", gunicorn=True, ours=False)


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_exit_hooks(serve, sig):
    server = serve(*SHOUTING)
    server.write("gunicorn.conf.py", (
        "def worker_int(worker):\n    worker.log.info('probe: worker_int')\n"
        "def worker_exit(server, worker):\n    worker.log.info('probe: worker_exit')\n"
    ))
    server.start(workers=1)
    assert server.get("/").status == 200
    assert server.stop(sig) == 0
    expected = ["worker_exit"] if sig == signal.SIGTERM else ["worker_int", "worker_exit"]
    assert re.findall("probe: (worker_.*)", server.log()) == expected

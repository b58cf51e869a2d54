"""Worker classes that were written for gunicorn, under our master: those of users, of gunicorn, uvicorn and aiohttp."""

import json
import os
import re
import signal

import pytest
from websockets.sync.client import connect as dial

from harness import eventually, procs, render

pytestmark = pytest.mark.sync_only("these name the class themselves")

SHOUTING = ("-k", "foreign_workers.Shouting")
AIOHTTP = ("-k", "aiohttp.GunicornWebWorker")
UVICORN = ("-k", "uvicorn_worker.UvicornWorker", "--foreign-worker")
KINDS = {
    "sync": (SHOUTING, "probe:app"), "gthread": (("-k", "foreign_workers.Threads"), "probe:app"),
    "uvicorn": (UVICORN, "asgi_probe:app"), "aiohttp": (AIOHTTP, "aiohttp_probe:app"),
}
"""Classes that do everything in their own way, each with an application."""
BOOT_FAILED, APP_LOAD_FAILED = 3, 4


@pytest.fixture(params=KINDS)
def each(request, serve):
    """`each("--workers", 2)` is a server of each class in turn, not started yet."""
    kind, app = KINDS[request.param]

    def make(*args, **options):
        return serve(*kind, *args, **{"app": app, **options})

    make.name = request.param
    return make


def waiting(server, gate):
    """A connection whose request is inside the application, which waits for `gate` to exist."""
    connection = server.connect()
    connection.send(render("GET", f"/wait?gate={gate}"))
    server.wait_log("probe:? waits")
    return connection


def facts(server):
    """What the class was given."""
    return json.loads(server.get("/facts").body)


def booted(server):
    """How many workers have booted."""
    return len(re.findall("Booting worker with pid", server.log()))


def with_config(server, text):
    """The server with this config file."""
    server.write("gunicorn.conf.py", text)
    return server


# Names


@pytest.mark.parametrize("name", ["foreign_workers.Shouting", "foreign_workers:Shouting"])
def test_class_of_a_user(serve, name):
    server = serve("-k", name).start(workers=1)
    assert server.get("/").body == b"Hello, World!\n"
    server.wait_log("probe: a class of its own handles /$")
    assert f"Using worker: {name}" in server.log()


def test_class_object_of_the_config(serve):
    server = with_config(serve(), "from foreign_workers import Shouting\nworker_class = Shouting\n").start(workers=1)
    assert server.get("/").body == b"Hello, World!\n"
    server.wait_log("probe: a class of its own handles /$")


def test_class_that_the_config_defines(serve):
    server = with_config(serve(), (
        "from gunicorn.workers.sync import SyncWorker\n"
        "class Mine(SyncWorker):\n"
        "    def handle_request(self, *args):\n"
        "        self.log.info('probe: mine')\n"
        "        return super().handle_request(*args)\n"
        "worker_class = Mine\n"
    )).start(workers=1)
    assert server.get("/").status == 200
    server.wait_log("probe: mine")
    server.wait_log("Using worker: <class '__config__.Mine'>")


def test_command_line_overrides_the_class_object(serve):
    server = with_config(serve("-k", "sync"), "from foreign_workers import Shouting\nworker_class = Shouting\n")
    assert server.start(workers=1).get("/").get("server") == "gunicorn-rs"


def test_entry_point(serve):
    server = serve("-k", "egg:shouting#loud")
    server.write("shouting-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: shouting\nVersion: 1.0\n")
    server.write("shouting-1.0.dist-info/entry_points.txt", "[gunicorn.workers]\nloud = foreign_workers:Shouting\n")
    server.start(workers=1)
    assert server.get("/").status == 200
    server.wait_log("probe: a class of its own handles /$")


@pytest.mark.parametrize("name, app", [
    ("gunicorn.workers.sync.SyncWorker", "probe:app"), ("gunicorn.workers.gthread.ThreadWorker", "probe:app"),
    ("gunicorn.workers.gasgi.ASGIWorker", "asgi_probe:app"), ("gunicorn.workers.gtornado.TornadoWorker", "probe:app"),
])
def test_classes_of_gunicorn(serve, name, app):
    server = serve("-k", name, app=app).start(workers=1)
    response = server.get("/")
    assert (response.status, response.body) == (200, b"Hello, World!\n")
    assert response.get("server") != "gunicorn-rs"
    assert server.stop() == 0
    assert "Traceback" not in server.log()


def test_short_names_stay_ours(serve):
    server = serve("-k", "egg:gunicorn#sync").start(workers=1)
    assert server.get("/").get("server") == "gunicorn-rs"


def test_more_than_one_thread_makes_gthread_of_sync(serve):
    server = serve("-k", "gunicorn.workers.sync.SyncWorker", "--threads", 2).start(workers=1)
    with waiting(server, server.path("gate")) as busy:
        assert server.get("/").status == 200
        server.path("gate").touch()
        assert busy.response().status == 200


@pytest.mark.parametrize("name", ["uvicorn.workers.UvicornWorker", "uvicorn_worker.UvicornWorker"])
def test_class_of_uvicorn_runs_itself_when_the_user_insists(serve, name):
    module, _, attribute = name.rpartition(".")
    flag = serve("-k", name, "--foreign-worker", app="asgi_probe:app")
    setting = with_config(serve(app="asgi_probe:app"), f"worker_class = {name!r}\nforeign_worker = True\n")
    object_ = with_config(serve(app="asgi_probe:app"), f"from {module} import {attribute} as worker_class\n")
    for server in (flag, setting, object_):
        assert server.start(workers=1).get("/").get("server") == "uvicorn"
        server.stop()
    named = serve("-k", name, app="asgi_probe:app").start(workers=1)
    assert named.get("/").get("server") != "uvicorn"


@pytest.mark.parametrize("name", ["GunicornWebWorker", "GunicornUVLoopWebWorker"])
@pytest.mark.parametrize("app", ["app", "factory"])
def test_classes_of_aiohttp(serve, name, app):
    server = serve("-k", f"aiohttp.{name}", app=f"aiohttp_probe:{app}").start(workers=1)
    for _ in range(3):
        assert server.get("/").body == b"Hello, World!\n"
    assert server.stop() == 0
    assert "Traceback" not in server.log()


def test_class_of_gevent_websocket(serve):
    worker = "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"
    server = serve("-k", worker, app="gevent_websocket_app:app").start(workers=1)
    host, port = server.address()
    with dial(f"ws://{host}:{port}/", open_timeout=15, close_timeout=15) as one, \
            dial(f"ws://{host}:{port}/", open_timeout=15, close_timeout=15) as other:
        for client in (one, other, one):
            client.send("hello")
            assert client.recv(timeout=15) == "hello"


def test_access_log_format_of_aiohttp(serve):
    """It is none of gunicorn's."""
    args = ("--access-logfile", "access.log", "--access-logformat", "%a said %r")
    server = serve(*AIOHTTP, *args, app="aiohttp_probe:app").start(workers=1)
    server.get("/")
    server.wait_log("^127.0.0.1 said GET / HTTP/1.1$", name="access.log")


@pytest.mark.parametrize("name, told", [
    ("no_such_module.Worker", "no module no_such_module is installed"),
    ("foreign_workers.NoSuchWorker", "the module foreign_workers has no NoSuchWorker"),
    ("foreign_workers.Stranger", "does not derive from gunicorn.workers.base.Worker"),
    ("foreign_workers.NOTHING", "is no class, but NoneType"),
    ("egg:no-such-package#worker", "no package no-such-package is installed"),
    ("egg:gunicorn#no-such-entry", "the package gunicorn has no such entry point"),
    ("needs_more.Worker", "the module needs_more cannot be imported: No module named 'no_such_dependency'"),
])
def test_class_that_there_is_not(serve, name, told):
    server = serve("-k", name)
    server.write("needs_more.py", "import no_such_dependency\n")
    assert server.run() == 1
    assert re.search(rf"^Error: worker_class {re.escape(name)}:? {'.*' + re.escape(told)}", server.log(), re.MULTILINE)
    assert "Traceback" not in server.log() and "Booting worker" not in server.log()


def test_class_whose_module_fails(serve):
    server = serve("-k", "broken_worker.Worker")
    server.write("broken_worker.py", "def compute():\n    return 1 / 0\ncompute()\n")
    assert server.run() == 1
    log = server.log()
    assert log.count("Traceback") == 1 and "ZeroDivisionError" in log and "broken_worker.py" in log
    assert "gunicorn_rs/" not in log and "importlib" not in log


@pytest.mark.parametrize("name", ["no-such-kind", ".Worker", "a..b"])
def test_name_that_is_none(serve, name):
    server = serve("-k", name)
    assert server.run() == 1
    assert "sync, gthread, asgi, gevent, eventlet, tornado" in server.log()


def without(server, package):
    """The server in an environment that does not have the package."""
    server.write(f"{package}.py", f"raise ModuleNotFoundError('No module named {package}', name={package!r})\n")
    return server


@pytest.mark.parametrize("kind", KINDS)
def test_gunicorn_that_is_missing(serve, kind):
    server = without(serve(*KINDS[kind][0], app=KINDS[kind][1]), "gunicorn")
    assert server.run() == 1
    told = re.findall("^Error: .*which is not installed: .*python.* -m pip install gunicorn$", server.log(), re.M)
    assert len(told) == 1, server.log()
    assert "Traceback" not in server.log() and "Booting worker" not in server.log()


def test_our_kinds_need_no_gunicorn(serve):
    server = without(serve(), "gunicorn").start(workers=1)
    assert server.get("/").status == 200


def test_check_config(serve):
    assert serve("--check-config", *SHOUTING).run() == 0
    server = serve("--check-config", "-k", "no_such_module.Worker")
    assert server.run() == 1
    assert "no module no_such_module is installed" in server.log()


# What a class is given


def test_what_a_class_is_given(serve):
    args = ("--workers", 2, "--timeout", 7, "--name", "probe-name", "--forwarded-allow-ips", "10.0.0.1,::1")
    server = serve(*SHOUTING, *args, "--env", "ROUND=one").start(workers=2)
    host, port = server.address()
    seen = facts(server)
    assert seen["pid"] in server.workers()
    assert seen["ppid"] == server.pid
    assert seen["age"] in (1, 2) and seen["timeout"] == 3.5 and seen["booted"] is True
    assert seen["sockets"] == [f"http://{host}:{port}"] and seen["kind"] == "TCPSocket"
    # gunicorn's `init_process` has closed it to programs, as it does with its own.
    assert seen["blocking"] is False and seen["inheritable"] is False and seen["backlog"] >= 0
    # All of it is compared with gunicorn's in tests/compat.
    assert seen["cfg"]["workers"] == "2" and seen["cfg"]["forwarded_allow_ips"] == "['10.0.0.1', '::1']"
    assert seen["made"][0] == repr(SHOUTING[1]) and seen["app"] == "function"
    assert seen["fileno"] is True and 0 <= seen["updated"] < 7


def test_unix_socket(serve):
    server = serve(*SHOUTING, bind="unix:listener").start(workers=1)
    seen = facts(server)
    assert seen["sockets"] == [f"unix:{server.path('listener')}"] and seen["kind"] == "UnixSocket"


def test_process_of_the_application(serve):
    server = serve(*SHOUTING, "--env", "ROUND=one").start(workers=1)
    process = json.loads(server.get("/process").body)
    assert process["pid"] in server.workers() and process["ppid"] == server.pid
    assert process["env"]["ROUND"] == "one" and process["env"]["SERVER_SOFTWARE"].startswith("gunicorn-rs/")
    assert procs.title(process["pid"]).startswith("gunicorn: worker [")


@pytest.mark.skipif(os.getuid() != 0, reason="only root may change its user")
def test_supplementary_groups_of_root_are_given_up(serve):
    server = serve(*SHOUTING, "--user", "54321", app="small:app")
    server.write("small.py", (
        "import os, loaded\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [repr(os.getgroups()).encode()]\n"
        "loaded.announce()\n"
    ))
    server.directory.chmod(0o755)
    assert server.start(workers=1).get("/").body == b"[0]"


@pytest.mark.skipif(os.getuid() != 0, reason="only root may change its user")
def test_privileges_are_dropped_by_the_class(serve):
    server = serve(*SHOUTING, "--user", "nobody", "--group", "nogroup", "--graceful-timeout", 1, app="small:app")
    server.write("small.py", (
        "import os, loaded\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Length', '5')])\n"
        "    return [b'%05d' % os.getuid()]\n"
        "loaded.announce()\n"
    ))
    server.directory.chmod(0o755)
    server.start(workers=1)
    assert int(server.get("/").body) == 65534
    server.signal(signal.SIGKILL)
    server.wait_exit()
    eventually(lambda: not server.processes(), what="nobody outlives the master")


@pytest.mark.skipif(os.getuid() != 0, reason="only root may change its user")
@pytest.mark.parametrize("args, step", [
    (("--user", "nobody"), "time.sleep(3600)"),
    ((), "os.setuid(65534)\nwhile os.getppid() == MASTER:\n    time.sleep(0.01)"),
])
def test_master_killed_while_a_worker_of_another_user_boots(serve, args, step):
    """The kernel forgets to tell of the master's end when the user changes."""
    server = serve(*UVICORN, *args, "--graceful-timeout", 1, "--workers", 1, app="slow:app")
    server.write("slow.py", (
        "import os, time\n"
        "async def app(scope, receive, send):\n    pass\n"
        "MASTER = os.getppid()\n"
        f"os.write(2, b'probe: boots\\n')\n{step}\n"
    ))
    server.directory.chmod(0o755)
    server.launch().wait_log("probe: boots")
    server.signal(signal.SIGKILL)
    server.wait_exit()
    eventually(lambda: not server.processes(), what="nobody outlives the master")


def test_preload(serve):
    server = serve(*SHOUTING, "--workers", 2, "--preload").start(workers=2)
    process = json.loads(server.get("/process").body)
    assert process["imported_in"] != process["pid"]


def test_hooks(serve):
    server = with_config(serve(*SHOUTING, "--workers", 1), (
        "def note(log, text):\n    log.info('probe: hook %s', text)\n"
        "def post_fork(server, worker):\n    note(server.log, f'post_fork {worker.pid} of {server.pid}')\n"
        "def post_worker_init(worker):\n    note(worker.log, f'post_worker_init {worker.booted}')\n"
        "def pre_request(worker, req):\n    note(worker.log, f'pre_request {req.path}')\n"
        "def post_request(worker, req, environ, resp):\n    note(worker.log, f'post_request {resp.status}')\n"
        "def worker_int(worker):\n    note(worker.log, 'worker_int')\n"
        "def worker_exit(server, worker):\n    note(worker.log, 'worker_exit')\n"
        "def child_exit(server, worker):\n    note(worker.log, 'never')\n"
    )).start(workers=1)
    [worker] = server.workers()
    assert server.get("/").status == 200
    assert server.stop(signal.SIGQUIT) == 0
    assert re.findall("probe: hook (.*)", server.log()) == [
        f"post_fork {worker} of {server.pid}", "post_worker_init False", "pre_request /", "post_request 200 OK",
        "worker_int", "worker_exit",
    ]
    assert re.findall("gunicorn's setting (.*) is not supported", server.log()) == ["child_exit"]


def test_hook_that_gunicorn_does_not_take(serve):
    server = with_config(serve(*SHOUTING), "def post_fork(worker):\n    pass\n")
    assert server.run() == 1
    assert re.search("^Error: invalid post_fork: .*arity of: 2$", server.log(), re.MULTILINE)
    assert "Traceback" not in server.log()


def test_logger_class(serve):
    server = with_config(serve(*SHOUTING), (
        "from gunicorn.glogging import Logger\n"
        "class Marking(Logger):\n"
        "    def info(self, msg, *args, **kwargs):\n"
        "        super().info('marked: ' + msg, *args, **kwargs)\n"
        "logger_class = Marking\n"
    )).start(workers=1)
    server.get("/")
    server.wait_log(r"\[INFO\] marked: probe: a class of its own handles /$")


def test_reload_of_the_class(serve, own_app):
    """A setting that we do not have, but the class acts on."""
    server = with_config(serve("-k", "gunicorn.workers.sync.SyncWorker", app="own:app"), "reload = True\n")
    server.write("own.py", own_app("old"))
    server.start(workers=1)
    assert server.get("/").body == b"old"
    before = server.workers()
    server.write("own.py", own_app("new"))
    server.wait_workers(1, without=before)
    assert server.get("/").body == b"new"


# Its life


def test_hung_worker_is_replaced(each):
    server = each("--timeout", 2).start(workers=1)
    [hung] = server.workers()
    path = "/wait?gate=/nowhere/never" if each.name == "sync" else "/hang"
    if each.name == "gthread":
        os.kill(hung, signal.SIGSTOP)
    else:
        connection = server.connect().send(render("GET", path))
    server.wait_log(rf"\[CRITICAL\] WORKER TIMEOUT \(pid:{hung}\)", timeout=20)
    server.wait_workers(1, without=[hung])
    assert server.get("/").status == 200
    if each.name != "gthread":
        connection.close()
        server.wait_log(r'File ".*_?probe\.py", line \d+ in (wait|hang)')


def test_worker_abort(serve):
    config = "def worker_abort(worker):\n    worker.log.info('probe: hook worker_abort')\n"
    server = with_config(serve(*SHOUTING, "--timeout", 1), config).start(workers=1)
    with server.connect() as connection:
        connection.send(render("GET", "/wait?gate=/nowhere/never"))
        server.wait_log("probe: hook worker_abort", timeout=20)


def test_idle_worker_is_not_taken_for_hung(each):
    server = each("--timeout", 1).start(workers=1)
    before = server.workers()
    assert server.get("/").status == 200
    with pytest.raises(AssertionError):
        server.wait_log("WORKER TIMEOUT", timeout=3)
    assert server.workers() == before


def test_class_without_a_heartbeat(serve):
    server = serve("-k", "foreign_workers.Silent", "--timeout", 0, "--workers", 1).start(workers=1)
    assert server.get("/").body == b"silent"
    before = server.workers()
    server.signal(signal.SIGHUP)
    server.wait_log("Reloaded: generation 2 serves")
    assert server.get("/").body == b"silent" and not set(before) & set(server.workers())


@pytest.mark.parametrize("name, most", [("sync", 30), ("sync", 1), ("gthread", 30)])
def test_recycling_has_a_successor_first(serve, hammer, name, most):
    kind, app = KINDS[name]
    server = serve(*kind, "--workers", 1, "--max-requests", most, app=app).start(workers=1)
    with hammer(server) as client:
        eventually(lambda: booted(server) >= 4, timeout=60)
    assert client.failures == []
    assert "Autorestarting worker after current request." in server.log()
    assert not re.search(r"\[(ERROR|WARNING|CRITICAL)\]", server.log()), server.log()
    assert not re.search(r"Worker \(pid:\d+\) has ended", server.log()), "each was told to leave"


@pytest.mark.parametrize("name", ["uvicorn", "aiohttp"])
def test_class_that_counts_in_its_own_way_is_replaced(serve, name):
    kind, app = KINDS[name]
    server = serve(*kind, "--workers", 1, "--max-requests", 5, app=app).start(workers=1)
    before = server.workers()
    address = server.address()

    def asked():
        try:
            server.get("/", address=address)
        except OSError:
            pass
        return booted(server) >= 2

    eventually(asked, timeout=30)
    server.wait_workers(1, without=before)
    server.wait_log(rf"\[INFO\] Worker \(pid:{before[0]}\) has ended")
    assert not re.search(r"\[(ERROR|WARNING|CRITICAL)\]", server.log()), server.log()


def test_exit_codes(serve):
    server = serve("-k", "foreign_workers.Leaving", "--workers", 1).start(workers=1)
    for code in (0, 7, 255):
        [before] = server.workers()
        assert server.get(f"/exit/{code}").status == 200
        server.wait_workers(1, without=[before])
        told = rf"\[ERROR\] .* exited with code {code}" if code else r"\[WARNING\] .* has ended without being told to"
        server.wait_log(told.replace(".*", rf"Worker \(pid:{before}\)"))
    assert server.log().count("Traceback") == 1
    server.wait_log("(?s)Exception in worker process.*^KeyboardInterrupt$")


def test_class_that_does_everything_in_its_own_way(serve):
    server = serve("-k", "foreign_workers.Apart", "--workers", 1).start(workers=1)
    before = server.workers()
    server.signal(signal.SIGHUP)
    server.wait_log("Reloaded: generation 2 serves")
    server.wait_log("probe: leaves")
    assert server.get("/").status == 200 and not set(before) & set(server.workers())
    assert server.stop(signal.SIGQUIT) == 0
    assert f"probe: quits at {int(signal.SIGQUIT)}" in server.log() and "Traceback" not in server.log()


@pytest.mark.parametrize("raised", ["SystemExit(7)", "KeyboardInterrupt"])
def test_hook_that_fails_does_not_change_the_end(serve, raised):
    config = f"def worker_exit(server, worker):\n    raise {raised}\n"
    server = with_config(serve(*SHOUTING), config).start(workers=1)
    [worker] = server.workers()
    os.kill(worker, signal.SIGTERM)
    server.wait_workers(1, without=[worker])
    server.wait_log(rf"\[WARNING\] Worker \(pid:{worker}\) has ended")
    server.wait_log("(?s)Exception during worker exit.*^" + raised.partition("(")[0])


# At TERM uvicorn's has killed itself by then.
@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"uvicorn"}))
def test_rotation_of_the_logs_does_not_hurt_who_ends(serve, kind):
    class_, app = KINDS[kind]
    server = with_config(serve(*class_, app=app), (
        "import os, signal\n"
        "def worker_exit(server, worker):\n"
        "    os.kill(os.getpid(), signal.SIGUSR1)\n"
        "    worker.log.info('probe: hook worker_exit')\n"
    )).start(workers=1)
    assert server.stop() == 0
    assert "probe: hook worker_exit" in server.log() and "Worker exiting" in server.log()


def test_class_that_returns_at_once_has_to_wait(serve):
    server = serve("-k", "foreign_workers.Returning", "--workers", 1).launch()
    server.wait_log("No worker could be started or kept for long: the next try is in 1.0 s")
    assert booted(server) == 3


@pytest.mark.parametrize("args, app, code", [
    (("-k", "foreign_workers.Failing"), "probe:app", BOOT_FAILED), (SHOUTING, "no_such_module:app", BOOT_FAILED),
    (SHOUTING, "probe:no_such_app", APP_LOAD_FAILED),
])
def test_failed_boot(serve, args, app, code):
    server = serve(*args, app=app)
    assert server.run() == code
    assert server.log().count("Traceback") == (code == BOOT_FAILED)


@pytest.mark.parametrize("kind, app, file", [
    (UVICORN, "asgi_probe:app", "fails"), (AIOHTTP, "aiohttp_probe:factory", "fails"),
])
def test_start_up_that_fails_fails_the_boot(serve, kind, app, file):
    """Though it is the class's main loop that finds out."""
    server = serve(*kind, app=app)
    server.write(file, "no database")
    assert server.run() == BOOT_FAILED
    server.wait_log("no database")
    assert "Worker failed to boot" in server.log()


def test_term_finishes_the_request_in_flight(each):
    server = each().start(workers=1)
    gate = server.path("gate")
    with waiting(server, gate) as connection:
        server.signal(signal.SIGTERM)
        server.wait_log("Handling signal: term")
        gate.touch()
        assert connection.response().body == b"waited\n"
    assert server.wait_exit() == 0


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_end(each, sig):
    server = each("--workers", 2).start(workers=2)
    assert server.stop(sig) == 0
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_end_at_any_moment_of_the_start(each, sig):
    for count in range(1, 4):
        server = each("--workers", 2).launch()
        eventually(lambda count=count, server=server: len(server.processes()) >= count)
        server.signal(sig)
        assert server.wait_exit() in (0, -sig)
        eventually(lambda server=server: server.processes() == [])


def test_graceful_timeout_bounds_the_end(each):
    server = each("--graceful-timeout", 1).start(workers=1)
    with waiting(server, server.path("never")):
        assert server.stop() == 0
    assert server.processes() == []


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGQUIT])
def test_quick_end_does_not_wait_for_the_request(each, sig):
    if each.name == "aiohttp":
        pytest.skip("this class finishes its requests at these signals, too")
    server = each("--graceful-timeout", 3600).start(workers=1)
    with waiting(server, server.path("never")):
        assert server.stop(sig) == 0


def test_quick_end_that_hangs(serve):
    """As that of gunicorn's class with threads does when it interrupts the handing over of a request."""
    server = with_config(serve(*SHOUTING, "--graceful-timeout", 3600), (
        "import threading\nlock = threading.Lock()\n"
        "def worker_int(worker):\n    worker.log.info('probe: hangs')\n    lock.acquire()\n    lock.acquire()\n"
    )).start(workers=1)
    assert server.get("/").status == 200
    assert server.stop(signal.SIGQUIT) == 0
    server.wait_log("probe: hangs")


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGQUIT])
def test_quick_end_does_not_wait_for_threads(serve, sig):
    args = ("-k", "gunicorn.workers.gasgi.ASGIWorker", "--graceful-timeout", 3600)
    server = serve(*args, app="asgi_probe:app").start(workers=1)
    with server.connect() as client:
        client.send(render("GET", "/thread"))
        server.wait_log("probe: waits for a thread")
        assert server.stop(sig) == 0
    assert "Worker exiting" in server.log()


def test_master_killed_leaves_nothing_behind(each):
    """Though these classes look at their parent once in half a timeout."""
    server = each("--workers", 2, "--timeout", 3600, "--graceful-timeout", 3600).start(workers=2)
    for _ in range(4):
        assert server.get("/").status == 200
    server.signal(signal.SIGKILL)
    assert server.wait_exit() == -signal.SIGKILL
    eventually(lambda: server.processes() == [], what="workers and zygote have ended")


def test_ttin_and_ttou(each):
    server = each().start(workers=1)
    server.signal(signal.SIGTTIN)
    server.wait_workers(2)
    server.signal(signal.SIGTTOU)
    server.wait_workers(1)
    assert server.get("/").status == 200


def test_hup_loses_no_request(serve, hammer):
    server = serve(*SHOUTING, "--workers", 2).start(workers=2)
    with hammer(server) as client:
        for number in range(2, 5):
            before = server.workers()
            server.signal(signal.SIGHUP)
            server.wait_log(f"Reloaded: generation {number} serves")
            server.wait_workers(2, without=before)
    assert client.failures == []


def test_hup_to_and_from_a_class(serve, hammer):
    server = with_config(serve(), "workers = 1\n").start(workers=1)
    config = server.path("gunicorn.conf.py")
    with hammer(server) as client:
        for number, kind in enumerate(["foreign_workers.Shouting", "sync", "foreign_workers.Threads"], 2):
            config.write_text(f"workers = 1\nworker_class = {kind!r}\n")
            server.signal(signal.SIGHUP)
            server.wait_log(f"Reloaded: generation {number} serves")
    assert client.failures == []


@pytest.mark.parametrize("kind", ["no_such_module.Worker", "foreign_workers.Failing"])
def test_hup_with_a_class_that_cannot_serve(serve, kind):
    server = with_config(serve(), f"worker_class = {SHOUTING[1]!r}\n").start(workers=1)
    before = server.workers()
    server.write("gunicorn.conf.py", f"worker_class = {kind!r}\n")
    server.signal(signal.SIGHUP)
    server.wait_log("no module no_such_module" if kind.startswith("no_") else "no such device")
    assert server.get("/").status == 200
    eventually(lambda: server.workers() == before)


def test_hup_when_gunicorn_is_missing(serve):
    server = with_config(serve(), "workers = 1\n").start(workers=1)
    before = server.workers()
    without(server, "gunicorn")
    server.write("gunicorn.conf.py", "worker_class = 'foreign_workers.Shouting'\n")
    server.signal(signal.SIGHUP)
    server.wait_log(r"\[ERROR\] worker_class .*-m pip install gunicorn$")
    assert server.get("/").status == 200 and server.workers() == before


def test_usr1_reopens_all_logs(serve):
    server = serve(*SHOUTING, "--workers", 1, "--access-logfile", "access.log", "--error-logfile", "error.log").launch()
    address = eventually(lambda: re.search(r"Listening at: http://(\S+):(\d+)", server.log("error.log")))
    address = address[1], int(address[2])
    server.wait_log("probe loaded")
    assert server.get("/one", address=address).status == 200
    server.wait_log("GET /one", name="access.log")
    for name in ("access.log", "error.log"):
        server.path(name).rename(server.path(f"{name}.old"))
    server.signal(signal.SIGUSR1)
    eventually(server.path("access.log").exists)

    def continued():
        server.get("/two", address=address)
        return "GET /two" in server.log("access.log") and "handles /two" in server.log("error.log")

    eventually(continued)
    # What is forked from now on writes to the new files, too.
    server.signal(signal.SIGTTIN)
    server.wait_log("Booting worker with pid", name="error.log")
    eventually(lambda: server.log().count("probe loaded") == 2)
    server.path("error.log.old").unlink()
    assert server.stop() == 0
    assert server.log("error.log").count("Worker exiting") == 2

"""Where settings come from and which of two wins; what single settings do."""

import json
import os
import re
import stat

import pytest

from harness import documented, eventually


def printed(server):
    """The settings as `--print-config` shows them: name -> value text."""
    assert server.run() == 0, server.log()
    return dict(re.findall(r"^(\w+)\s+= (.*?)\s*$", server.log("stdout"), re.MULTILINE))


def shown(server, name):
    """One setting of `--print-config`; ours adds in parentheses where a value came from."""
    return re.sub(r"\s+\(.*\)$", "", printed(server)[name])


LAYERS = [
    ("defaults", {}, None, None, None, "1"),
    ("environment", {"WEB_CONCURRENCY": "2"}, None, None, None, "2"),
    ("file", {"WEB_CONCURRENCY": "2"}, "workers = 3\n", None, None, "3"),
    ("cmd-args", {"WEB_CONCURRENCY": "2"}, "workers = 3\n", "--workers 4", None, "4"),
    ("command-line", {"WEB_CONCURRENCY": "2"}, "workers = 3\n", "--workers 4", 5, "5"),
]


@pytest.mark.parametrize("name, env, config, cmd_args, flag, result", LAYERS, ids=[layer[0] for layer in LAYERS])
def test_later_layers_win(serve, name, env, config, cmd_args, flag, result):
    env = env | ({"GUNICORN_CMD_ARGS": cmd_args} if cmd_args else {})
    server = serve("--print-config", *(["--workers", flag] if flag else []), env=env)
    if config:
        server.write("gunicorn.conf.py", config)
    assert shown(server, "workers") == result


@pytest.mark.parametrize("env, args, name, theirs, ours", [
    ({"PORT": ""}, (), "bind", "['0.0.0.0:']", "['127.0.0.1:8000']"),
    ({"WEB_CONCURRENCY": ""}, (), "workers", None, "1"),
])
def test_empty_variables(serve, env, args, name, theirs, ours):
    server = serve("--print-config", *args, bind=None, env=env)
    expected = documented(server.kind, "empty-variables", gunicorn=theirs, ours=ours)
    if expected is None:
        assert server.run() == 1
    else:
        assert shown(server, name) == expected


def test_overridden_variables_are_not_checked(serve):
    server = serve("--print-config", "--workers", 2, env={"WEB_CONCURRENCY": "many"})
    assert server.run() == documented(server.kind, "overridden-variables", gunicorn=1, ours=0)


def test_addresses_in_one_value(serve):
    server = serve("--print-config", bind="127.0.0.1:1,127.0.0.1:2")
    expected = documented(
        server.kind, "bind-list", gunicorn="['127.0.0.1:1,127.0.0.1:2']", ours="['127.0.0.1:1', '127.0.0.1:2']"
    )
    assert shown(server, "bind") == expected


@pytest.mark.parametrize("difference, args", [
    ("workers-bound", ("--workers", 2049)), ("loglevel-checked", ("--log-level", "loud")),
])
def test_values_that_only_we_refuse(serve, difference, args):
    server = serve("--check-config", *args)
    assert server.run() == documented(server.kind, difference, gunicorn=0, ours=1)
    if server.ours:
        assert f"'{args[1]}' (command line) must be " in server.log()


@pytest.mark.parametrize("name", ["other.package.Worker", "foreign_workers.Stranger"])
def test_worker_class_that_there_is_not(serve, name):
    server = serve("--check-config", "--worker-class", name)
    assert server.run() == documented(server.kind, "worker-class-checked", gunicorn=0, ours=1)
    if server.ours:
        assert f"Error: worker_class {name}" in server.log()


@pytest.mark.parametrize("difference, config", [
    ("worker-connections-zero", "worker_connections = 0"),
    ("websocket-size-zero", "websocket_max_message_size = 0"),
    ("upload-dir-checked", "tmp_upload_dir = '/no/such/directory'"),
    ("header-map-none", "header_map = None"),
    ("network-zone", "forwarded_allow_ips = 'fe80::1%eth0'"),
])
def test_config_values_that_only_we_refuse(serve, difference, config):
    server = serve("--check-config")
    server.write("gunicorn.conf.py", config + "\n")
    assert server.run() == documented(server.kind, difference, gunicorn=0, ours=1)
    if server.ours:
        assert f"invalid {config.split()[0]}: " in server.log()


@pytest.mark.parametrize("config", ["forwarded_allow_ips = ['10.0.0.1']", "forwarder_headers = ['X_A']"])
def test_lists_of_networks_and_names(serve, config):
    server = serve("--check-config")
    server.write("gunicorn.conf.py", config + "\n")
    assert server.run() == documented(server.kind, "network-lists", gunicorn=1, ours=0)


@pytest.mark.parametrize("flag, value", [("--keep", 5), ("--forwarded", "10.0.0.1")])
def test_abbreviations_that_are_not_unique_here(serve, flag, value):
    server = serve("--check-config", flag, value)
    assert server.run() == documented(server.kind, "abbreviations", gunicorn=0, ours=1)


@pytest.mark.parametrize("value", [True, False])
def test_sendfile_of_a_config_file(serve, value):
    server = serve("--print-config", env={"SENDFILE": None})
    server.write("gunicorn.conf.py", f"sendfile = {value}\n")
    assert shown(server, "sendfile") == str(value)


@pytest.mark.parametrize("place", ["flag", "file"])
def test_settings_that_are_not_there_yet(serve, place):
    server = serve("--check-config", *(["--dirty-workers", 2] if place == "flag" else []))
    if place == "file":
        server.write("gunicorn.conf.py", "dirty_workers = 2\n")
    refused = documented(server.kind, "settings-to-come", gunicorn=False, ours=True)
    assert server.run() == (1 if refused and place == "flag" else 0)
    assert ("not supported yet" in server.log()) == refused


def test_two_config_files(serve):
    server = serve("--check-config")
    server.write("gunicorn.conf.py", "")
    server.write("gunicorn.toml", "")
    assert server.run() == documented(server.kind, "two-config-files", gunicorn=0, ours=1)


def test_toml_config(serve):
    server = serve("--print-config")
    server.write("gunicorn.toml", "workers = 3\n")
    assert shown(server, "workers") == documented(server.kind, "toml-config", gunicorn="1", ours="3")


def test_printed_settings_have_their_source(serve):
    server = serve("--print-config", "--workers", 2)
    source = documented(server.kind, "print-config-source", gunicorn="", ours="  (command line)")
    assert printed(server)["workers"] == "2" + source


def test_printing_settings_loads_no_application(serve):
    server = serve("--print-config", app="no_such_module:app")
    assert server.run() == documented(server.kind, "print-config-only", gunicorn=1, ours=0)


def test_refused_settings_are_explained(serve):
    server = serve("--worker", "4")
    server.run()
    assert ("did you mean --workers?" in server.log()) == documented(
        server.kind, "settings-explained", gunicorn=False, ours=True
    )


def test_config_named_by_the_environment(serve):
    server = serve("--print-config", env={"GUNICORN_CMD_ARGS": "--config other.py"})
    server.write("gunicorn.conf.py", "workers = 2\n")
    server.write("other.py", "workers = 7\n")
    assert shown(server, "workers") == "7"


@pytest.mark.parametrize("form", ["own.conf.py", "file:own.conf.py", "python:own_conf"])
def test_forms_of_the_config_option(serve, form):
    server = serve("--print-config", "--config", form)
    server.write("own.conf.py", "workers = 6\n")
    server.write("own_conf.py", "workers = 6\n")
    assert shown(server, "workers") == "6"


def test_unknown_names_of_the_config_file_are_ignored(serve):
    server = serve("--check-config")
    server.write("gunicorn.conf.py", "import os\nmine = 1\ndef helper():\n    pass\nworkers = 2\n")
    assert server.run() == 0


def test_check_config_loads_the_application(serve):
    server = serve("--check-config", app="no_such_module:app")
    assert server.run() == 1
    assert "no_such_module" in server.log()


def test_check_config_starts_nothing(serve):
    server = serve("--check-config")
    assert server.run() == 0
    assert "Listening at" not in server.log()


def test_application_named_by_the_config_file(serve):
    server = serve(app=None)
    server.write("gunicorn.conf.py", "wsgi_app = 'factories:application'\n")
    assert server.start().get("/").body == b"application"


@pytest.mark.parametrize("app, body", [
    ("factories", b"application"), ("factories:make()", b"plain"),
    ("factories:create('x', debug=True)", b"factory x debug=True"),
])
def test_names_of_applications(serve, app, body):
    assert serve(app=app).start().get("/").body == body


def test_application_that_is_an_attribute_of_an_object(serve):
    server = serve("--check-config", app="os:path.join")
    assert server.run() == documented(server.kind, "app-attribute-path", gunicorn=1, ours=0)


def test_several_addresses(serve):
    server = serve("--bind", "127.0.0.1:0", "--bind", "unix:probe.sock").start(workers=1)
    first, second, third = server.addresses()
    assert third.startswith("unix:") and third.endswith("probe.sock")
    for url in (first, second):
        port = int(url.rpartition(":")[2])
        assert server.get("/", address=("127.0.0.1", port)).status == 200
    assert server.get("/", address=str(server.path("probe.sock"))).status == 200


def test_ipv6(serve):
    server = serve(bind="[::1]:0").start(workers=1)
    assert server.addresses()[0].startswith("http://[::1]:")
    assert json.loads(server.get("/environ").body)["REMOTE_ADDR"] == ["str", "::1"]


def test_port_of_the_environment(serve):
    server = serve("--print-config", bind=None, env={"PORT": "4711"})
    assert "0.0.0.0:4711" in shown(server, "bind")


def test_inherited_descriptor(serve):
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        os.set_inheritable(listener.fileno(), True)
        server = serve(bind=f"fd://{listener.fileno()}")
        server.inherit = [listener.fileno()]
        server.start(workers=1)
        assert server.get("/", address=listener.getsockname()).status == 200


def test_unix_socket_goes_away_with_the_server(serve):
    server = serve(bind="unix:probe.sock").start(workers=1)
    assert stat.S_ISSOCK(server.path("probe.sock").stat().st_mode)
    server.stop()
    assert not server.path("probe.sock").exists()


def test_unix_socket_left_behind_is_replaced(serve):
    import socket

    server = serve(bind="unix:probe.sock")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(server.path("probe.sock")))
    server.start(workers=1)
    assert server.get("/", address=str(server.path("probe.sock"))).status == 200


def test_file_in_the_place_of_a_unix_socket_is_kept(serve):
    server = serve(bind="unix:probe.sock")
    server.write("probe.sock", "not a socket")
    assert server.run() == 1
    assert server.log("probe.sock") == "not a socket"


def test_environment_of_the_application(serve):
    server = serve("--env", "ONE=1", "-e", "TWO=a=b").start(workers=1)
    env = json.loads(server.get("/process").body)["env"]
    assert (env["ONE"], env["TWO"]) == ("1", "a=b")
    assert env["SERVER_SOFTWARE"].startswith(f"{server.kind}/")


def test_chdir(serve):
    server = serve("--chdir", "inner", app="inside:app", apps=False)
    server.write("inner/inside.py", "from cwd import app\n")
    server.write("inner/cwd.py", (
        "import os, sys\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [os.getcwd().encode(), b' ', sys.path[0].encode()]\n"
    ))
    inner = str(server.path("inner"))
    assert server.start().get("/").text() == f"{inner} {inner}"


def test_working_directory_is_searched(serve):
    server = serve(app="here:app", apps=False)
    server.write("here.py", "def app(e, s):\n    s('200 OK', [])\n    return [b'here']\n")
    assert server.start().get("/").body == b"here"


def test_pythonpath(serve):
    server = serve("--pythonpath", "first,second", app="two:app", apps=False)
    server.write("first/one.py", "NAME = b'one'\n")
    server.write("second/two.py", "from one import NAME\ndef app(e, s):\n    s('200 OK', [])\n    return [NAME]\n")
    assert server.start().get("/").body == b"one"


def test_pidfile(serve):
    server = serve("--pid", "pid").start(workers=1)
    assert server.log("pid") == f"{server.pid}\n"
    assert stat.S_IMODE(server.path("pid").stat().st_mode) == 0o644


def test_pidfile_of_a_dead_process_is_replaced(serve):
    server = serve("--pid", "pid")
    server.write("pid", "4194300\n")
    server.start(workers=1)
    assert server.log("pid") == f"{server.pid}\n"


def test_preload_imports_once(serve):
    server = serve("--preload", "--workers", 2).start(workers=2)
    facts = [json.loads(server.get("/process").body) for _ in range(4)]
    assert len({fact["imported_in"] for fact in facts}) == 1
    assert all(fact["pid"] != fact["imported_in"] for fact in facts)


def test_each_worker_imports_without_preload(serve):
    server = serve("--workers", 1).start(workers=1)
    fact = json.loads(server.get("/process").body)
    assert fact["pid"] == fact["imported_in"] == server.workers()[0]
    assert fact["ppid"] == server.pid


def test_umask(serve):
    server = serve("--umask", "027").start(workers=1)
    assert server.get("/umask").status == 200


@pytest.mark.skipif(os.getuid() != 0, reason="only root may change its user")
def test_user_and_group(serve):
    # Preloaded, because the interpreter may lie where that user cannot read.
    server = serve("--preload", "--user", "nobody", "--group", "nogroup")
    server.directory.chmod(0o755)
    server.start(workers=1)
    fact = json.loads(server.get("/process").body)
    import grp
    import pwd

    assert (fact["uid"], fact["gid"]) == (pwd.getpwnam("nobody").pw_uid, grp.getgrnam("nogroup").gr_gid)


def test_reuse_port(serve):
    import socket

    server = serve("--reuse-port", "--check-config")
    assert server.run() == 0
    assert hasattr(socket, "SO_REUSEPORT")


def test_master_is_no_interpreter(serve):
    server = serve().start(workers=1)
    master = os.path.basename(os.readlink(f"/proc/{server.pid}/exe"))
    assert ("python" in master) == documented(server.kind, "no-interpreter-in-master", gunicorn=True, ours=False)


def test_workers_end_with_a_closed_listener(serve):
    server = serve().start(workers=1)
    address = server.address()
    server.stop()

    def refused():
        try:
            server.connect(address).close()
        except ConnectionRefusedError:
            return True

    eventually(refused)

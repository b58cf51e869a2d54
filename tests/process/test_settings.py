"""Refused settings: name, value, source, what is allowed, the nearest name; exit code 1 and nothing started."""

import pytest


def refused(server):
    """The text of a refusal; nothing may have been started."""
    assert server.run() == 1
    log = server.log()
    assert "Listening at" not in log and "Booting worker" not in log
    return log


@pytest.mark.parametrize("args, words", [
    (("--workers", "many"), ["workers", "many"]), (("--workers", "-1"), ["workers", "-1"]),
    (("--timeout", "soon"), ["timeout", "soon"]), (("--log-level", "loud"), ["loglevel", "loud", "info"]),
    (("--worker-class", "no-such-kind"), ["worker_class", "no-such-kind", "sync"]),
    (("--bind", "127.0.0.1:99999999"), ["bind", "99999999"]), (("--limit-request-fields", "x"), ["limit_request_fields"]),
    (("--user", "no-such-user"), ["user", "no-such-user"]), (("--backlog", "0x"), ["backlog"]),
])
def test_bad_value_on_the_command_line(serve, args, words):
    log = refused(serve(*args))
    assert all(word in log for word in words), log


@pytest.mark.parametrize("flag, nearest", [("--worker", "--workers"), ("--tiemout", "--timeout"), ("--bnid", "--bind")])
def test_unknown_flag_names_the_nearest(serve, flag, nearest):
    log = refused(serve(flag, "1"))
    assert flag in log and nearest in log


def test_bad_value_of_the_environment(serve):
    log = refused(serve(env={"WEB_CONCURRENCY": "many"}))
    assert "workers" in log and "many" in log and "WEB_CONCURRENCY" in log


def test_bad_value_in_cmd_args(serve):
    log = refused(serve(env={"GUNICORN_CMD_ARGS": "--workers many"}))
    assert "workers" in log and "many" in log and "GUNICORN_CMD_ARGS" in log


def test_bad_value_in_a_python_file(serve):
    server = serve()
    server.write("gunicorn.conf.py", "workers = 'many'\n")
    log = refused(server)
    assert "workers" in log and "many" in log and "gunicorn.conf.py" in log


def test_bad_value_in_a_toml_file(serve):
    server = serve()
    server.write("gunicorn.toml", "workers = 'many'\n")
    log = refused(server)
    assert "workers" in log and "many" in log and "gunicorn.toml" in log


def test_unknown_name_in_a_toml_file(serve):
    server = serve()
    server.write("gunicorn.toml", "worker = 2\n")
    log = refused(server)
    assert "worker" in log and "workers" in log and "gunicorn.toml" in log


def test_toml_with_a_syntax_error(serve):
    server = serve()
    server.write("gunicorn.toml", "workers = = 2\n")
    assert "gunicorn.toml" in refused(server)


def test_toml_is_read(serve):
    server = serve("--config", "own.toml")
    server.write("own.toml", "workers = 2\nraw_env = ['FROM=toml']\n")
    server.start(workers=2)
    assert '"FROM": "toml"' in server.get("/process").text()


def test_near_miss_in_a_python_file_is_a_warning(serve):
    server = serve()
    server.write("gunicorn.conf.py", "wokers = 2\nmine = 3\nimport os\n")
    server.start(workers=1)
    warning = server.wait_log("wokers.*workers")
    assert "mine" not in warning[0]


def test_print_config_tells_the_source(serve):
    server = serve("--print-config", "--timeout", 11, env={"WEB_CONCURRENCY": "3"})
    server.write("gunicorn.conf.py", "graceful_timeout = 12\n")
    assert server.run() == 0
    lines = {line.split()[0]: line for line in server.log("stdout").splitlines() if " = " in line}
    assert "11" in lines["timeout"] and "command line" in lines["timeout"]
    assert "12" in lines["graceful_timeout"] and "gunicorn.conf.py" in lines["graceful_timeout"]
    assert "3" in lines["workers"] and "WEB_CONCURRENCY" in lines["workers"]
    assert "default" in lines["backlog"]

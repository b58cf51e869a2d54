"""Starts that must fail: with which code, and what they say."""

import os
import socket

import pytest

from harness import documented


def test_module_not_found(serve):
    server = serve(app="no_such_module:app")
    assert server.run() == 3
    assert "ModuleNotFoundError: No module named 'no_such_module'" in server.log()
    assert "Shutting down: Master" in server.log()
    assert "Reason: Worker failed to boot." in server.log()


@pytest.mark.parametrize("app, words", [
    ("probe:missing", "Failed to find attribute 'missing' in 'probe'."),
    ("probe:a b", "Failed to parse 'a b' as an attribute name or function call."),
    ("factories:create(undefined)", "Failed to parse arguments as literal values"),
    ("factories:create()", "missing 1 required positional argument"),
    ("factories:text", "Application object must be callable"),
])
def test_application_not_found(serve, app, words):
    server = serve(app=app)
    assert server.run() == 4
    assert words in server.log()
    assert "Reason: App failed to load." in server.log()


def test_application_with_a_syntax_error(serve):
    server = serve(app="broken:app")
    server.write("broken.py", "def app(:\n")
    assert server.run() == 3
    assert "SyntaxError" in server.log()


def test_application_that_exits_at_import(serve):
    server = serve(app="leaving:app")
    server.write("leaving.py", "raise RuntimeError('not today')\n")
    assert server.run() == 3
    assert "RuntimeError: not today" in server.log()


def test_no_application(serve):
    server = serve(app=None)
    assert server.run() == 1
    assert "No application module specified." in server.log()


def test_preloaded_module_not_found(serve):
    server = serve("--preload", app="no_such_module:app")
    assert server.run() == documented(server.kind, "preload-exit-codes", gunicorn=1, ours=3)
    assert "ModuleNotFoundError: No module named 'no_such_module'" in server.log()


@pytest.mark.parametrize("config, words", [
    ("workers = 'many'\n", "workers"), ("def broken(:\n", "SyntaxError"), ("raise RuntimeError('no config')\n", "no config"),
])
def test_bad_config_file(serve, config, words):
    server = serve()
    server.write("gunicorn.conf.py", config)
    assert server.run() == 1
    assert words in server.log()
    assert "Listening at" not in server.log()


def test_missing_config_file(serve):
    server = serve("--config", "nowhere.conf.py")
    assert server.run() == 1
    assert "nowhere.conf.py" in server.log()


@pytest.mark.parametrize("args, words", [
    (("--no-such-flag",), "--no-such-flag"), (("--workers", "many"), "workers"), (("--backlog", "x"), "backlog"),
])
def test_bad_command_line(serve, args, words):
    server = serve(*args)
    assert server.run() == documented(server.kind, "usage-exit-code", gunicorn=2, ours=1)
    assert words in server.log()


def test_port_in_use(serve):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        host, port = taken.getsockname()
        server = serve(bind=f"{host}:{port}")
        assert server.run() == 1
    assert f"Connection in use: ('{host}', {port})" in server.log() or f"{host}:{port}" in server.log()


def test_pidfile_of_a_living_process(serve):
    server = serve("--pid", "pid")
    server.write("pid", f"{os.getpid()}\n")
    assert server.run() == 1
    assert f"already running on pid {os.getpid()}" in server.log().lower()
    assert server.log("pid") == f"{os.getpid()}\n"


def test_pidfile_in_a_missing_directory(serve):
    server = serve("--pid", "nowhere/pid")
    assert server.run() == 1
    assert "nowhere" in server.log()


def test_version(serve):
    server = serve("--version", app=None, bind=None)
    assert server.run() == 0
    assert server.log("stdout").startswith(f"{server.kind} (version ") or server.ours


def test_help(serve):
    server = serve("--help", app=None, bind=None)
    assert server.run() == 0
    for flag in ("--bind", "--workers", "--worker-class", "--timeout", "--access-logfile"):
        assert flag in server.log("stdout")

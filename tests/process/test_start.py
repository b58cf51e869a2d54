"""Starts: how applications and interpreters are found, and what is said when something is not."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness import OURS, ROOT
from harness.server import executable


@pytest.mark.parametrize("app, body", [
    ("factories", b"application"), ("factories:make()", b"plain"), ("factories:make", None),
    ('factories:create("x", debug=True)', b"factory x debug=True"), ("factories:create('y')", b"factory y debug=False"),
    ("factories:holder.app", b"attribute"),
])
def test_names_of_applications(serve, app, body):
    server = serve(app=app).start(workers=1)
    response = server.get("/")
    assert response.body == body if body else response.status == 500


def test_missing_module_says_where_it_was_searched(serve):
    server = serve("--chdir", ".", app="no_such_module:app")
    assert server.run() == 3
    assert "ModuleNotFoundError: No module named 'no_such_module'" in server.log()
    assert "--chdir" in server.log() and "--pythonpath" in server.log()
    assert str(server.directory) in server.log()


def test_module_inside_that_is_missing_is_named(serve):
    server = serve(app="importing:app", apps=False)
    server.write("importing.py", "import something_else_missing\n")
    assert server.run() == 3
    assert "No module named 'something_else_missing'" in server.log()
    assert 'importing.py", line 1' in server.log()


@pytest.mark.parametrize("preload", [(), ("--preload",)])
@pytest.mark.parametrize("app, code", [("no_such_module:app", 3), ("factories:missing", 4), ("factories:text", 4)])
def test_exit_codes_of_a_failed_start(serve, preload, app, code):
    server = serve(*preload, "--workers", 3, app=app)
    assert server.run() == code
    assert server.processes() == []


def test_port_in_use(serve):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = serve(bind=f"127.0.0.1:{port}")
        assert server.run() == 1
    assert f"127.0.0.1:{port}" in server.log()
    assert re.search("in use", server.log(), re.IGNORECASE)
    assert server.processes() == []


def test_interpreter_that_does_not_exist(serve):
    server = serve("--python", "/nowhere/python3")
    assert server.run() == 1
    assert "/nowhere/python3" in server.log()
    assert "Traceback" not in server.log()


def test_no_interpreter_at_all(serve):
    server = serve(env={"VIRTUAL_ENV": None, "PATH": "/nowhere"})
    assert server.run() == 1
    assert "python3" in server.log()


def test_virtual_environment_without_an_interpreter(serve):
    server = serve(env={"VIRTUAL_ENV": "/nowhere/venv"})
    assert server.run() == 1
    assert "/nowhere/venv" in server.log()


def test_interpreter_named_by_the_setting(serve):
    server = serve("--python", sys.executable, env={"VIRTUAL_ENV": None}).start(workers=1)
    assert f'"executable": "{sys.executable}"' in server.get("/process").text()


def other_interpreter():
    """A Python of another version and that version, or None; pyenv's are found even if they are not active."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    named = (shutil.which(f"python3.{minor}") for minor in range(8, 20))
    for python in filter(None, [*named, *map(str, sorted(pyenv.glob("versions/*/bin/python3")))]):
        asked = subprocess.run([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True)
        version = asked.stdout.decode().strip()
        if version and version != "{}.{}".format(*sys.version_info):
            return python, version
    return None


def test_extension_for_another_version(serve):
    found = other_interpreter()
    if not found:
        pytest.skip("there is no other Python here")
    python, version = found
    server = serve("--python", python)
    assert server.run() == 1
    said = [line for line in server.log().splitlines() if line.strip()]
    assert "Traceback" not in server.log()
    assert any(version in line for line in said), said


def test_python_that_is_no_python(serve):
    server = serve("--python", shutil.which("false"))
    assert server.run() == 1
    assert "Traceback" not in server.log()


def test_interpreter_s_own_package_is_not_needed(serve):
    assert subprocess.run([sys.executable, "-c", "import gunicorn_rs"], capture_output=True).returncode != 0
    assert serve().start(workers=1).get("/").status == 200


def test_version():
    done = subprocess.run([*executable(OURS), "--version"], capture_output=True, text=True, timeout=10)
    assert re.fullmatch(r"gunicorn-rs \S*\d+\.\d+\.\d+\S*\s*", done.stdout.replace("(version ", "").replace(")", ""))


def test_versions_agree():
    import tomllib

    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert cargo["workspace"]["package"]["version"] == project["project"]["version"]


def test_standard_input_and_directory_of_the_caller(serve):
    server = serve().start(workers=1)
    assert f'"cwd": "{server.directory}"' in server.get("/process").text()


@pytest.mark.parametrize("example, app, path, words", [
    ("wsgi", "app:hello", "/", b"Hello"), ("wsgi", "app:environ", "/", b"REQUEST_METHOD"), ("flask", "app:app", "/", b"Hello"),
    ("django", "project.wsgi", "/", b"Hello"),
])
def test_examples(serve, example, app, path, words):
    server = serve("--chdir", ROOT / "examples" / example, app=app, apps=False).start()
    response = server.get(path)
    assert response.status == 200 and words in response.body


@pytest.mark.parametrize("name", ["gunicorn.conf.py", "gunicorn.toml"])
def test_example_configurations(serve, name):
    server = serve("--check-config", "--config", ROOT / "examples" / name, "--chdir", ROOT / "examples" / "flask", app=None)
    assert server.run() == 0, server.log()


def test_examples_are_complete():
    names = {"wsgi", "flask", "django", "gunicorn.conf.py", "gunicorn.toml", "gunicorn-rs.service", "Dockerfile"}
    assert names <= set(os.listdir(ROOT / "examples"))

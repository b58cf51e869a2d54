"""`pip install .`: one wheel with the command and the extension module, which serves from a fresh environment.

It runs by itself, before the other tests: building takes all cores, and some of those wait for a time-out.
"""

import os
import subprocess
import sys
import zipfile

import pytest

from harness import OURS, ROOT, Server

BUILD_SECONDS = 1200
TARGET = ROOT / "target" / "wheel"

pytestmark = pytest.mark.timeout(BUILD_SECONDS)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The built wheel. Its own target directory: pip builds with another environment, and would replace the server."""
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(directory), str(ROOT)]
    subprocess.run(command, env={**os.environ, "CARGO_TARGET_DIR": str(TARGET)}, check=True)
    [built] = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A fresh virtual environment with nothing but the wheel."""
    directory = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, str(ROOT / "tools" / "make_venv.py"), str(directory), str(wheel)], check=True)
    return directory


def test_contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert any(name.startswith("gunicorn_rs/_core.") and name.endswith(".so") for name in names)
    assert any(name.endswith("/scripts/gunicorn-rs") for name in names)
    assert "Requires-Python: >=3.11" in metadata
    assert "# gunicorn-rs" in metadata


def test_installed_command_finds_the_interpreter_beside_it(environment, monkeypatch):
    monkeypatch.setenv("GUNICORN_RS", str(environment / "bin" / "gunicorn-rs"))
    with Server(OURS, "--workers", 2, env={"VIRTUAL_ENV": None, "PATH": "/usr/bin:/bin"}) as server:
        server.start(workers=2)
        assert f'"executable": "{environment}/bin/python' in server.get("/process").text()

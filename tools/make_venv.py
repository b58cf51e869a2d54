"""Makes a virtual environment and installs requirements into it: `python3 tools/make_venv.py DIRECTORY REQUIREMENT...`.

It needs nothing but Python 3.11: where the interpreter comes without `ensurepip` (Debian without python3-venv), that package is
installed, or asked for. A directory that already has the requirements is left alone.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)


def main(directory, requirements):
    """Brings `directory` to the state that it has all `requirements`."""
    if sys.version_info < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        sys.exit(f"{sys.executable} is Python {sys.version.split()[0]}; {wanted} or newer is needed: set PYTHON=/path/to/it")
    stamp = directory / "requirements.installed"
    content = "\n".join([sys.version, *requirements])
    if stamp.is_file() and stamp.read_text() == content:
        return
    create(directory)
    install = [str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *requirements], check=True)
    stamp.write_text(content)


def create(directory):
    """An environment with pip. Run anew, since this process may have looked for `ensurepip` before it was there."""
    if importlib.util.find_spec("ensurepip") is None:
        install_ensurepip()
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(directory)], check=True)


def install_ensurepip():
    """Debian keeps it in a package of its own."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"{sys.executable} has no ensurepip, which makes virtual environments: install python3-venv")
    subprocess.run(["apt-get", "update", "--quiet"], check=True)
    subprocess.run(["apt-get", "install", "--quiet", "--yes", "python3-venv"], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])

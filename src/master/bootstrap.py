# Run by the master as `python -c`: finds the extension module, for this interpreter, and becomes the zygote.
import json, os, sys
import importlib.machinery, importlib.util, types

link, master, version, beside, argv = json.loads(sys.argv[1])
sys.argv = argv
sys.path[:] = [entry for entry in sys.path if entry]


def refuse(message):
    import socket
    answer = {"Failed": {"exit_code": 1, "message": message}}
    socket.socket(fileno=link).send(json.dumps(answer).encode())
    os._exit(1)


def here():
    return "%s (Python %d.%d)" % (sys.executable, sys.version_info[0], sys.version_info[1])


def remedy():
    return (
        "install it with `%s -m pip install gunicorn-rs`, or build it for this interpreter with "
        "`PYO3_PYTHON=%s cargo build --release`" % (sys.executable, sys.executable)
    )


def built_for(path):
    import mmap
    mark = b"gunicorn-rs extension for Python "
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(mark)
        if start < 0:
            return None
        start += len(mark)
        return content[start:content.find(b";", start)].decode()


def load_beside():
    if not os.path.exists(beside):
        refuse(
            "no extension module for %s: it has no package gunicorn_rs, and there is no %s; %s"
            % (here(), beside, remedy())
        )
    wanted = "%d.%d" % sys.version_info[:2]
    found = built_for(beside)
    if found != wanted:
        refuse(
            "no extension module for %s: it has no package gunicorn_rs, and %s is for Python %s; %s"
            % (here(), beside, found, remedy())
        )
    package = types.ModuleType("gunicorn_rs")
    package.__path__ = []
    package.__version__ = version
    sys.modules["gunicorn_rs"] = package
    loader = importlib.machinery.ExtensionFileLoader("gunicorn_rs._core", beside)
    spec = importlib.util.spec_from_file_location("gunicorn_rs._core", beside, loader=loader)
    core = importlib.util.module_from_spec(spec)
    sys.modules["gunicorn_rs._core"] = package._core = core
    spec.loader.exec_module(core)
    return core


try:
    from gunicorn_rs import _core as core
except ModuleNotFoundError as error:
    if error.name not in ("gunicorn_rs", "gunicorn_rs._core"):
        refuse("package gunicorn_rs of %s cannot be imported: %s" % (here(), error))
    try:
        core = load_beside()
    except ImportError as error:
        refuse("%s cannot be loaded into %s: %s" % (beside, here(), error))
except ImportError as error:
    refuse("package gunicorn_rs of %s cannot be imported: %s; %s" % (here(), error, remedy()))
if core.VERSION != version:
    refuse(
        "%s is version %s, but gunicorn-rs is version %s: install the same version of both"
        % (core.__file__, core.VERSION, version)
    )
sys.exit(core.zygote(link, master))

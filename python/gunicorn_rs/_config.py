"""Executes a Python config and tells what it defines."""

import importlib
import importlib.util
import json
import os
import reprlib
import sys
import types

# Longest value, as JSON text, of a name that is no setting: it may hold anything, and serves only to tell what it is.
LONGEST = 1024

# What the config defines, for those who need more of it than can be told.
namespace = {}


def enter(directory):
    """Change to ``directory`` and import modules from it first."""
    os.chdir(directory)
    if directory not in sys.path:
        sys.path.insert(0, directory)


def read_file(path, settings):
    """Execute the file as the module ``__config__``; ``settings`` are the names that matter."""
    loader = importlib.machinery.SourceFileLoader("__config__", path)
    spec = importlib.util.spec_from_file_location("__config__", path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["__config__"] = module
    spec.loader.exec_module(module)
    return describe(vars(module), settings)


def read_module(name, settings):
    """Import the module; ``settings`` are the names that matter."""
    return describe(vars(importlib.import_module(name)), settings)


def describe(defined, settings):
    """JSON text of what was defined; modules are not told.

    What JSON cannot hold is told by its representation, and so is what is long but no setting.
    """
    global namespace
    namespace = defined
    texts = []
    for name, value in defined.items():
        if name.startswith("_") or isinstance(value, types.ModuleType):
            continue
        if name == "worker_class" and isinstance(value, type):
            value = "<class '%s.%s'>" % (value.__module__, value.__qualname__)
        try:
            text = json.dumps(value, allow_nan=False, default=plain)
        except (TypeError, ValueError, RecursionError):
            text = None
        if text is None or (name not in settings and len(text) > LONGEST):
            text = json.dumps({"repr": reprlib.repr(value)})
        texts.append("%s:%s" % (json.dumps(name), text))
    return "{%s}" % ",".join(texts)


def plain(value):
    """What JSON does not know but a setting may be."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(type(value).__name__)

"""Executes a Python config and tells what it defines."""

import importlib
import importlib.util
import json
import os
import reprlib
import sys
import types

# Longest value that is reported, as JSON text. No setting needs more; other names of the file may hold anything.
LONGEST = 65536


def enter(directory):
    """Change to ``directory`` and import modules from it first."""
    os.chdir(directory)
    if directory not in sys.path:
        sys.path.insert(0, directory)


def read_file(path):
    """Execute the file as the module ``__config__``."""
    loader = importlib.machinery.SourceFileLoader("__config__", path)
    spec = importlib.util.spec_from_file_location("__config__", path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["__config__"] = module
    spec.loader.exec_module(module)
    return describe(vars(module))


def read_module(name):
    """Import the module."""
    return describe(vars(importlib.import_module(name)))


def describe(namespace):
    """JSON text of what was defined. What JSON cannot hold is told by its representation; modules are not told."""
    texts = []
    for name, value in namespace.items():
        if name.startswith("_") or isinstance(value, types.ModuleType):
            continue
        try:
            text = json.dumps(value, allow_nan=False, default=plain)
        except (TypeError, ValueError, RecursionError):
            text = json.dumps({"repr": reprlib.repr(value)})
        if len(text) <= LONGEST:
            texts.append("%s:%s" % (json.dumps(name), text))
    return "{%s}" % ",".join(texts)


def plain(value):
    """What JSON does not know but a setting may be."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(type(value).__name__)

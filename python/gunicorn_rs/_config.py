"""Executes a Python config and tells what it defines."""

import importlib
import importlib.util
import json
import os
import sys

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
    """JSON text of the values that can be told, and the names of what can be called."""
    values, callables = {}, []
    for name, value in namespace.items():
        if name.startswith("_"):
            continue
        if callable(value):
            callables.append(name)
            continue
        try:
            text = json.dumps(value, allow_nan=False, default=plain)
        except (TypeError, ValueError, RecursionError):
            continue
        if len(text) <= LONGEST:
            values[name] = text
    return "{%s}" % ",".join("%s:%s" % (json.dumps(name), text) for name, text in values.items()), callables


def plain(value):
    """What JSON does not know but a setting may be."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(type(value).__name__)

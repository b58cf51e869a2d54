"""Finds the application that ``MODULE:EXPRESSION`` names."""

import ast
import importlib
import os
import sys
import traceback


class AppLoadError(Exception):
    """The module is there, but not the application; the text says all."""


def prepare(argv, chdir, pythonpath, environment, software):
    """Make the process look to the application as it does under gunicorn."""
    os.chdir(chdir)
    if chdir not in sys.path:
        sys.path.insert(0, chdir)
    for path in pythonpath:
        if path not in sys.path:
            sys.path.insert(0, path)
    os.environ["SERVER_SOFTWARE"] = software
    for name, value in environment:
        os.environ[name] = value
    sys.argv[:] = argv


def is_async(app):
    """Whether the application is an async callable, so that it speaks ASGI 3."""
    import functools
    import inspect

    while isinstance(app, functools.partial):
        app = app.func
    return inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(getattr(app, "__call__", None))


def load(name):
    """The application."""
    module_name, _, expression = name.partition(":")
    expression = expression or "application"
    found = evaluate(import_module(module_name, expression), module_name, expression)
    if found is None:
        raise AppLoadError("Failed to find application object: %r" % expression)
    if not callable(found):
        raise AppLoadError("Application object must be callable: %r of %r is %s" % (
            expression, module_name, type(found).__name__))
    return found


def import_module(name, expression):
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        hint = hint_for(name, expression, error)
        if hint:
            error.add_note(hint)
        raise


def hint_for(name, expression, error):
    """What may help, when it is the application's own module that was not found."""
    stem, suffix = os.path.splitext(name)
    if suffix == ".py" and os.path.exists(name):
        return "Did you mean %s:%s?" % (stem.replace("/", "."), expression)
    if error.name is None or not (name + ".").startswith(error.name + "."):
        return None
    libraries = (sys.prefix + os.sep, sys.base_prefix + os.sep)
    searched = [path or os.getcwd() for path in sys.path if not path.startswith(libraries)]
    return (
        "No module %r was found. Searched first: %s. The directory of the application is set with --chdir, "
        "further ones with --pythonpath." % (error.name, ", ".join(searched))
    )


def evaluate(module, module_name, text):
    """An attribute, an attribute of an attribute, or a call of one with literal arguments."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        tree = None
    if isinstance(tree, ast.Call):
        return call(resolve(module, module_name, tree.func, text), tree, text)
    return resolve(module, module_name, tree, text)


def resolve(module, module_name, tree, text):
    if isinstance(tree, ast.Attribute):
        owner = resolve(module, module_name, tree.value, text)
        name, where = tree.attr, ast.unparse(tree.value)
    elif isinstance(tree, ast.Name):
        owner, name, where = module, tree.id, module_name
    else:
        raise AppLoadError("Failed to parse %r as an attribute name or function call." % text)
    try:
        return getattr(owner, name)
    except AttributeError:
        raise AppLoadError("Failed to find attribute %r in %r." % (name, where)) from None


def call(function, tree, text):
    try:
        args = [ast.literal_eval(arg) for arg in tree.args]
        kwargs = {keyword.arg: ast.literal_eval(keyword.value) for keyword in tree.keywords}
    except ValueError:
        raise AppLoadError("Failed to parse arguments as literal values: %r" % text) from None
    try:
        return function(*args, **kwargs)
    except TypeError as error:
        # Raised by the call itself, not within the function: the arguments do not fit.
        if error.__traceback__.tb_next is None:
            raise AppLoadError("".join(traceback.format_exception_only(error)).strip()) from None
        raise


def explain(error):
    """Exit code and text for the log of a failed load."""
    if isinstance(error, AppLoadError):
        return 4, str(error)
    return 3, "Exception in worker process\n" + "".join(traceback.format_exception(error))

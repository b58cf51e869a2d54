"""Modules of the standard library that workers share.

What the zygote has imported before it forks lies in memory once for all workers, and none of them spends time on it. These are
the modules that web applications and their frameworks import first; gunicorn's master has most of them too before it forks.
"""

import gc
import importlib

MODULES = """
    argparse ast base64 bisect bz2 calendar concurrent.futures contextlib contextvars copy csv dataclasses
    datetime decimal difflib dis email.message email.parser email.utils faulthandler fnmatch functools gettext
    glob hashlib heapq hmac html http.client http.cookies http.server importlib.metadata inspect io ipaddress
    json locale logging.config lzma mimetypes numbers pathlib pickle pkgutil platform pprint queue random re
    secrets selectors shutil signal socket socketserver ssl string struct subprocess tempfile textwrap threading
    tokenize traceback types typing unicodedata urllib.parse urllib.request uuid warnings weakref zipfile zlib
""".split()


def load():
    """Import what there is of the modules: an interpreter may be built without some of them."""
    for name in MODULES:
        try:
            importlib.import_module(name)
        except ImportError:
            pass


def freeze():
    """Move all objects out of the garbage collector's sight.

    A collection in a worker would write to their headers, and each page that is written to is copied.
    """
    gc.collect()
    gc.freeze()

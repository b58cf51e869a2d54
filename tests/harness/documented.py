"""Differences on purpose: a test may expect one only if `docs/compatibility.md` has its line."""

import re
from functools import cache
from pathlib import Path

from .server import GUNICORN

PAGE = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"


@cache
def lines():
    """The names of all documented differences: the first column of the page's table."""
    return set(re.findall(r"^\| `([a-z0-9-]+)` \|", PAGE.read_text(), re.MULTILINE))


def documented(kind, difference, *, gunicorn, ours):
    """What a server of `kind` is expected to do where the two differ on purpose."""
    assert difference in lines(), f"docs/compatibility.md has no line `{difference}`"
    return gunicorn if kind == GUNICORN else ours

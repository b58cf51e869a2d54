"""The page of differences and the checks agree: every line of it is held by a check, or is a fact of both sources."""

from pathlib import Path

from harness.documented import lines

# What no request or signal can show in a test that does not measure time, or shows on one of the servers only.
READ_IN_BOTH_SOURCES = {"connection-list", "exact-timeout", "client-times", "buffers-bounded"}


def test_every_line_is_held_by_a_check():
    checks = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__))
    unheld = {name for name in lines() if f'"{name}"' not in checks}
    assert unheld == READ_IN_BOTH_SOURCES

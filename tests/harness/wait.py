"""Waiting for conditions: the only place of the test suite that sleeps."""

import time

POLL_SECONDS = 0.01


def eventually(condition, timeout=10.0, what=None):
    """Polls `condition` until it returns something true, and returns that.

    Fails with `what` (or the condition's name) and the last value after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            name = what or getattr(condition, "__name__", "condition")
            raise AssertionError(f"not within {timeout} s: {name} (last value: {value!r})")
        time.sleep(POLL_SECONDS)

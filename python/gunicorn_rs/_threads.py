"""Threads that an end of the process would have to wait for."""

import threading
import time

LAST_STEPS = 0.1
"""Seconds that idle threads have to end by themselves."""


def busy():
    """How many threads the interpreter would wait for at its end, but for those that are just about to end."""
    end = time.monotonic() + LAST_STEPS
    for thread in others():
        thread.join(max(end - time.monotonic(), 0))
    return len(others())


def others():
    return [each for each in threading.enumerate() if each is not threading.current_thread() and not each.daemon]

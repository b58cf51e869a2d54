"""Threads that an end of the process would have to wait for."""

import sys
import threading
import time

LAST_STEPS = 0.1
"""Seconds that idle threads have to end by themselves."""


def busy():
    """How many threads the interpreter would wait for at its end, but for those that are just about to end."""
    dismiss_idle()
    end = time.monotonic() + LAST_STEPS
    for thread in others():
        thread.join(max(end - time.monotonic(), 0))
    return len(others())


def dismiss_idle():
    """Has the threads of pools end that wait for work, as the interpreter has them do at its end."""
    pools = sys.modules.get("concurrent.futures.thread")
    if pools is None:
        return
    pools._shutdown = True
    for queue in list(pools._threads_queues.values()):
        queue.put(None)


def others():
    return [each for each in threading.enumerate() if each is not threading.current_thread() and not each.daemon]

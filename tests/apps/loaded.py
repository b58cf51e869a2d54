"""Tells the tests that a worker has loaded its application (and so set up its signals)."""

import os
import sys


def announce():
    """Writes one line to standard error; one write, so that lines of several workers do not mix."""
    os.write(2, f"probe loaded in {os.getpid()}\n".encode())
    sys.stderr.flush()

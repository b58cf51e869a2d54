"""Clients that run beside a test."""

import threading


class Background:
    """`with` it `run` runs on a thread of its own; `ending` is set when it is to return, which is waited for."""

    def __init__(self):
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()

    def run(self):
        raise NotImplementedError

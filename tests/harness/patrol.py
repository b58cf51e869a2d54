"""The normal clients of a server under attack: what they and the workers feel of it has bounds."""

import time

from .procs import descriptors, private_bytes

ANSWER_SECONDS = 1.0
"""Longest that a normal client waits."""
OWN_FILES = 10
"""Descriptors that a worker may open for itself after it has loaded its application: its event loop's."""
SLACK_BYTES = 4 << 20
"""What a worker may grow by whatever happens."""
HELLO = b"Hello, World!\n"


class Patrol:
    """The normal clients of a server under attack, each on a connection of its own."""

    def __init__(self, server):
        self.server = server
        self.address = server.address()
        self.workers = server.workers()
        self.waited()
        self.descriptors = self._descriptors()
        self.most_bytes = max(self._memory()) + SLACK_BYTES

    def expect(self, attackers, each_bytes):
        """Lets a worker hold so many bytes of its own for each of so many attackers."""
        self.most_bytes += attackers * each_bytes

    def request(self, most_seconds=ANSWER_SECONDS):
        """One normal request; what its client and the workers feel of the attack is within bounds."""
        waited, held = self.waited(), self._memory()
        assert waited < most_seconds, f"a normal client has waited {waited:.1f} s"
        assert max(held) < self.most_bytes, f"workers hold {held} bytes, at most {self.most_bytes} are good"

    def until_done(self, crowd, timeout):
        """Normal requests until all of a crowd are done; returns how many."""
        deadline, requests = time.monotonic() + timeout, 0
        while not crowd.is_done(timeout=0.05):
            self.request()
            requests += 1
            assert time.monotonic() < deadline, f"not done within {timeout} s"
        return requests

    def waited(self):
        """How many seconds a normal request takes on a connection of its own."""
        began = time.monotonic()
        response = self.server.get("/", address=self.address)
        assert (response.status, response.body) == (200, HELLO)
        return time.monotonic() - began

    def is_calm(self):
        """Whether the workers have closed all connections of the attack."""
        return self._descriptors() <= self.descriptors + OWN_FILES * len(self.workers)

    def _memory(self):
        return [private_bytes(pid) for pid in self.workers]

    def _descriptors(self):
        return sum(descriptors(pid) for pid in self.workers)

"""Many slow clients at a time, driven by one thread: at each beat every one of them sends its next piece."""

import selectors
import threading
import time

from .http import READ_BYTES, TIMEOUT_SECONDS, connected


class Crowd:
    """`count` connections to `address`, each of which sends the pieces of an iterator, one a beat, then nothing more.

    `pieces(ending)` makes the iterator; `ending` is an event after which it has to come to an end. A client is done
    when the server has closed its connection.
    """

    def __init__(self, address, count, pieces, beat):
        self.ending = threading.Event()
        self.beat = beat
        self.beats = 0
        """How often all clients have sent a piece."""
        self.clients = [Client(address, pieces(self.ending)) for _ in range(count)]
        self.leaving = False
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.leaving = True
        self.thread.join()
        for client in self.clients:
            client.socket.close()

    def is_done(self, timeout):
        """Waits up to `timeout` seconds until all clients are done; returns whether they are."""
        self.thread.join(timeout)
        return not self.thread.is_alive()

    def answers(self, timeout=TIMEOUT_SECONDS):
        """Tells the clients to come to an end; returns all bytes that each has received."""
        self.ending.set()
        assert self.is_done(timeout), f"{sum(not client.done for client in self.clients)} clients were not answered"
        assert [client.failure for client in self.clients if client.failure] == []
        return [bytes(client.received) for client in self.clients]

    def _run(self):
        with selectors.DefaultSelector() as selector:
            for client in self.clients:
                client.watch(selector)
            due = time.monotonic()
            while not self.leaving and not all(client.done for client in self.clients):
                if time.monotonic() >= due:
                    for client in self.clients:
                        client.next_piece()
                    self.beats += 1
                    due = max(due + self.beat, time.monotonic())
                for key, _ in selector.select(max(0.0, due - time.monotonic())):
                    key.data.ready()


class Client:
    """One connection of a crowd; none of its calls blocks."""

    def __init__(self, address, pieces):
        self.socket = connected(address, TIMEOUT_SECONDS)
        self.socket.setblocking(False)
        self.pieces = pieces
        self.unsent = b""
        self.received = bytearray()
        self.failure = None
        self.done = False
        self.selector = None

    def watch(self, selector):
        """Has `ready` called when there is something to do."""
        self.selector = selector
        selector.register(self.socket, selectors.EVENT_READ, self)

    def next_piece(self):
        """Sends the next piece; what the server does not take yet follows later, before the next one."""
        if not self.done and not self.unsent:
            self.unsent = next(self.pieces, b"")
            self.ready()

    def ready(self):
        """Sends and receives what can be."""
        try:
            if self.unsent:
                self._send()
            self._receive()
        except BlockingIOError:
            pass
        except OSError as error:
            self.failure = error
            self._end()

    def _send(self):
        try:
            self.unsent = self.unsent[self.socket.send(self.unsent):]
        except BlockingIOError:
            pass
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.unsent else 0)
        if self.selector.get_key(self.socket).events != wanted:
            self.selector.modify(self.socket, wanted, self)

    def _receive(self):
        while data := self.socket.recv(READ_BYTES):
            self.received += data
        self._end()

    def _end(self):
        self.done = True
        self.selector.unregister(self.socket)

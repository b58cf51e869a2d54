"""Runs a WSGI application in greenlets: a hub, a greenlet for each request, and what waits in them.

All that may switch to another greenlet is here: the application, its iterables, files and loggers, and the wait for a
client. What the engine does returns at once, and what it calls here only plans.
"""

import importlib
import logging
import os
import sys
import traceback
import warnings


def prepare(name):
    """Loads the library and has it patch the standard library; gives the reason if that cannot be."""
    log = logging.getLogger("gunicorn.error")
    with warnings.catch_warnings(record=True) as caught:
        try:
            library = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            return f"The worker kind {name} needs the package {name}, which is not installed: pip install {name}"
    for warning in caught:
        log.warning("%s: %s", warning.category.__name__, " ".join(str(warning.message).split()))
    HUBS[name].patch(library)
    return None


def renew(name):
    """Gives a process that was forked a hub of its own."""
    HUBS[name].renew(importlib.import_module(name))


class GeventHub:
    """What is asked of gevent."""

    @staticmethod
    def patch(gevent):
        importlib.import_module("gevent.monkey").patch_all()

    @staticmethod
    def renew(gevent):
        gevent.reinit()

    def __init__(self):
        import gevent
        import gevent.event
        import gevent.socket

        class Event(gevent.event.Event):
            wake = gevent.event.Event.set

        self.loop = gevent.get_hub().loop
        self.greenlet = gevent.Greenlet
        self.sleep = gevent.sleep
        self.socket = gevent.socket.socket
        self.event = Event
        self.ended = Event()
        self.watcher = None

    def call_soon(self, callback):
        self.loop.run_callback(callback)

    def call_later(self, seconds, callback):
        # It does not keep the loop: once the worker has ended, gevent can tell that nothing will wake who still waits.
        return GeventAlarm(self.loop.timer(seconds, ref=False), callback)

    def spawn(self, function, argument):
        """A greenlet that will run, and not yet."""
        greenlet = self.greenlet(function, argument)
        greenlet.start()
        return greenlet

    def pause(self):
        """Lets the others have their turn."""
        # With 0 it would be run again before the loop has looked at its descriptors, up to fifty times.
        self.sleep(1e-6)

    def kill(self, greenlet):
        """Has the greenlet end, in its own time."""
        greenlet.kill(block=False)

    def watch(self, descriptor, callback):
        self.watcher = self.loop.io(descriptor, 1)
        self.watcher.start(callback)

    def unwatch(self):
        self.watcher.stop()
        self.watcher.close()

    def leave(self):
        """In a fork, whose loop is one of its own."""
        self.unwatch()

    def stop(self):
        self.ended.wake()

    def is_answered(self):
        """Whether the application of this greenlet has said, in a way of the library, that it has answered."""
        return False


class GeventAlarm:
    """A timer that can be cancelled, as asyncio's."""

    def __init__(self, timer, callback):
        self.timer, self.callback = timer, callback
        timer.start(self.ring)

    def ring(self):
        self.cancel()
        self.callback()

    def cancel(self):
        self.timer.stop()
        self.timer.close()


class EventletHub:
    """What is asked of eventlet."""

    @staticmethod
    def patch(eventlet):
        eventlet.monkey_patch()
        # It has kept the selector that it found when it was imported, which may have been before this.
        green = importlib.import_module("selectors").DefaultSelector
        importlib.import_module("socketserver")._ServerSelector = green

    @staticmethod
    def renew(eventlet):
        importlib.import_module("eventlet.hubs").use_hub()

    def __init__(self):
        import eventlet
        import eventlet.event
        import eventlet.greenio
        import eventlet.hubs

        class Event(eventlet.event.Event):
            def wake(self):
                if not self.ready():
                    self.send()

        self.library = eventlet
        self.hub = eventlet.hubs.get_hub()
        self.spawn = eventlet.spawn
        self.pause = eventlet.sleep
        self.kill = eventlet.kill
        self.event = Event
        self.ended = Event()
        self.listener = None

    def call_soon(self, callback):
        self.hub.schedule_call_global(0, callback)

    def call_later(self, seconds, callback):
        return self.hub.schedule_call_global(seconds, callback)

    def watch(self, descriptor, callback):
        def ignore(*_):
            pass

        def add():
            self.listener = self.hub.add(self.hub.READ, descriptor, callback, ignore, ignore)

        def forgive(fileno, exc_info):
            # Where an exception is raised, as by a handler of a signal, the hub no longer watches the descriptor.
            squelch(fileno, exc_info)
            if fileno == descriptor:
                add()

        squelch, self.hub.squelch_exception = self.hub.squelch_exception, forgive
        add()

    def unwatch(self):
        self.hub.remove(self.listener)

    def leave(self):
        """In a fork, which shares the hub's poll with its parent: what is taken off it is taken off the parent's."""

    def socket(self, fileno):
        original = self.library.patcher.original("socket")
        return self.library.greenio.GreenSocket(original.socket(fileno=fileno))

    def stop(self):
        self.ended.wake()

    def is_answered(self):
        """Whether the application of this greenlet has said, in a way of the library, that it has answered."""
        wsgi = sys.modules.get("eventlet.wsgi")
        return wsgi is not None and getattr(wsgi.WSGI_LOCAL, "already_handled", False)


HUBS = {"gevent": GeventHub, "eventlet": EventletHub}


class Client:
    """The client of a request: who waits for it waits in the hub."""

    __slots__ = ("engine", "hub", "response")

    def __init__(self, engine, hub, response):
        self.engine, self.hub, self.response = engine, hub, response

    def write(self, data):
        """What `start_response` gives."""
        if not self.engine.send(self.response, data):
            self.hub.pause()
            self.flush()

    def flush(self):
        """Returns when the client has taken all that was sent."""
        while not self.engine.try_flush(self.response):
            self.wait(reads=False)

    def make_room(self):
        """Returns when more may be sent."""
        while not self.engine.has_room(self.response):
            self.wait(reads=False)

    def take_turns(self):
        """Lets the others run, if that has not been done for some time: a client that is fast never has us wait."""
        if self.engine.is_overdue():
            self.hub.pause()

    def wait_to_read(self, has_to_send):
        """Returns when there is more, for which the client may have to send something."""
        if has_to_send:
            self.wait(reads=True)
        else:
            self.hub.pause()

    def wait(self, reads):
        """Returns when there is news of the client, or its time to send, or else to take, something is over."""
        event = self.hub.event()
        self.engine.watch(self.response, event, reads)
        try:
            event.wait()
        except BaseException:
            self.engine.unwatch(self.response, event, reads)
            raise


class Input:
    """`wsgi.input`, of a body that may still be on its way."""

    __slots__ = ("body", "client")

    def __init__(self, body, client):
        self.body, self.client = body, client

    def read(self, size=None):
        self.client.take_turns()
        while isinstance(data := self.client.engine.try_read(self.body, size), bool):
            self.client.wait_to_read(data)
        return data

    def readline(self, size=None):
        self.client.take_turns()
        while isinstance(line := self.client.engine.try_line(self.body, size), bool):
            self.client.wait_to_read(line)
        return line

    def readlines(self, hint=None):
        lines, total = [], 0
        for line in self:
            lines.append(line)
            total += len(line)
            if hint is not None and 0 < hint <= total:
                break
        return lines

    def __iter__(self):
        return self

    def __next__(self):
        if line := self.readline():
            return line
        raise StopIteration


class ClientSocket:
    """`gunicorn.socket`: becomes a socket of the library when one of its attributes is asked for.

    It has a descriptor of its own: closing it, or keeping it beyond the request, harms nobody else's connection.
    """

    __slots__ = ("_client", "_socket")

    def __init__(self, client):
        self._client, self._socket = client, None

    def __getattr__(self, name):
        # What looks at an object, or makes one without `__init__` as `copy` does, asks for names that no socket has.
        if name.startswith("__") or name in self.__slots__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if self._socket is None:
            client = self._client
            client.flush()
            self._socket = client.hub.socket(fileno=client.engine.lend(client.response))
            self._socket.setblocking(True)
        return getattr(self._socket, name)


class Errors:
    """`wsgi.errors`, where the error log is standard error."""

    def write(self, text):
        sys.stderr.write(text)
        sys.stderr.flush()

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def flush(self):
        pass


class Runner:
    """Runs the greenlets of requests, and the hub."""

    def __init__(self, name, app):
        self.app = app
        self.hub = HUBS[name]()
        self.engine = None
        self.log = logging.getLogger("gunicorn.error")
        self.exit, self.current = exceptions()
        self.wrapper = None
        self.greenlets = set()
        self.idle = None

    # What the application is given

    def client(self, response, body):
        """The client, `write`, `wsgi.input` and `gunicorn.socket` of the requests of a kit."""
        client = Client(self.engine, self.hub, response)
        return client, client.write, Input(body, client), ClientSocket(client)

    def errors(self):
        return Errors()

    def file_wrapper(self, base):
        """The class of `wsgi.file_wrapper`; `base` is what the kernel can send files from."""

        class FileWrapper(base):
            def __iter__(self):
                return self

            def __next__(self):
                if block := self.filelike.read(self.blksize):
                    return block
                raise StopIteration

            def close(self):
                close = getattr(self.filelike, "close", None)
                if close is not None:
                    close()

        self.wrapper = FileWrapper
        return FileWrapper

    # Requests

    def start(self, call):
        """Makes a greenlet of a request. Nobody else keeps the call: one whose greenlet never begins ends with it."""
        self.hub.spawn(self.run, call)

    def run(self, call):
        """A request, in its greenlet."""
        self.greenlets.add(self.current())
        try:
            self.answer(call)
        except BaseException as error:
            # A signal that ends the worker raises in whatever runs.
            if isinstance(error, self.exit) or not self.engine.is_graceful():
                call.abandon()
            else:
                self.report(call.fail(error))
        finally:
            call.end()
            self.greenlets.discard(self.current())
            if self.idle is not None and not self.greenlets:
                self.idle.wake()

    def answer(self, call):
        environ, start_response, client, refusal = call.begin()
        if client is None:
            self.report(refusal)
            return
        iterable = self.app(environ, start_response)
        del environ, start_response
        if self.hub.is_answered():
            call.abandon()
        elif type(iterable) is list or type(iterable) is tuple:
            at = 0
            while (at := self.engine.send_parts(client.response, iterable, at)) is not None:
                client.make_room()
        else:
            self.send(client, iterable)

    def send(self, client, iterable):
        """Sends what the application makes part by part, and closes it whatever happens."""
        response = client.response
        try:
            if not (isinstance(iterable, self.wrapper) and self.engine.send_file(response, iterable)):
                for part in iterable:
                    client.write(part)
                self.engine.finish(response)
        finally:
            close = getattr(iterable, "close", None)
            if close is not None:
                close()

    def report(self, record):
        """Tells the operator what has become of a request."""
        if record is None:
            return
        level, message, error = record
        try:
            getattr(self.log, level)("%s", message, exc_info=error)
        except BaseException as failed:
            # A logger that fails must not take the request with it, and its failure goes past all loggers.
            for told in filter(None, (error, failed)):
                self.engine.complain("".join(traceback.format_exception(told)))

    # The worker

    def serve(self, descriptor):
        """Returns when the engine has told the hub to stop, and the greenlets have ended or had their time."""
        self.hub.watch(descriptor, self.engine.turn)
        self.hub.call_soon(self.engine.turn)
        self.hub.call_soon(self.engine.beat)
        os.register_at_fork(after_in_child=self.leave)
        try:
            self.hub.ended.wait()
        finally:
            self.hub.unwatch()
        if self.greenlets and self.engine.is_graceful():
            self.end_greenlets()

    def leave(self):
        """In a fork: leaves the clients to the parent. The hub goes on, with all greenlets."""
        self.engine.leave()
        self.hub.leave()
        end_with(self.current())

    def end_greenlets(self):
        self.log.warning("Worker graceful timeout (pid:%s)", os.getpid())
        self.idle = self.hub.event()
        for greenlet in list(self.greenlets):
            self.hub.kill(greenlet)
        if self.greenlets:
            self.idle.wait(self.engine.last_left())


def exceptions():
    """What ends a greenlet, and what tells the current one: both libraries stand on `greenlet`."""
    import greenlet

    return greenlet.GreenletExit, greenlet.getcurrent


def end_with(forker):
    """Has this process end when the greenlet does that has forked it.

    A child that comes back from there would be a worker that nobody knows.
    """
    import greenlet

    def look(*_):
        if forker.dead:
            os._exit(0)

    # Not all greenlets can be linked: the threads of eventlet are bare ones.
    greenlet.settrace(look)

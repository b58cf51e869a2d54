"""Runs an ASGI application: the event loop, a task for each request, and the lifespan."""

import asyncio
import contextvars
import functools
import sys
import traceback

EAGER = sys.version_info >= (3, 12)

LAST_STEPS = 0.1
"""Seconds that a lifespan which has been cancelled has for its `finally`."""


class CannotStart(Exception):
    """Why the worker cannot start, for the operator: of its traceback only that of its cause tells something."""


def explain(error):
    """What the operator is to read."""
    if not isinstance(error, CannotStart):
        return "".join(traceback.format_exception(error))
    cause = "".join(traceback.format_exception(error.__cause__)) if error.__cause__ else ""
    return f"{error}\n{cause}"


def make_loop(kind):
    """The event loop of the worker. `kind` is that of the setting `asgi_loop`."""
    if kind != "asyncio":
        try:
            import uvloop
        except ImportError:
            if kind == "uvloop":
                raise CannotStart("asgi_loop is uvloop, which is not installed: pip install uvloop") from None
        else:
            loop = uvloop.new_event_loop()
            asyncio.set_event_loop(loop)
            return loop
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


class StartupFailed(CannotStart):
    """The application has said that it cannot start; the text is what it said."""


class Lifespan:
    """The application's lifespan (ASGI, lifespan protocol 2.0)."""

    def __init__(self, app, loop, mode, log):
        self.app, self.loop, self.mode, self.log = app, loop, mode, log
        self.state = {}
        self.events = asyncio.Queue()
        self.started, self.stopped = loop.create_future(), loop.create_future()
        self.task = None
        self.is_supported = mode != "off"

    def start_up(self):
        """Returns when the application has started; raises `StartupFailed`."""
        if self.is_supported:
            self.loop.run_until_complete(self._start_up())

    async def _start_up(self):
        self.task = self.loop.create_task(self._run())
        self.events.put_nowait({"type": "lifespan.startup"})
        await asyncio.wait([self.started, self.task], return_when=asyncio.FIRST_COMPLETED)
        if self.started.done():
            failed = self.started.result()
            if failed is not None:
                raise StartupFailed(failed)
            return
        self.is_supported = False
        error = None if self.task.cancelled() else self.task.exception()
        if self.mode == "on":
            raise StartupFailed("the application does not take part in the lifespan") from error

    async def _run(self):
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self.app(scope, self.events.get, self._send)
        except Exception as error:
            if self.started.done():
                self.log.exception("Exception in the lifespan of the application")
            elif self.mode == "auto":
                self.log.debug("The application has no lifespan: %r", error)
            raise
        finally:
            if not self.stopped.done():
                self.stopped.set_result(None)

    async def _send(self, message):
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            self._tell(self.started, None, kind)
        elif kind == "lifespan.startup.failed":
            self._tell(self.started, message.get("message", "") or "it gives no reason", kind)
        elif kind == "lifespan.shutdown.complete":
            self._tell(self.stopped, None, kind)
        elif kind == "lifespan.shutdown.failed":
            self._tell(self.stopped, message.get("message", "") or "it gives no reason", kind)
        else:
            raise RuntimeError(f"unexpected ASGI message {kind!r} in the lifespan")

    @staticmethod
    def _tell(future, result, kind):
        if future.done():
            raise RuntimeError(f"ASGI message {kind!r} was sent before, or too late")
        future.set_result(result)

    async def shut_down(self, seconds):
        """Lets the application shut down, for so many seconds at most."""
        if not self.is_supported or self.task is None or self.task.done():
            return
        self.events.put_nowait({"type": "lifespan.shutdown"})
        end = self.loop.time() + seconds
        done, _ = await asyncio.wait([self.stopped], timeout=seconds)
        if not done:
            self.log.error("The application's lifespan has not ended within %.1f s", seconds)
            self.task.cancel()
        elif self.stopped.result() is not None:
            self.log.error("The application's lifespan has failed to shut down: %s", self.stopped.result())
        # It may have something to do after its last word.
        await asyncio.wait([self.task], timeout=max(end - self.loop.time(), LAST_STEPS))


class Runner:
    """Runs the tasks of requests, and the loop."""

    def __init__(self, app, loop, engine, lifespan, log):
        self.app, self.loop, self.engine, self.lifespan, self.log = app, loop, engine, lifespan, log
        self.tasks = {}
        self.make_task, self.task_keywords = asyncio.Task, {"loop": loop}
        if EAGER:
            self.task_keywords["eager_start"] = True
        # A task starts from a copy of the context in which it is made. So whatever makes one runs in that in which the
        # worker was set up, even if it was a request that asked for it.
        context = contextvars.copy_context()
        self.stop = loop.stop
        self.call_soon = functools.partial(loop.call_soon, context=context)
        self.call_later = functools.partial(loop.call_later, context=context)

    async def run(self, cycle, scope, receive, send):
        """The application, and the end of its request."""
        try:
            await self.app(scope, receive, send)
        except asyncio.CancelledError:
            cycle.end()
            raise
        except BaseException as error:
            cycle.fail(error)
        else:
            cycle.end()
        finally:
            self.tasks.pop(cycle, None)

    def cancel(self, cycle):
        """The client has gone, and the application has had its time to notice."""
        task = self.tasks.get(cycle)
        # Of one whose response is complete it is background work, which goes on.
        if task is not None and cycle.is_open():
            task.cancel()

    def serve(self, descriptor):
        """Runs the loop until the engine stops it, and what has to come after."""
        loop = self.loop
        loop.add_reader(descriptor, self.engine.turn)
        self.call_soon(self.engine.turn)
        self.call_soon(self.engine.beat)
        try:
            loop.run_forever()
        finally:
            loop.remove_reader(descriptor)
        if self.engine.is_graceful():
            loop.run_until_complete(self._finish())

    async def _finish(self):
        if self.tasks:
            await asyncio.wait(list(self.tasks.values()), timeout=self.engine.grace_left())
        if late := list(self.tasks.values()):
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=self.engine.last_left() / 2)
        await self.lifespan.shut_down(self.engine.last_left())
        await self.loop.shutdown_asyncgens()

"""Serves an application by tornado's own server, on the worker's event loop."""

import asyncio
import os
import socket
import time

from tornado import httputil
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.websocket import WebSocketHandler
from tornado.wsgi import WSGIContainer

LAST_STEPS = 0.1
"""Seconds that tasks which have been cancelled have for their `finally`."""

SERVICE_RESTART = 1012
"""The WebSocket close code by which a server that stops tells its clients to come back."""


def make_loop():
    """A loop of this process, before the application is imported, which may use it."""
    asyncio.set_event_loop(asyncio.new_event_loop())


def raw(text):
    """Text of a head as the bytes that it came from."""
    return text.encode("latin-1", "backslashreplace")


class Exchange(httputil.HTTPMessageDelegate):
    """A request and its response: tells the application of it, and the worker when it begins and ends."""

    def __init__(self, worker, stream, context):
        self.worker, self.stream, self.context = worker, stream, context
        self.inner = None
        self.is_open = False
        self.start_line = self.fields = self.lane = self.began = None
        self.status, self.bytes_sent, self.response = 0, 0, ()

    def headers_received(self, start_line, headers):
        self.start_line, self.fields, self.began = start_line, headers, time.monotonic()
        self.is_open = True
        self.worker.begin(self)
        return self.inner.headers_received(start_line, headers)

    def data_received(self, chunk):
        return self.inner.data_received(chunk)

    def finish(self):
        return self.inner.finish()

    def on_connection_close(self):
        try:
            self.inner.on_connection_close()
        finally:
            self.end()

    def end(self):
        """The response is complete, or as complete as it gets."""
        if self.is_open:
            self.is_open = False
            self.worker.end(self)

    def websocket(self):
        """The handler, if it is one of WebSockets."""
        found = self.inner
        while (delegate := getattr(found, "delegate", None)) is not None:
            found = delegate
        handler = getattr(found, "handler", None)
        return handler if isinstance(handler, WebSocketHandler) else None

    # What the access log asks for

    @property
    def peer(self):
        is_inet = self.context.address_family in (socket.AF_INET, socket.AF_INET6)
        return raw(self.context.address[0]) if is_inet else b""

    @property
    def method(self):
        return raw(self.start_line.method)

    @property
    def target(self):
        return raw(self.start_line.path)

    @property
    def protocol(self):
        return raw(self.start_line.version)

    @property
    def seconds(self):
        return time.monotonic() - self.began

    @property
    def request_fields(self):
        return [(raw(name), raw(value)) for name, value in self.fields.get_all()]

    @property
    def response_fields(self):
        return [(raw(name), raw(value)) for name, value in self.response]


class Connection(httputil.HTTPConnection):
    """A connection as the application sees it for one request: what is sent over it is noted."""

    def __init__(self, connection, exchange):
        self.__dict__.update(_connection=connection, _exchange=exchange)

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def __setattr__(self, name, value):
        setattr(self._connection, name, value)

    def write_headers(self, start_line, headers, chunk=None):
        exchange = self._exchange
        if exchange.worker.is_closing:
            # Tornado then says so in the head, and closes the connection after the response.
            self._connection._disconnect_on_finish = True
        written = self._connection.write_headers(start_line, headers, chunk)
        exchange.status = start_line.code if 0 < start_line.code < 1000 else 0
        exchange.bytes_sent = len(chunk or b"")
        exchange.response = list(headers.get_all())
        return written

    def write(self, chunk):
        self._exchange.bytes_sent += len(chunk)
        return self._connection.write(chunk)

    def finish(self):
        if self._exchange.worker.is_closing:
            # Though its head may not have said so.
            self._connection._disconnect_on_finish = True
        self._connection.finish()
        self._exchange.end()

    def detach(self):
        stream = self._connection.detach()
        self._exchange.worker.detached(stream, self._exchange)
        return stream


class Server(HTTPServer):
    """Tornado's server, which tells the worker of its connections and requests."""

    worker = None

    def handle_stream(self, stream, address):
        self.worker.connected(stream)
        super().handle_stream(stream, address)

    def start_request(self, server_conn, request_conn):
        exchange = Exchange(self.worker, server_conn.stream, server_conn.context)
        exchange.inner = super().start_request(server_conn, Connection(request_conn, exchange))
        return exchange

    def on_close(self, server_conn):
        super().on_close(server_conn)
        self.worker.disconnected(server_conn.stream)


class Worker:
    """A worker whose clients are tornado's."""

    def __init__(self, app, member, options):
        if not isinstance(app, (httputil.HTTPServerConnectionDelegate, WSGIContainer)):
            app = WSGIContainer(app)
        self.member, self.loop, self.logs_access = member, IOLoop.current(), member.logs_access
        self.server = Server(app, **options)
        self.server.worker = self
        self.streams = {}
        """Open connections, each with the exchange that is on it."""
        self.strays = {}
        """Connections that have left HTTP, each with the exchange by which it did."""
        self.is_closing = False
        self.exit_code = 0
        self.timer = None

    def serve(self, sockets, signals, parent):
        """Runs the loop until the worker is to end; gives the exit code."""
        for each in sockets:
            each.setblocking(False)
        self.server.add_sockets(sockets)
        self.loop.add_handler(signals, self.signalled, IOLoop.READ)
        self.loop.add_handler(parent, self.parent_gone, IOLoop.READ)
        self.beat()
        self.loop.start()
        self.member.finish()
        self.loop.asyncio_loop.run_until_complete(self.finish())
        return self.exit_code

    async def finish(self):
        """Ends what is still under way: requests that were not in time, and what the application has left running."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=LAST_STEPS)
        await asyncio.get_running_loop().shutdown_asyncgens()

    # Its life

    def signalled(self, descriptor, _events):
        try:
            os.read(descriptor, 4096)
        except BlockingIOError:
            pass
        self.follow()

    def parent_gone(self, descriptor, _events):
        self.loop.remove_handler(descriptor)
        self.member.parent_gone()
        self.follow()

    def beat(self):
        """Shows that the loop runs, and has itself called again."""
        if self.timer is not None:
            self.loop.remove_timeout(self.timer)
            self.timer = None
        self.follow()
        rest = self.member.rest()
        if rest is not None:
            self.timer = self.loop.call_later(rest, self.beat)

    def follow(self):
        """Follows what the worker has been told."""
        exit_code, stops_accepting, patience = self.member.course(len(self.streams) + len(self.strays))
        if patience is not None:
            self.loop.call_later(patience, self.close_idle)
        if stops_accepting:
            # Even if the loop ends now: it has yet to do what it has been woken for, and must not accept in that.
            self.begin_to_stop()
        if exit_code is not None:
            self.exit_code = exit_code
            self.loop.stop()

    def begin_to_stop(self):
        self.is_closing = self.server.conn_params.no_keep_alive = True
        self.server.stop()
        for exchange in list(self.strays.values()):
            if (handler := exchange.websocket()) is not None:
                handler.close(SERVICE_RESTART)
        # From now on there is an end to be in time for.
        self.beat()

    def close_idle(self):
        for stream in list(self.streams):
            self.close_if_idle(stream)

    def close_if_idle(self, stream):
        """Leaves a request to arrive that has begun to, and a response to the client until it has all of it."""
        if stream.writing():
            stream.write(b"").add_done_callback(lambda _: self.close_if_idle(stream))
        elif self.streams.get(stream) is None and not stream._read_buffer_size:
            stream.close()

    # Its clients

    def connected(self, stream):
        self.member.count_connection()
        self.streams[stream] = None

    def disconnected(self, stream):
        exchange = self.streams.pop(stream, None)
        if exchange is not None:
            exchange.end()
        if self.is_closing:
            self.follow()

    def begin(self, exchange):
        exchange.lane, is_last = self.member.begin_request(exchange.method, exchange.target)
        self.streams[exchange.stream] = exchange
        if is_last:
            self.loop.add_callback(self.follow)

    def end(self, exchange):
        if exchange.stream in self.streams:
            self.streams[exchange.stream] = None
        self.member.end_request(exchange.lane, exchange.bytes_sent)
        if self.logs_access:
            self.member.log_access(exchange)

    def detached(self, stream, exchange):
        self.strays[stream] = exchange
        set_close_callback = stream.set_close_callback

        def set_further_callback(callback):
            """The stream has one, which is the application's: so ours goes before it."""
            set_close_callback(lambda: self.stray_closed(stream, callback))

        stream.set_close_callback = set_further_callback
        set_further_callback(None)
        exchange.end()
        if self.is_closing and (handler := exchange.websocket()) is not None:
            self.loop.add_callback(handler.close, SERVICE_RESTART)

    def stray_closed(self, stream, callback):
        self.strays.pop(stream, None)
        try:
            if callback is not None:
                callback()
        finally:
            if self.is_closing:
                self.follow()


def serve(app, member, descriptors, signals, parent, options):
    """Serves until the worker is to end; gives the exit code."""
    sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    return Worker(app, member, options).serve(sockets, signals, parent)

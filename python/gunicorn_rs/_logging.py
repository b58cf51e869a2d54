"""Makes Python's ``logging`` reach the server's logs, under the names that gunicorn gives its loggers."""

import io
import logging

ERROR_FORMAT = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
DATE_FORMAT = "[%Y-%m-%d %H:%M:%S %z]"


class LogStream(io.TextIOBase):
    """One of the server's logs as a stream: each write goes out whole and at once."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, write, descriptor):
        self._write = write
        self._descriptor = descriptor

    def write(self, text):
        self._write(text.encode(self.encoding, self.errors))
        return len(text)

    def writable(self):
        return True

    def fileno(self):
        return self._descriptor


def install(core, level):
    """Direct the two loggers to the logs of ``core``; ``level`` is the name of the error log's level.

    The handlers are stream handlers, because applications borrow them for their own loggers and look at their stream.
    """
    generic = logging.Formatter(ERROR_FORMAT, DATE_FORMAT)
    direct("gunicorn.error", level.upper(), generic, LogStream(core.log_error, core.error_descriptor))
    if core.access_descriptor is not None:
        message = logging.Formatter("%(message)s")
        direct("gunicorn.access", "INFO", message, LogStream(core.log_access, core.access_descriptor))


def direct(name, level, formatter, stream):
    """Give a logger one handler of ours, in place of one from before, and keep those that others gave it."""
    logger = logging.getLogger(name)
    logger.propagate = False
    logger.setLevel(level)
    for handler in list(logger.handlers):
        if getattr(handler, "_gunicorn", False):
            logger.removeHandler(handler)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    handler._gunicorn = True
    logger.addHandler(handler)

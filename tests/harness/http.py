"""A plain HTTP/1.x client that hides nothing: it shows every byte a server sent, in the order it came."""

import socket
from dataclasses import dataclass, field

READ_BYTES = 65536
TIMEOUT_SECONDS = 15.0


@dataclass
class Response:
    """One response as it was on the wire."""

    version: str
    status: int
    reason: str
    headers: list
    body: bytes = b""
    interim: list = field(default_factory=list)
    complete: bool = True
    """False if the connection ended inside the body."""
    closed: bool = False
    """True if the server closed the connection after this response."""
    extra: bytes = b""
    """Bytes that came after the response, up to the end of the connection."""

    def all(self, name):
        """All values of the header `name`, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name, default=None):
        """The first value of the header `name`."""
        return next(iter(self.all(name)), default)

    def names(self):
        """The header names in lower case, in order."""
        return [key.lower() for key, _ in self.headers]

    def text(self):
        """The body as UTF-8."""
        return self.body.decode()


class Connection:
    """One client connection to a TCP `(host, port)` or to the Unix socket at a path."""

    def __init__(self, address, timeout=TIMEOUT_SECONDS):
        self.socket = connected(address, timeout)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Closes the connection."""
        self.socket.close()

    def send(self, data):
        """Sends `data` (text is latin-1)."""
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)
        return self

    def request(self, method, target, headers=(), body=None, http="1.1"):
        """Sends a request and reads its response; a list of byte strings as `body` is sent chunked."""
        self.send(render(method, target, headers, body, http))
        return self.response(method)

    def response(self, method="GET"):
        """Reads the next final response; interim ones (1xx) are collected in it."""
        interim = []
        while True:
            response = self._head()
            if response.status >= 200 or response.status == 101:
                break
            interim.append(response)
        response.interim = interim
        self._body(response, method)
        return response

    def head(self):
        """Reads one response head and nothing behind it."""
        return self._head()

    def ended(self, timeout=TIMEOUT_SECONDS):
        """Waits for the end of the connection; returns the bytes that came before it, None if it did not come."""
        self.socket.settimeout(timeout)
        try:
            while self._fill():
                pass
        except TimeoutError:
            return None
        rest, self.buffer = self.buffer, b""
        return rest

    def _fill(self):
        try:
            data = self.socket.recv(READ_BYTES)
        except ConnectionResetError:
            return False
        self.buffer += data
        return bool(data)

    def _until(self, mark):
        while mark not in self.buffer:
            if not self._fill():
                raise ConnectionError(f"connection ended before {mark!r}; got {self.buffer[:200]!r}")
        taken, _, self.buffer = self.buffer.partition(mark)
        return taken

    def _take(self, count):
        while len(self.buffer) < count and self._fill():
            pass
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def _head(self):
        status_line, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, reason = (status_line.split(" ", 2) + ["", ""])[:3]
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        return Response(version, int(status), reason, headers)

    def _body(self, response, method):
        length = response.get("content-length")
        if method == "HEAD" or response.status in (101, 204, 304):
            pass
        elif response.get("transfer-encoding") == "chunked":
            self._chunks(response)
        elif length is not None:
            response.body = self._take(int(length))
            response.complete = len(response.body) == int(length)
        else:
            response.body = self.ended() or b""
            response.closed = True

    def _chunks(self, response):
        parts = []
        try:
            while size := int(self._until(b"\r\n").split(b";")[0], 16):
                parts.append(self._take(size))
                assert self._until(b"\r\n") == b"", "chunk without its line end"
            while self._until(b"\r\n"):
                pass
        except ConnectionError:
            response.complete = False
            response.closed = True
        response.body = b"".join(parts)


def connected(address, timeout):
    """A socket connected to `(host, port)`, or to the Unix socket at the path `address`."""
    if not isinstance(address, str):
        return socket.create_connection(address, timeout)
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(timeout)
    client.connect(address)
    return client


def render(method, target, headers=(), body=None, http="1.1"):
    """The bytes of a request; adds `Host` and the framing unless `headers` has them already."""
    headers = list(headers.items() if isinstance(headers, dict) else headers)
    given = {name.lower() for name, _ in headers}
    if "host" not in given:
        headers.insert(0, ("Host", "localhost"))
    chunked = isinstance(body, list)
    if chunked and "transfer-encoding" not in given:
        headers.append(("Transfer-Encoding", "chunked"))
    elif body is not None and not chunked and "content-length" not in given:
        headers.append(("Content-Length", str(len(body))))
    lines = [f"{method} {target} HTTP/{http}", *(f"{name}: {value}" for name, value in headers), "", ""]
    head = "\r\n".join(lines).encode("latin-1")
    return head + (chunks(body) if chunked else body or b"")


def chunks(parts):
    """`parts` in the chunked coding (RFC 9112, section 7.1)."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part) + b"0\r\n\r\n"

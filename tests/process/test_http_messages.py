"""The tables of `tests/http_messages` over sockets: what the codec says of a message is what becomes of it.

An accepted message reaches the application as the table has it. A refused one is answered by the server, names its rule
to the client and in the log, never enters the application, and nothing behind it is answered.
"""

import json
import re
import socket
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace

import pytest

from harness import KINDS, OURS, Server, app_of
from harness.messages import Accepted, Incomplete, Refused, tables

CASES = tables()
CONNECTIONS = 80
"""Connections side by side."""
LOGGED = re.compile(r"Invalid request from ip=127\.0\.0\.1: (the body ends too early|\S+)")
ENDS_EARLY = "the body ends too early"


@pytest.fixture(scope="module", params=KINDS)
def server(request):
    # The tables are written for a codec without a bound on bodies.
    args = ("--worker-class", request.param, "--keep-alive", 60, "--limit-request-body", 0)
    with Server(OURS, *args, app=app_of(request.param, "seen")) as server:
        server.shows_form = request.param != "asgi"
        yield server.start(workers=1)


def test_tables_are_read_as_a_whole():
    assert len(CASES) >= 300
    assert all(case.outcomes for case in CASES)


@pytest.mark.parametrize("size", [65536, 1], ids=["at-once", "a-byte-at-a-time"])
def test_every_message_has_its_outcome(server, size):
    log, seen = len(server.log()), counts(server)
    talks = []
    for start in range(0, len(CASES), CONNECTIONS):
        talks += talk(server, CASES[start : start + CONNECTIONS], size)
    failures = [f"{one.case.name}: {one.outcomes}, not {one.case.outcomes}" for one in talks if not one.as_expected()]
    assert not failures, "\n".join(failures)

    expected = Counter(seen)
    for one in talks:
        expected[one.port] += sum(isinstance(outcome, Accepted) for outcome in one.outcomes)
    assert counts(server) == +expected, "how often the application was entered"

    rules = Counter(outcome.rule for one in talks for outcome in one.outcomes if isinstance(outcome, Refused))
    rules[ENDS_EARLY] = sum(one.ended_early for one in talks)
    assert Counter(LOGGED.findall(server.log()[log:])) == rules, "the rules that the log names"


def counts(server):
    """How often each client's port has entered the application."""
    return Counter(json.loads(server.get("/seen").get("seen")))


def talk(server, cases, size):
    """Sends all cases, each on a connection of its own, `size` bytes at a time in turn, and reads what comes."""
    with ExitStack() as open_connections:
        talks = [Talk(open_connections.enter_context(server.connect()), case, server.shows_form) for case in cases]
        for at in range(0, max(len(case.data) for case in cases), size):
            for one in talks:
                one.send(one.case.data[at : at + size])
        # The one worker has had the bytes of all before it answers this.
        counts(server)
        for one in talks:
            one.check_open()
        for one in talks:
            one.finish()
    return talks


class Talk:
    """One connection, its case, and what came of it."""

    def __init__(self, connection, case, shows_form):
        self.connection = connection
        self.shows_form = shows_form
        self.case = case
        self.outcomes = []
        self.ended_early = False
        self.port = str(connection.socket.getsockname()[1])
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data):
        """Sends on; a server that has closed the connection needs no more."""
        try:
            self.connection.send(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def check_open(self):
        """A message that is not complete keeps the connection open, and the client without an answer to it."""
        if self.case.complete:
            return
        wire = self.connection.socket
        wire.setblocking(False)
        try:
            while data := wire.recv(65536):
                self.connection.buffer += data
            raise AssertionError(f"{self.case.name}: closed after {self.connection.buffer!r}")
        except BlockingIOError:
            pass
        finally:
            wire.settimeout(15.0)
        assert b" 400 " not in self.connection.buffer, self.case.name

    def finish(self):
        """Ends the client's side, and reads all answers up to the end of the connection."""
        try:
            self.connection.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # It has been closed by the server.
        expected = iter(self.case.outcomes)
        while (outcome := self._next(next(expected, None))) is not None:
            self.outcomes.append(outcome)
        assert self.connection.buffer == b"", f"{self.case.name}: {self.connection.buffer!r} is no response"
        if not self.case.complete:
            self._note_incomplete()

    def _next(self, expected):
        """What the next response tells; None at the end of the connection."""
        message = expected if isinstance(expected, Accepted) else None
        try:
            response = self.connection.response(message.method if message else "GET")
        except ConnectionError:
            return None
        may_continue = not message or message.expects_continue
        assert [hint.status for hint in response.interim] in ([[], [100]] if may_continue else [[]]), self.case.name
        if response.status == 200:
            return saw(response, message)
        rule = re.search(r"</h1>(\S*)", response.text())
        assert response.get("connection") == "close", f"{self.case.name}: {response}"
        return Refused(response.status, rule[1].partition("<")[0])

    def _note_incomplete(self):
        """To a head that ends too early nobody waits for an answer; a body that does is a bad message."""
        self.ended_early = self.outcomes[-1:] == [Refused(400, "")]
        self.outcomes[len(self.outcomes) - self.ended_early :] = [Incomplete()]

    def as_expected(self):
        """Whether all has come as the table says, as far as the application could see it."""
        shown = (lambda outcome: outcome) if self.shows_form else without_form
        return [shown(outcome) for outcome in self.outcomes] == [shown(outcome) for outcome in self.case.outcomes]


def without_form(outcome):
    """An outcome as an ASGI scope can show it: path and query, not which form of the target they came in."""
    if not isinstance(outcome, Accepted):
        return outcome
    target = re.sub(r"^https?://[^/?]*|^[^/?]*:(?=\d+$)", "", outcome.target, flags=re.IGNORECASE)
    return replace(outcome, target=target.removesuffix("?") if target[:1] not in ("", "?") else "/" + target.removesuffix("?"))


def saw(response, expected):
    """The message as the application saw it; its fields as the table has them, if they are the same."""
    seen = json.loads(response.get("seen"))
    fields = seen["fields"]
    assert not {"CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"} <= fields.keys(), fields
    if "HTTP_TRANSFER_ENCODING" not in fields:
        assert int(fields.get("CONTENT_LENGTH", 0)) == len(seen["body"]), seen
    shown = tuple(sorted(fields.items()))
    if expected and (expected.fields is None or environ(expected.fields) == fields):
        shown = expected.fields
    version = seen["version"].removeprefix("HTTP/")
    body = seen["body"].encode("latin-1")
    return Accepted(seen["method"], seen["target"], version, response.get("connection"), body, shown)


def environ(fields):
    """The fields as PEP 3333 has them: repeated ones joined, and none whose name could be taken for another's."""
    values = {}
    for name, value in fields:
        if "_" not in name:
            key = name.upper().replace("-", "_")
            values.setdefault(key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}", []).append(value)
    return {key: ",".join(all_of_it) for key, all_of_it in values.items()}

"""The tables of messages in `tests/http_messages`, which the codec's own tests read too. Its README has the format."""

import re
from dataclasses import dataclass, field
from pathlib import Path

TABLES = Path(__file__).resolve().parents[1] / "http_messages"
ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|([rnt0\\]))")
PLAIN = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}
LINE = re.compile(r'= (\S+) (\S+) (\S+) (keep-alive|close)( 100-continue)?(?: "(.*)")?')


@dataclass(frozen=True)
class Accepted:
    """A message as the application must see it."""

    method: str
    target: str
    version: str
    connection: str
    body: bytes = b""
    fields: tuple | None = None
    """Names and values, if the table has them."""
    expects_continue: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Refused:
    """A message that is answered by the server itself."""

    status: int
    rule: str


@dataclass(frozen=True)
class Incomplete:
    """A message whose end does not come."""


@dataclass
class Case:
    """What a client sends, and what becomes of it."""

    name: str
    data: bytes = b""
    outcomes: list = field(default_factory=list)

    @property
    def complete(self):
        """Whether the bytes end with a message, and not within one."""
        return Incomplete() not in self.outcomes


def tables():
    """All cases of all tables."""
    return [case for path in sorted(TABLES.glob("*.txt")) for case in read(path)]


def read(path):
    """The cases of one table."""
    cases = []
    for line in path.read_text().split("\n"):
        mark, _, rest = line.partition(" ")
        match mark:
            case "" | "#":
                pass
            case "case":
                cases.append(Case(f"{path.name}: {rest}"))
            case ">":
                cases[-1].data += unescape(rest)
            case "=":
                cases[-1].outcomes.append(accepted(line))
            case "+":
                cases[-1].outcomes[-1] = with_field(cases[-1].outcomes[-1], rest)
            case "!":
                status, rule = rest.split(" ")
                cases[-1].outcomes.append(Refused(int(status), rule))
            case "...":
                cases[-1].outcomes.append(Incomplete())
            case _:
                raise ValueError(f"{path.name}: what is {line!r}?")
    return cases


def accepted(line):
    """The message of an outcome line."""
    method, target, version, connection, expects, body = LINE.fullmatch(line).groups()
    target = unescape(target).decode("latin-1")
    return Accepted(method, target, version, connection, unescape(body or ""), expects_continue=bool(expects))


def with_field(message, text):
    """The message with one field more."""
    name, _, value = text.partition(": ")
    fields = (*(message.fields or ()), (name, unescape(value).decode("latin-1")))
    return Accepted(**{**vars(message), "fields": fields})


def unescape(text):
    """The bytes that a table writes as `text`."""
    return ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()) if found[1] else PLAIN[found[2]], text.encode())

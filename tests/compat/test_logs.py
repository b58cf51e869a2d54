"""The lines of the error log and of the access log, and where they go."""

import re

import pytest

from harness import WORKER, Server, documented

ERROR_LINE = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[(\d+)\] \[(\w+)\] (.*)"
ACCESS_LINE = (
    r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /path\?q=1 HTTP/1\.1" 200 14 "%s" "%s"'
)


def test_lines_of_a_life(serve):
    server = serve("--workers", 1).start(workers=1)
    [worker] = server.workers()
    server.stop()
    lines = [match.groups() for match in re.finditer(f"^{ERROR_LINE}$", server.log(), re.MULTILINE)]
    assert all(level == "INFO" for _, level, _ in lines)
    master, texts = str(server.pid), [text for _, _, text in lines]
    assert lines[0][0] == master and re.fullmatch(rf"Starting {server.kind} \d+\.\d+\.\d+", texts[0])
    assert re.fullmatch(rf"Listening at: http://127\.0\.0\.1:\d+ \({master}\)", texts[1])
    assert texts[2] == f"Using worker: {WORKER}"
    assert (str(worker), "INFO", f"Booting worker with pid: {worker}") in lines
    assert "Handling signal: term" in texts
    assert (str(worker), "INFO", f"Worker exiting (pid: {worker})") in lines
    assert lines[-1] == (master, "INFO", "Shutting down: Master")


@pytest.mark.parametrize("level, seen", [
    ("debug", ["debug", "info", "warning", "error", "critical"]), ("info", ["info", "warning", "error", "critical"]),
    ("warning", ["warning", "error", "critical"]), ("error", ["error", "critical"]), ("critical", ["critical"]),
])
def test_level(serve, level, seen):
    server = serve("--log-level", level, "--access-logfile", "-", bind="unix:probe.sock").launch()
    server.wait_log("probe loaded")
    server.get("/log", address=str(server.path("probe.sock")))
    server.wait_log("application says critical")
    said = re.findall(rf"^{ERROR_LINE}$", server.log(), re.MULTILINE)
    assert [text.split()[-1] for _, _, text in said if text.startswith("application says")] == seen


def test_the_applications_ways_to_the_log(serve):
    server = serve().start(workers=1)
    [worker] = server.workers()
    server.get("/log")
    match = server.wait_log(rf"^{ERROR_LINE.replace('(.*)', 'application says warning')}$")
    assert match.groups() == (str(worker), "WARNING")
    server.wait_log("^application writes to wsgi.errors$")
    server.wait_log("^application prints to stderr$")
    server.wait_log("^application prints to stdout$", "stdout")


def test_capture_output(serve):
    server = serve("--capture-output", "--error-logfile", "error.log", bind="unix:probe.sock").launch()
    server.wait_log("probe loaded", "error.log")
    server.get("/log", address=str(server.path("probe.sock")))
    for words in ("prints to stdout", "prints to stderr", "says error", "writes to wsgi.errors"):
        server.wait_log(f"application {words}", "error.log")


ATOMS = [
    *"hlurmUqHsbBfaTDMLp", "{x-in}i", "{X-In}i", "{content-type}o", "{x-missing}o", "{REQUEST_METHOD}e", "{missing}e",
]


@pytest.fixture(scope="module")
def atoms(kind):
    """Every atom of one request's line."""
    line = "|".join(f"%({name})s" for name in ATOMS)
    with Server(kind, "--access-logfile", "access.log", "--access-logformat", f"<<{line}>>") as server:
        server.start(workers=1)
        server.get("/log?a=b", headers={"X-In": "in", "Authorization": "Basic dXNlcjpwYXNz"})
        match = server.wait_log(r"<<(.*)>>", "access.log")
    return dict(zip(ATOMS, match[1].split("|"), strict=True))


class TestAccessLog:
    """The access log's default format and its atoms."""

    def test_off_by_default(self, serve):
        server = serve().start(workers=1)
        server.get("/path?q=1")
        server.stop()
        assert "/path" not in server.log() + server.log("stdout")

    def test_default_format(self, serve):
        server = serve("--access-logfile", "-").start(workers=1)
        server.get("/path?q=1", headers={"Referer": "http://a/", "User-Agent": "probe/1"})
        server.wait_log("^" + ACCESS_LINE % ("http://a/", "probe/1") + "$", "stdout")

    def test_missing_headers_are_dashes(self, serve):
        server = serve("--access-logfile", "access.log").start(workers=1)
        server.get("/path?q=1")
        server.wait_log("^" + ACCESS_LINE % ("-", "-") + "$", "access.log")

    @pytest.mark.parametrize("atom, value", [
        ("h", r"127\.0\.0\.1"), ("l", "-"), ("u", "user"), ("r", r"GET /log\?a=b HTTP/1\.1"), ("m", "GET"), ("U", "/log"),
        ("q", "a=b"), ("H", r"HTTP/1\.1"), ("s", "200"), ("b", "7"), ("B", "7"), ("f", "-"), ("a", "-"), ("T", "0"),
        ("D", r"\d+"), ("M", r"\d+"), ("L", r"0\.\d{6}"), ("p", r"<\d+>"), ("{x-in}i", "in"), ("{X-In}i", "in"),
        ("{content-type}o", "text/plain"), ("{x-missing}o", "-"), ("{REQUEST_METHOD}e", "GET"), ("{missing}e", "-"),
    ])
    def test_atom(self, atoms, atom, value):
        assert re.fullmatch(value, atoms[atom]), atoms[atom]

    def test_no_line_can_be_forged(self, serve):
        server = serve("--access-logfile", "access.log").start(workers=1)
        server.get("/", headers={"User-Agent": 'a" "forged'})
        server.wait_log(r'"a\\"|"a\\x22|a" "forged', "access.log")
        assert server.log("access.log").count("\n") == 1

    @pytest.mark.parametrize("difference, header, atom, theirs, ours", [
        ("access-log-escapes", ("User-Agent", "caf\xe9\tq"), "a", "caf\xe9\tq", r"caf\xE9\x09q"),
        ("access-log-escapes", ("User-Agent", "a\\z"), "a", "a\\z", r"a\\z"),
        ("access-log-basic", ("Authorization", "Basic dXNlcjpwYXNz!!"), "u", "user", "-"),
    ])
    def test_values_on_purpose_otherwise(self, serve, difference, header, atom, theirs, ours):
        server = serve("--access-logfile", "access.log", "--access-logformat", f"<<%({atom})s>>").start(workers=1)
        server.get("/", headers=[header])
        value = server.wait_log(r"<<(.*)>>", "access.log")[1]
        assert value == documented(server.kind, difference, gunicorn=theirs, ours=ours)

    def test_repeated_headers(self, serve):
        server = serve("--access-logfile", "access.log", "--access-logformat", "<<%({x-a}i)s %({set-cookie}o)s>>")
        server.start(workers=1)
        server.get("/headers", headers=[("X-A", "1"), ("X-A", "2")])
        expected = documented(
            server.kind, "access-log-repeated", gunicorn="2 b=2; Path=/", ours="1,2 a=1,b=2; Path=/"
        )
        assert server.wait_log(r"<<(.*)>>", "access.log")[1] == expected

    def test_format_that_is_json(self, serve):
        server = serve("--access-logfile", "access.log", "--access-logformat", '{"path": "%(U)s"}').start(workers=1)
        server.get("/a%0Ab%22")
        server.wait_log('^{"path": ', "access.log")
        expected = documented(
            server.kind, "access-log-json", gunicorn='{"path": "/a\nb\\""}\n', ours='{"path": "/a\\u000ab\\""}\n'
        )
        assert server.log("access.log") == expected

    def test_refused_requests_are_lines_too(self, serve):
        server = serve("--access-logfile", "access.log").start(workers=1)
        server.get("/raise")
        server.wait_log(r'"GET /raise HTTP/1\.1" 500 ', "access.log")

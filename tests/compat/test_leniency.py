"""Settings that loosen what is accepted: each takes what it is for, on both servers alike."""

import json

import pytest

from harness import documented

HOST = "Host: a\r\n"


def environ(server, request):
    """What the application saw of a request for `/environ`, or the status that refused it."""
    response = server.exchange(request)
    if response.status != 200:
        return response.status
    return {key: value[1] for key, value in json.loads(response.body).items()}


FOLDED = f"GET /environ HTTP/1.1\r\n{HOST}X-A: 1\r\n 2\r\n\t3\r\nX-B: 4\r\n\r\n"
SPACED = f"GET /environ HTTP/1.1\r\n{HOST}X-A \t: 1\r\n\r\n"
METHOD = f"ge#t /environ HTTP/1.1\r\n{HOST}\r\n"
VERSION = f"GET /environ HTTP/1.7\r\n{HOST}\r\n"
LOWER = f"get /environ HTTP/1.1\r\n{HOST}\r\n"
FLAGS = {
    "--permit-obsolete-folding": (FOLDED, {"HTTP_X_A": "1 2 3", "HTTP_X_B": "4"}),
    "--strip-header-spaces": (SPACED, {"HTTP_X_A": "1"}),
    "--permit-unconventional-http-method": (METHOD, {"REQUEST_METHOD": "ge#t"}),
    "--permit-unconventional-http-version": (VERSION, {"SERVER_PROTOCOL": "HTTP/1.7"}),
}


@pytest.mark.parametrize("flag", FLAGS)
def test_flag_takes_what_it_is_for(serve, flag):
    server = serve(flag).start(workers=1)
    request, expected = FLAGS[flag]
    seen = environ(server, request)
    assert {key: seen[key] for key in expected} == expected
    for other, (refused, _) in FLAGS.items():
        if other not in (flag, "--permit-unconventional-http-version"):
            assert environ(server, refused) == 400, other


def test_higher_minor_version(serve):
    server = serve().start(workers=1)
    status = documented(server.kind, "minor-version", gunicorn=200, ours=505)
    assert server.exchange(VERSION).status == status


def test_version_that_is_answered(serve):
    server = serve("--permit-unconventional-http-version").start(workers=1)
    response = server.exchange(VERSION.replace("1.7", "1.2"))
    expected = documented(server.kind, "answered-version", gunicorn="HTTP/1.2", ours="HTTP/1.1")
    assert (response.status, response.version) == (200, expected)


def test_casefold_goes_with_unconventional_methods(serve):
    server = serve("--casefold-http-method", "--permit-unconventional-http-method").start(workers=1)
    assert environ(server, LOWER)["REQUEST_METHOD"] == "GET"


def test_casefold_alone(serve):
    server = serve("--casefold-http-method").start(workers=1)
    seen = environ(server, LOWER)
    status = seen if isinstance(seen, int) else 200
    assert status == documented(server.kind, "casefold-alone", gunicorn=400, ours=200)


def test_folded_field_keeps_its_limit(serve):
    server = serve("--permit-obsolete-folding", "--limit-request-field_size", 60).start(workers=1)
    lines = "".join(f" {'x' * 15}\r\n" for _ in range(2))
    assert environ(server, f"GET /environ HTTP/1.1\r\n{HOST}X-A: 1\r\n{lines}\r\n")["HTTP_X_A"].startswith("1 xxx")
    assert environ(server, f"GET /environ HTTP/1.1\r\n{HOST}X-A: 1\r\n{lines}{lines}\r\n") == 431

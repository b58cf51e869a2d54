"""What a proxy in front tells: scheme, mount point, names with an underscore, and the PROXY protocol."""

import json
import socket
import struct

import pytest

from harness import documented, eventually, render

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 5555 80\r\n"


def v2(command=1, family=0x11, addresses=None, tail=b""):
    """A header of the binary form."""
    if addresses is None:
        addresses = socket.inet_aton("192.0.2.7") + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 5555, 80)
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack("!H", len(addresses + tail)) + addresses + tail


def environ(server, headers=(), target="/environ", before=b"", status=200):
    """What the application saw; `status` is what is expected."""
    with server.connect() as connection:
        response = connection.send(before + render("GET", target, headers)).response()
    assert response.status == status, response
    return {key: value[1] for key, value in json.loads(response.body).items()} if status == 200 else None


UNDERSCORE = [("X_A", "1"), ("X-A", "2")]
FORWARDED = [("X-Forwarded-Proto", "https")]


@pytest.mark.parametrize("header_map, expected", [("drop", "2"), ("dangerous", "1,2"), ("refuse", None)])
def test_header_map(serve, header_map, expected):
    server = serve("--header-map", header_map).start(workers=1)
    if expected is None:
        environ(server, UNDERSCORE, status=400)
        assert environ(server, UNDERSCORE[1:])["HTTP_X_A"] == "2"
    else:
        assert environ(server, UNDERSCORE)["HTTP_X_A"] == expected


@pytest.mark.parametrize("header_map", ["drop", "refuse"])
def test_forwarder_headers(serve, header_map):
    server = serve("--forwarder-headers", "REMOTE_USER,SCRIPT_NAME", "--header-map", header_map).start(workers=1)
    seen = environ(server, [("REMOTE_USER", "me"), ("script_name", "/environ")], "/environ/environ")
    assert (seen["HTTP_REMOTE_USER"], seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("me", "/environ", "/environ")


def test_all_forwarder_headers(serve):
    server = serve("--forwarder-headers", "*").start(workers=1)
    assert environ(server, UNDERSCORE)["HTTP_X_A"] == "1,2"


@pytest.mark.parametrize("allowed, scheme", [
    ("127.0.0.1", "https"), ("127.0.0.0/8", "https"), ("*", "https"), ("10.0.0.0/8,127.0.0.1", "https"),
    ("10.0.0.0/8", "http"), ("::1", "http"), ("", "http"),
])
def test_forwarded_allow_ips(serve, allowed, scheme):
    server = serve(f"--forwarded-allow-ips={allowed}").start(workers=1)
    assert environ(server, FORWARDED)["wsgi.url_scheme"] == scheme


def test_forwarded_allow_ips_of_the_environment(serve):
    server = serve(env={"FORWARDED_ALLOW_IPS": "10.0.0.0/8"}).start(workers=1)
    assert environ(server, FORWARDED)["wsgi.url_scheme"] == "http"


def test_untrusted_peer_contradicts_nobody(serve):
    server = serve("--forwarded-allow-ips", "10.0.0.1").start(workers=1)
    seen = environ(server, [*FORWARDED, ("X-Forwarded-Ssl", "off"), ("SCRIPT_NAME", "/x")])
    assert (seen["wsgi.url_scheme"], seen["SCRIPT_NAME"]) == ("http", "")


def test_dangerous_map_and_the_mount_point(serve):
    server = serve("--forwarded-allow-ips", "10.0.0.1", "--header-map", "dangerous").start(workers=1)
    seen = environ(server, [("SCRIPT_NAME", "/environ")], "/environ/environ")
    assert seen["SCRIPT_NAME"] == documented(server.kind, "mount-point-of-trusted", gunicorn="/environ", ours="")


def test_secure_scheme_headers(serve):
    server = serve()
    server.write("gunicorn.conf.py", "secure_scheme_headers = {'X-SCHEME': 'safe'}\n")
    server.start(workers=1)
    assert environ(server, [("X-Scheme", "safe")])["wsgi.url_scheme"] == "https"
    assert environ(server, [("X-Scheme", "SAFE")])["wsgi.url_scheme"] == "http"
    assert environ(server, FORWARDED)["wsgi.url_scheme"] == "http"


def proxied(seen):
    """The variables that a PROXY protocol header sets."""
    names = ("PROXY_PROTOCOL", "REMOTE_ADDR", "REMOTE_PORT", "PROXY_ADDR", "PROXY_PORT")
    return [seen.get(name) for name in names]


TOLD = ["TCP4", "192.0.2.7", "5555", "198.51.100.1", "80"]


@pytest.mark.parametrize("mode, header, works", [
    ("v1", V1, True), ("v2", v2(), True), ("auto", V1, True), ("auto", v2(tail=b"\4\0\1x"), True),
    ("v1", v2(), False), ("v2", V1, False), ("off", V1, False),
])
def test_proxy_protocol(serve, mode, header, works):
    server = serve("--proxy-protocol", mode).start(workers=1)
    if works:
        assert proxied(environ(server, before=header)) == TOLD
    else:
        environ(server, before=header, status=400)
    assert environ(server)["REMOTE_ADDR"] == "127.0.0.1"


def test_proxy_protocol_flag_alone(serve):
    server = serve("--proxy-protocol", "--workers", 1).start(workers=1)
    assert proxied(environ(server, before=V1)) == TOLD


def test_proxy_header_in_small_pieces(serve):
    server = serve("--proxy-protocol", "auto").start(workers=1)
    for header in (V1, v2()):
        with server.connect() as connection:
            for byte in header:
                connection.send(bytes([byte]))
            response = connection.send(render("GET", "/environ")).response()
        assert json.loads(response.body)["REMOTE_ADDR"][1] == "192.0.2.7"


def test_proxy_header_of_a_forbidden_peer(serve):
    server = serve("--proxy-protocol", "auto", "--proxy-allow-from", "10.0.0.0/8").start(workers=1)
    environ(server, before=V1, status=403)
    environ(server, before=v2(), status=403)
    assert environ(server)["REMOTE_ADDR"] == "127.0.0.1"


def test_bad_proxy_headers(serve):
    server = serve("--proxy-protocol", "auto").start(workers=1)
    for header in (
        b"PROXY TCP4 192.0.2.7 198.51.100.1 5555\r\n", b"PROXY TCP4 192.0.2.7 ::1 5555 80\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 80\r\n", b"PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n",
    ):
        environ(server, before=header, status=400)
    status = documented(server.kind, "bad-binary-proxy-header", gunicorn=500, ours=400)
    for header in (v2(command=2), v2(family=0x12), v2(addresses=b"short"), SIGNATURE + b"\x11\x11\0\0"):
        environ(server, before=header, status=status)


def test_proxy_that_speaks_for_itself(serve):
    server = serve("--proxy-protocol", "auto").start(workers=1)
    seen = environ(server, before=v2(command=0, family=0, addresses=b""))
    expected = documented(server.kind, "proxy-without-address", gunicorn=None, ours="127.0.0.1")
    assert (seen["PROXY_PROTOCOL"], seen["REMOTE_ADDR"]) == ("LOCAL", expected)


def test_proxy_of_unknown_transport(serve):
    server = serve("--proxy-protocol", "auto").start(workers=1)
    environ(server, before=b"PROXY UNKNOWN\r\n", status=documented(
        server.kind, "proxy-unknown", gunicorn=400, ours=200))


def test_proxied_client_is_in_the_access_log(serve):
    server = serve("--proxy-protocol", "auto", "--access-logfile", "-", "--access-logformat", "from %(h)s").start(workers=1)
    environ(server, before=V1)
    eventually(lambda: "from 192.0.2.7" in server.log("stdout"), what="the line")


def test_root_path(serve):
    server = serve("--root-path", "/api").start(workers=1)
    seen = environ(server, target="/api/environ" if server.ours else "/environ")
    assert seen["PATH_INFO"] == "/environ"
    assert seen["SCRIPT_NAME"] == documented(server.kind, "root-path-wsgi", gunicorn="", ours="/api")
    assert environ(server)["PATH_INFO"] == "/environ"

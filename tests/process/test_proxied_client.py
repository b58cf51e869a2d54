"""Who the client is, where a trusted proxy says so: for the application and for the access log."""

import json

import pytest

from harness import eventually

XFF, FORWARDED = "X-Forwarded-For", "Forwarded"

CASES = [
    ("x-forwarded-for", [(XFF, "198.51.100.7")], "198.51.100.7", "0"),
    ("x-forwarded-for", [(XFF, "203.0.113.9, 198.51.100.7, 10.1.2.3")], "198.51.100.7", "0"),
    ("x-forwarded-for", [(XFF, "203.0.113.9"), (XFF, "198.51.100.7:4711")], "198.51.100.7", "4711"),
    ("x-forwarded-for", [(XFF, "10.1.1.1, 10.2.2.2")], "10.1.1.1", "0"),
    ("x-forwarded-for", [(XFF, "unknown")], "127.0.0.1", None),
    ("x-forwarded-for", [(FORWARDED, "for=198.51.100.7")], "127.0.0.1", None),
    ("forwarded", [(FORWARDED, 'for=203.0.113.9;proto=https, for="[2001:db8::7]:99"')], "2001:db8::7", "99"),
    ("forwarded", [(FORWARDED, "for=_hidden, for=10.0.0.1")], "10.0.0.1", "0"),
    ("off", [(XFF, "198.51.100.7"), (FORWARDED, "for=198.51.100.7")], "127.0.0.1", None),
]


@pytest.mark.parametrize("which, headers, address, port", CASES)
def test_client_that_a_trusted_proxy_names(serve, which, headers, address, port):
    server = serve(
        "--forwarded-client", which, "--forwarded-allow-ips", "127.0.0.1,10.0.0.0/8",
        "--access-logfile", "-", "--access-logformat", "from %(h)s by %({remote_addr}e)s",
    ).start(workers=1)
    environ = {key: value[1] for key, value in json.loads(server.get("/environ", headers=headers).body).items()}
    assert environ["REMOTE_ADDR"] == address
    assert port is None or environ["REMOTE_PORT"] == port
    eventually(lambda: f"from {address} by {address}" in server.log("stdout"), what="the line of the access log")


def test_client_behind_a_proxy_that_only_forwards_bytes_names_nobody_else(serve):
    server = serve("--forwarded-client", "x-forwarded-for", "--proxy-protocol", "auto").start(workers=1)
    for source, believed in [("203.0.113.9", "203.0.113.9"), ("127.0.0.1", "10.6.6.6")]:
        with server.connect() as client:
            client.send(f"PROXY TCP4 {source} 198.51.100.1 4000 80\r\n")
            environ = json.loads(client.request("GET", "/environ", [(XFF, "10.6.6.6")]).body)
        assert environ["REMOTE_ADDR"][1] == believed


def test_nobody_else_is_believed(serve):
    server = serve("--forwarded-client", "x-forwarded-for", "--forwarded-allow-ips", "10.0.0.0/8").start(workers=1)
    environ = json.loads(server.get("/environ", headers={XFF: "198.51.100.7"}).body)
    assert environ["REMOTE_ADDR"][1] == "127.0.0.1"
    assert environ["HTTP_X_FORWARDED_FOR"][1] == "198.51.100.7"

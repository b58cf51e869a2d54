//! Request bodies: by length, by chunks, long, announced, cut short.

use std::io::Write;
use std::net::Shutdown;

use super::server::{Plan, Server};

#[test]
fn a_body_arrives_whole() {
    let server = Server::start();
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde");
    assert_eq!(client.response().text(), "abcde");
}

#[test]
fn chunks_are_put_together() {
    let server = Server::start();
    let mut client = server.connect();
    let body = "3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n";
    let request = format!("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    client.send(&request.repeat(2));
    assert_eq!(client.response().text(), "abc0123456789");
    assert_eq!(client.response().text(), "abc0123456789");
}

#[test]
fn every_cut_of_a_chunked_request_gives_the_same() {
    let server = Server::start();
    let mut client = server.connect();
    let request =
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    client.stream.set_nodelay(true).unwrap();
    for byte in request.as_bytes() {
        client.stream.write_all(&[*byte]).unwrap();
        std::thread::yield_now();
    }
    assert_eq!(client.response().text(), "abcde");
}

#[test]
fn a_long_body_is_kept_in_a_file() {
    let server = Server::start();
    for (length, kind) in [(500_000, "memory"), (3_000_000, "file")] {
        let mut client = server.connect();
        let body: Vec<u8> = (0..length).map(|number: u32| (number % 251) as u8).collect();
        client.send(&format!("POST /kind HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        client.stream.write_all(&body).unwrap();
        assert_eq!(client.response().text(), kind);
        client.send(&format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        client.stream.write_all(&body).unwrap();
        assert!(client.response().body == body);
    }
}

#[test]
fn a_body_that_cannot_be_kept_is_the_servers_fault() {
    let server = Server::with(Plan::with(|config| config.temp_dir = "/nowhere".into()));
    let mut client = server.connect();
    client.send("POST /kind HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n");
    client.stream.write_all(&[0; 600_000]).unwrap();
    assert_eq!(client.response().status, 500);
}

#[test]
fn a_client_that_waits_for_100_gets_it() {
    let server = Server::start();
    let mut client = server.connect();
    for _ in 0..2 {
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
        assert_eq!(client.response().status, 100);
        client.send("ab");
        assert_eq!(client.response().text(), "ab");
    }
}

#[test]
fn a_client_that_does_not_wait_for_100_does_not_get_it() {
    let server = Server::start();
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab");
    assert_eq!(client.response().status, 200);
}

#[test]
fn a_body_that_ends_too_early_is_refused() {
    let server = Server::start();
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.response().status, 400);
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_bad_chunk_is_refused() {
    let server = Server::start();
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    assert_eq!(client.response().status, 400);
    assert_eq!(client.rest(), b"");
}

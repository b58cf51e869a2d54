//! How a worker ends: told to stop, at the end of its requests, left by its master.

use std::time::Duration;

use gunicorn::worker::control::Stop;

use super::server::{LIMIT, Plan, Server, eventually};

#[test]
fn a_graceful_stop_answers_what_has_begun_to_arrive() {
    let mut server = Server::start();
    let mut idle = server.connect();
    assert_eq!(idle.get("/").header("Connection"), Some("keep-alive"));
    let mut begun = server.connect();
    begun.get("/");
    begun.send("GET / HT");
    server.get("/");
    let mut reader = server.connect();
    reader.send("GET /large?900000 HTTP/1.1\r\nHost: a\r\n\r\n");
    server.get("/");
    server.tell(Stop::Graceful);
    assert_eq!(idle.rest(), b"");
    eventually("no listener is left", || std::net::TcpStream::connect(server.address).is_err());
    assert!(server.is_running());
    begun.send("TP/1.1\r\nHost: a\r\n\r\n");
    let response = begun.response();
    assert_eq!((response.text(), response.header("Connection")), ("hello", Some("close")));
    assert_eq!(begun.rest(), b"");
    assert_eq!(reader.response().body.len(), 900_000);
    assert_eq!(server.join(), 0);
}

#[test]
fn a_graceful_stop_has_an_end() {
    let mut server = Server::with(Plan { graceful_timeout: Duration::from_millis(100), ..Plan::default() });
    let mut begun = server.connect();
    begun.send("GET / HT");
    server.get("/");
    server.tell(Stop::Graceful);
    assert_eq!(server.join(), 0);
    assert_eq!(begun.rest(), b"");
}

#[test]
fn a_quick_stop_waits_for_nobody() {
    let mut server = Server::start();
    let mut begun = server.connect();
    begun.send("GET / HT");
    server.get("/");
    server.tell(Stop::Quick);
    assert_eq!(server.join(), 0);
}

#[test]
fn a_worker_ends_after_its_last_request() {
    let mut server = Server::with(Plan { max_requests: Some(3), ..Plan::default() });
    let mut client = server.connect();
    assert_eq!(client.get("/").header("Connection"), Some("keep-alive"));
    assert_eq!(client.get("/").header("Connection"), Some("keep-alive"));
    assert_eq!(client.get("/").header("Connection"), Some("close"));
    assert_eq!(server.join(), 0);
}

#[test]
fn a_worker_does_not_outlive_its_master() {
    let mut server = Server::with(Plan { graceful_timeout: LIMIT, ..Plan::default() });
    let mut client = server.connect();
    client.get("/");
    server.abandon();
    assert_eq!(server.join(), 0);
    assert_eq!(client.rest(), b"");
}

//! How a worker ends: told to stop, at the end of its requests, left by its master.

use std::time::{Duration, Instant};

use gunicorn::master::protocol::{Word, decode_words};
use gunicorn::reactor::ReactorConfig;
use gunicorn::sys::fd;
use gunicorn::worker::Resignation;
use gunicorn::worker::control::Stop;

use super::server::{LIMIT, Plan, Server, eventually, pipe};

/// Longer than any test waits.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// Connections may be idle for so long, and the worker may take any time to end.
fn keeping(keepalive: Duration) -> Plan {
    let config = ReactorConfig { keepalive: Some(keepalive), ..ReactorConfig::default() };
    Plan { config, graceful_timeout: FOR_EVER, ..Plan::default() }
}

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
    eventually("no listener is left", || std::net::TcpStream::connect(server.address).is_err());
    assert_eq!(idle.get("/").header("Connection"), Some("close"));
    assert_eq!(idle.rest(), b"");
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
fn idle_connections_hold_up_a_graceful_stop_for_a_moment_only() {
    let mut server = Server::with(keeping(FOR_EVER));
    let mut idle = server.connect();
    idle.get("/");
    server.tell(Stop::Graceful);
    assert_eq!(idle.rest(), b"");
    assert_eq!(server.join(), 0);
}

#[test]
fn a_worker_that_is_to_be_recycled_serves_until_it_is_told_to_stop() {
    let (master, resigned) = pipe();
    let resignation = Some(Resignation::new(resigned.into(), 7));
    let mut server = Server::with(Plan { max_requests: Some(1), resignation, ..keeping(FOR_EVER) });
    let mut idle = server.connect();
    assert_eq!(idle.get("/").header("Connection"), Some("keep-alive"));
    let mut told = [0; 64];
    let length = fd::read(&master, &mut told).unwrap();
    assert!(matches!(decode_words(&told[..length]).collect::<Vec<_>>()[..], [Word::Resigned { slot: 7, .. }]));
    assert_eq!(idle.get("/").header("Connection"), Some("keep-alive"));
    assert_eq!(server.get("/").status, 200);
    server.tell(Stop::Graceful);
    eventually("no listener is left", || std::net::TcpStream::connect(server.address).is_err());
    assert_eq!(idle.get("/").header("Connection"), Some("close"));
    assert_eq!(server.join(), 0);
}

#[test]
fn a_worker_that_was_replaced_lets_connections_live_out_their_time() {
    let keepalive = Duration::from_millis(2500);
    let (_master, resigned) = pipe();
    let resignation = Some(Resignation::new(resigned.into(), 7));
    let mut server = Server::with(Plan { max_requests: Some(1), resignation, ..keeping(keepalive) });
    let mut idle = server.connect();
    let before = Instant::now();
    idle.get("/");
    server.tell(Stop::Graceful);
    assert_eq!(idle.rest(), b"");
    assert!(before.elapsed() >= keepalive);
    assert_eq!(server.join(), 0);
}

#[test]
fn a_worker_that_was_replaced_hurries_when_it_is_told_again() {
    let (_master, resigned) = pipe();
    let resignation = Some(Resignation::new(resigned.into(), 7));
    let mut server = Server::with(Plan { max_requests: Some(1), resignation, ..keeping(FOR_EVER) });
    let mut idle = server.connect();
    idle.get("/");
    server.tell(Stop::Graceful);
    eventually("no listener is left", || std::net::TcpStream::connect(server.address).is_err());
    assert!(server.is_running());
    server.tell(Stop::Graceful);
    assert_eq!(idle.rest(), b"");
    assert_eq!(server.join(), 0);
}

#[test]
fn a_worker_that_nobody_replaces_ends_after_its_last_request() {
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

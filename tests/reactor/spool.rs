//! What a worker keeps for slow clients, and the bounds on it: memory, then files, then waiting.

use std::io::{Read, Write};
use std::time::Duration;

use gunicorn::reactor::ReactorConfig;
use gunicorn::worker::control::Stop;

use super::server::{Client, Plan, Server, eventually, pattern};

pub(super) const MB: usize = 1_000_000;

pub(super) fn ask(client: &mut Client, target: &str) {
    client.send(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
}

#[test]
fn slow_readers_of_streams_hold_nobody() {
    let server = Server::start();
    for target in ["/stream?20000000", "/stream-length?20000000", "/mixed?20000000"] {
        let mut slow: Vec<_> = (0..3).map(|_| server.connect()).collect();
        for client in &mut slow {
            ask(client, target);
        }
        for client in &slow {
            // Its head has come, so that its request is with the application, or was.
            client.stream.peek(&mut [0]).unwrap();
        }
        assert_eq!(server.get("/").text(), "hello");
        for client in &mut slow {
            assert!(client.response().body == pattern(20 * MB), "{target}");
            assert_eq!(client.get("/").text(), "hello");
        }
    }
}

#[test]
fn beyond_all_bounds_the_writer_waits_and_goes_on() {
    for (memory, disk, directory) in
        [(0, 0, "/tmp"), (MB as u64, 5 * MB as u64, "/tmp"), (64 * MB as u64, u64::MAX, "/nowhere")]
    {
        let server = Server::with(Plan::with(|config| {
            (config.buffer_memory, config.buffer_disk) = (memory, disk);
            config.temp_dir = directory.into();
        }));
        for target in ["/stream?13107200", "/stream-length?13107200", "/mixed?13107200"] {
            assert!(server.get(target).body == pattern(13_107_200), "{target}");
        }
        for target in ["/parts?13107200", "/large?13107200", "/owned?13107200", "/owned-parts?13107200"] {
            assert_eq!(server.get(target).body.len(), 13_107_200);
        }
    }
}

#[test]
fn beyond_all_bounds_a_stuck_reader_is_given_up() {
    for target in ["/large?20000000", "/owned?20000000", "/stream?20000000"] {
        let server = Server::with(Plan::with(|config| {
            (config.buffer_memory, config.buffer_disk) = (0, 0);
            config.write_timeout = Duration::from_millis(100);
        }));
        let mut stuck = server.connect();
        ask(&mut stuck, target);
        stuck.stream.peek(&mut [0]).unwrap();
        eventually("the application is let go", || server.in_flight() == 0);
        assert_eq!(server.get("/").text(), "hello");
        let mut rest = Vec::new();
        let _ = stuck.stream.read_to_end(&mut rest);
        assert!(rest.len() < 20 * MB);
    }
}

#[test]
fn a_request_body_for_which_there_is_no_room_is_refused() {
    let config = |config: &mut ReactorConfig| (config.buffer_memory, config.buffer_disk) = (0, 100_000);
    let server = Server::with(Plan::with(config));
    for (length, answer) in [(16_000, "memory"), (100_000, "file")] {
        let mut client = server.connect();
        client.send(&format!("POST /kind HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        client.stream.write_all(&pattern(length)).unwrap();
        assert_eq!(client.response().text(), answer);
    }
    let mut client = server.connect();
    client.send("POST /kind HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n");
    client.stream.write_all(&pattern(100_001)).unwrap();
    assert_eq!(client.response().status, 503);
    assert_eq!(client.rest(), b"");
    assert_eq!(server.get("/").text(), "hello");
}

#[test]
fn a_long_head_for_which_there_is_no_room_is_refused() {
    let server = Server::with(Plan::with(|config| config.buffer_memory = 0));
    let mut client = server.connect();
    let fields = format!("X-Long: {}\r\n", "x".repeat(7000)).repeat(3);
    client.send(&format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    assert_eq!(client.response().status, 503);
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_graceful_stop_sends_what_waits() {
    for target in ["/stream?20000000", "/mixed?20000000"] {
        let mut server = Server::start();
        let mut slow = server.connect();
        ask(&mut slow, target);
        slow.stream.peek(&mut [0]).unwrap();
        server.tell(Stop::Graceful);
        eventually("no listener is left", || std::net::TcpStream::connect(server.address).is_err());
        assert!(slow.response().body == pattern(20 * MB));
        assert_eq!(slow.rest(), b"");
        assert_eq!(server.join(), 0);
    }
}

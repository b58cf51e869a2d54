//! Slow clients, and those that vanish, hold nobody up.

use std::io::{Read, Write};

use std::time::Duration;

use gunicorn::worker::control::Stop;

use super::server::{LIMIT, Plan, Server, eventually};

#[test]
fn slow_senders_hold_nobody() {
    let server = Server::start();
    let mut slow: Vec<_> = (0..20).map(|_| server.connect()).collect();
    let request = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    for byte in request {
        for client in &mut slow {
            client.stream.write_all(&[*byte]).unwrap();
        }
        assert_eq!(server.get("/").text(), "hello");
    }
    for client in &mut slow {
        assert_eq!(client.response().text(), "abc");
    }
}

#[test]
fn slow_readers_hold_nobody() {
    let server = Server::start();
    for target in ["/large?900000", "/owned?900000", "/parts?917504", "/file?5000000"] {
        let mut slow: Vec<_> = (0..8).map(|_| server.connect()).collect();
        for client in &mut slow {
            client.send(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        }
        for _ in 0..20 {
            assert_eq!(server.get("/").text(), "hello");
        }
        for client in &mut slow {
            let response = client.response();
            assert_eq!(response.body.len().to_string(), target.split('?').nth(1).unwrap());
            assert_eq!(client.get("/").text(), "hello");
        }
    }
}

#[test]
fn the_end_of_a_response_waits_for_nobody() {
    let server = Server::start();
    for target in ["/large?20971520", "/owned?20971520", "/file?20971520", "/parts?20971520", "/owned-parts?20971520"] {
        let mut slow = server.connect();
        slow.send(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        // Its head has come, so that its request was first.
        slow.stream.peek(&mut [0]).unwrap();
        assert_eq!(server.get("/").text(), "hello");
        assert_eq!(slow.response().body.len(), 20_971_520);
    }
}

#[test]
fn a_reader_that_takes_nothing_is_given_up() {
    for target in ["/file?20971520", "/parts?20971520", "/stream?20971520", "/mixed?20971520"] {
        let mut plan = Plan::with(|config| config.write_timeout = Duration::from_millis(100));
        plan.graceful_timeout = 2 * LIMIT;
        let mut server = Server::with(plan);
        let mut stuck = server.connect();
        stuck.send(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(server.get("/").text(), "hello");
        server.tell(Stop::Graceful);
        eventually("the connection is given up", || !server.is_running());
    }
}

#[test]
fn clients_that_vanish_are_forgotten() {
    let mut server = Server::start();
    for request in [
        "",
        "GET",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
        "GET /parts?20971520 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /stream?20971520 HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        for _ in 0..5 {
            let mut client = server.connect();
            client.send(request);
            if request.contains("20971520") {
                client.stream.read_exact(&mut [0; 1000]).unwrap();
            }
            // Unread bytes at the close make it a reset.
            drop(client);
        }
        assert_eq!(server.get("/").text(), "hello");
    }
    server.tell(Stop::Graceful);
    eventually("all connections are gone", || !server.is_running());
}

//! Threads: as many as are needed, nobody held up by another one, each response to its request.

use std::io::Write;
use std::time::{Duration, Instant};

use gunicorn::master::protocol::{Word, decode_words};
use gunicorn::sys::fd;
use gunicorn::worker::control::Stop;
use gunicorn::worker::{BROKEN, Resignation};

use crate::server::{LIMIT, Plan, Server, eventually, pipe};

/// Threads of each worker.
pub(crate) const COUNT: usize = 4;

#[test]
fn requests_are_handled_at_the_same_time() {
    let server = Server::meeting_of(COUNT);
    for _ in 0..20 {
        let mut clients: Vec<_> = (0..COUNT).map(|_| server.connect()).collect();
        clients.iter_mut().for_each(|client| client.send("GET /meet HTTP/1.1\r\nHost: a\r\n\r\n"));
        clients.iter_mut().for_each(|client| assert_eq!(client.response().text(), "ok"));
    }
}

#[test]
fn one_thread_does_as_long_as_nobody_blocks() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.get("/thread").text(), "gthread-0-0");
    // A busy machine may hold the leader up for longer than it may stay away; then another one leads.
    eventually("one thread answers many requests in a row", || {
        let first = client.get("/thread").text().to_owned();
        (0..200).all(|_| client.get("/thread").text() == first)
    });
}

#[test]
fn blocked_threads_do_not_hold_up_the_last_one() {
    let server = Server::meeting_of(COUNT);
    let mut blocked: Vec<_> = (0..COUNT - 1).map(|_| server.connect()).collect();
    blocked.iter_mut().for_each(|client| client.send("GET /meet HTTP/1.1\r\nHost: a\r\n\r\n"));
    for _ in 0..200 {
        assert_eq!(server.get("/").text(), "hello");
    }
    server.meeting.wait();
    blocked.iter_mut().for_each(|client| assert_eq!(client.response().text(), "ok"));
}

#[test]
fn the_engine_goes_on_while_all_threads_are_in_the_application() {
    let server = Server::with_meeting(Plan::with(|config| config.head_timeout = Duration::from_millis(200)), COUNT + 1);
    let mut reader = server.connect();
    reader.send("GET /large?20000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    reader.stream.peek(&mut [0]).unwrap();
    let mut blocked: Vec<_> = (0..COUNT).map(|_| server.connect()).collect();
    blocked.iter_mut().for_each(|client| client.send("GET /meet HTTP/1.1\r\nHost: a\r\n\r\n"));
    let mut late = server.connect();
    late.send("GET / HT");
    // What has been answered goes on being sent, and who is late is told so.
    assert_eq!(reader.response().body.len(), 20_000_000);
    server.meeting.wait();
    blocked.iter_mut().for_each(|client| assert_eq!(client.response().text(), "ok"));
    assert_eq!(late.response().status, 408);
}

#[test]
fn each_response_is_that_of_its_request() {
    let server = Server::start();
    std::thread::scope(|scope| {
        for client in 0..12 {
            let server = &server;
            scope.spawn(move || {
                for round in 0..8 {
                    let mut connection = server.connect();
                    for batch in 0..4 {
                        let tokens: Vec<_> = (0..3).map(|n| format!("c{client}-{round}-{batch}-{n}")).collect();
                        for token in &tokens {
                            connection.send(&format!("GET /token?{token} HTTP/1.1\r\nHost: a\r\n\r\n"));
                        }
                        for token in &tokens {
                            assert_eq!(connection.response().text(), token);
                        }
                    }
                    if round % 3 == 0 {
                        // Gone in the middle of an answer.
                        connection.send("GET /large?900000 HTTP/1.1\r\nHost: a\r\n\r\nGET /token?x HTTP/1.1\r\n");
                    }
                }
            });
        }
    });
    assert_eq!(server.get("/").text(), "hello");
}

/// Its thread comes back while the keeper is at the desk, sooner or later.
#[test]
fn a_single_thread_leads_again_whenever_it_comes_back() {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(move || {
                let server = Server::with(Plan { threads: Some(1), ..Plan::default() });
                for request in 0..1500 {
                    assert_eq!(server.get(&format!("/pause?{}", 800 + request * 37 % 1800)).text(), "ok");
                }
            });
        }
    });
}

#[test]
fn a_thread_that_panics_takes_its_worker_with_it() {
    let mut server = Server::start();
    let mut client = server.connect();
    client.send("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(server.join(), BROKEN);
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_graceful_stop_waits_for_the_threads() {
    let mut server = Server::meeting_of(COUNT + 1);
    let mut clients: Vec<_> = (0..COUNT).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| client.send("GET /meet HTTP/1.1\r\nHost: a\r\n\r\n"));
    eventually("all are in the application", || server.in_flight() == COUNT);
    server.tell(Stop::Graceful);
    eventually("nobody is accepted", || std::net::TcpStream::connect(server.address).is_err());
    assert!(server.is_running());
    server.meeting.wait();
    for client in &mut clients {
        let response = client.response();
        assert_eq!((response.text(), response.header("Connection")), ("ok", Some("close")));
    }
    assert_eq!(server.join(), 0);
}

#[test]
fn who_does_not_come_back_is_left_behind() {
    for stop in [Stop::Graceful, Stop::Quick] {
        let plan = Plan { graceful_timeout: Duration::from_millis(200), stuck: 2, ..Plan::default() };
        let mut server = Server::with_meeting(plan, 3);
        let mut clients = [server.connect(), server.connect()];
        clients.iter_mut().for_each(|client| client.send("GET /meet HTTP/1.1\r\nHost: a\r\n\r\n"));
        eventually("both are in the application", || server.in_flight() == 2);
        let began = Instant::now();
        server.tell(stop);
        assert_eq!(server.join(), 0);
        assert!(began.elapsed() < LIMIT);
        server.meeting.wait();
    }
}

#[test]
fn a_request_that_takes_too_long_has_its_worker_replaced() {
    let (told, tells) = pipe();
    let plan = Plan {
        request_timeout: Some(Duration::from_millis(100)),
        resignation: Some(Resignation::new(tells.into(), 7)),
        ..Plan::default()
    };
    let mut server = Server::with_meeting(plan, 2);
    let mut kept = server.connect();
    kept.get("/");
    let mut hung = server.connect();
    hung.send("GET /meet HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut words = [0; 64];
    eventually("it resigns", || {
        let length = fd::read(&told, &mut words).unwrap_or(0);
        matches!(decode_words(&words[..length]).next(), Some(Word::Resigned { slot: 7, .. }))
    });
    eventually("nobody is accepted", || std::net::TcpStream::connect(server.address).is_err());
    assert_eq!(kept.get("/").text(), "hello");
    server.tell(Stop::Graceful);
    server.meeting.wait();
    assert_eq!(hung.response().text(), "ok");
    drop(kept);
    assert_eq!(server.join(), 0);
}

#[test]
fn many_connections_are_kept_by_few_threads() {
    let server = Server::start();
    let mut clients: Vec<_> = (0..200).map(|_| server.connect()).collect();
    for _ in 0..3 {
        for client in &mut clients {
            client.stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        }
        clients.iter_mut().for_each(|client| assert_eq!(client.response().text(), "hello"));
    }
}

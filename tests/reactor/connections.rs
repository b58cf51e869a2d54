//! Connections: kept, closed, pipelined, refused, full, over a Unix socket.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::server::{Client, LIMIT, Plan, Server};

#[test]
fn a_connection_carries_many_requests() {
    let server = Server::start();
    let mut client = server.connect();
    for _ in 0..10 {
        let response = client.get("/");
        assert_eq!((response.status, response.text()), (200, "hello"));
        assert_eq!(response.header("Connection"), Some("keep-alive"));
    }
    assert_eq!(client.get("/counters").text(), "10 50 1");
}

#[test]
fn the_client_may_ask_for_the_close() {
    let server = Server::start();
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(client.response().header("Connection"), Some("close"));
    assert_eq!(client.rest(), b"");
}

#[test]
fn without_keepalive_each_response_closes() {
    let server = Server::with(Plan::with(|config| config.keepalive = None));
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().header("Connection"), Some("close"));
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_close_that_the_client_does_not_expect_loses_no_response() {
    let server = Server::with(Plan::with(|config| config.keepalive = None));
    for _ in 0..50 {
        let mut client = server.connect();
        client.send(&"GET /large?200000 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2000));
        assert_eq!(client.response().body.len(), 200_000);
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start();
    let mut client = server.connect();
    let mut requests = String::new();
    for number in 0..50 {
        let body = format!("request {number}");
        requests += &format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    }
    client.send(&requests);
    for number in 0..50 {
        assert_eq!(client.response().text(), format!("request {number}"));
    }
}

#[test]
fn more_is_pipelined_than_the_buffer_holds() {
    let server = Server::start();
    let mut client = server.connect();
    let mut stream = client.stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(3000));
        stream.write_all(request.repeat(100).as_bytes()).unwrap();
    });
    for _ in 0..100 {
        assert_eq!(client.response().text(), "hello");
    }
    sender.join().unwrap();
}

#[test]
fn a_half_closed_client_gets_its_answer() {
    let server = Server::start();
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.response().text(), "hello");
    assert_eq!(client.rest(), b"");
}

#[test]
fn responses_of_every_shape_arrive() {
    let server = Server::start();
    let mut client = server.connect();
    for (target, length) in [
        ("/large?100000", 100_000),
        ("/owned?100000", 100_000),
        ("/owned-parts?400000", 400_000),
        ("/parts?655360", 655_360),
        ("/file?100000", 100_000),
        ("/file?100001", 100_001),
        ("/file?0", 0),
        ("/replaced", 2),
    ] {
        let response = client.get(target);
        assert_eq!((response.status, response.body.len()), (200, length), "{target}");
    }
    assert_eq!(client.get("/hints").status, 103);
    assert_eq!(client.response().text(), "ok");
}

#[test]
fn what_cannot_be_completed_is_cut() {
    let server = Server::start();
    for (target, end) in [("/short", "\r\n\r\nabc"), ("/cut", "\r\n\r\n3\r\nabc\r\n"), ("/nothing", "")] {
        let mut client = server.connect();
        client.send(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let rest = String::from_utf8(client.rest()).unwrap();
        assert!(rest.ends_with(end), "{target}: {rest:?}");
        assert!(!rest.ends_with("0\r\n\r\n"));
    }
}

#[test]
fn bad_messages_are_refused_and_nothing_behind_them_is_read() {
    let server = Server::start();
    let long_target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(5000));
    let long_field = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(9000));
    for (request, status) in [("nonsense\r\n\r\n", 400), (&long_target, 414), (&long_field, 431)] {
        let mut client = server.connect();
        client.send(&format!("{request}GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        let response = client.response();
        assert_eq!((response.status, response.header("Connection")), (status, Some("close")));
        assert_eq!(client.rest(), b"");
    }
}

#[test]
fn a_long_upload_does_not_eat_its_refusal() {
    let server = Server::with(Plan::with(|config| config.acceptance.limits.body = Some(1000)));
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n");
    // May fail when the server has had enough, but by then the answer is here.
    let _ = client.stream.write_all(&vec![b'x'; 900_000]);
    assert_eq!(client.response().status, 413);
}

#[test]
fn an_idle_connection_is_closed() {
    let server = Server::with(Plan::with(|config| {
        config.keepalive = Some(Duration::from_millis(50));
        config.head_timeout = Duration::from_millis(100);
    }));
    let mut used = server.connect();
    used.get("/");
    assert_eq!(used.rest(), b"");
    assert_eq!(server.connect().rest(), b"");
    let mut late = server.connect();
    late.send("GET / HT");
    assert_eq!(late.response().status, 408);
    assert_eq!(late.rest(), b"");
}

#[test]
fn a_body_that_pauses_for_too_long_is_given_up() {
    let server = Server::with(Plan::with(|config| config.body_timeout = Duration::from_millis(100)));
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    assert_eq!(client.response().status, 408);
}

#[test]
fn a_body_that_only_trickles_is_given_up() {
    let server = Server::with(Plan::with(|config| {
        config.body_timeout = Duration::from_millis(300);
        config.min_rate = Some(1000);
    }));
    let mut client = server.connect();
    client.stream.set_nodelay(true).unwrap();
    client.stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    // It never pauses for as long as it may, but is slower than it may be.
    while client.stream.peek(&mut [0]).is_err() {
        client.send("x");
    }
    assert_eq!(client.response().status, 408);
}

#[test]
fn a_body_that_keeps_its_rate_may_take_long() {
    let server = Server::with(Plan::with(|config| {
        config.body_timeout = Duration::from_millis(300);
        config.min_rate = Some(10);
    }));
    let mut client = server.connect();
    client.stream.set_nodelay(true).unwrap();
    client.stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 300\r\n\r\n");
    for _ in 0..30 {
        client.send("0123456789");
        let _ = client.stream.peek(&mut [0]);
    }
    client.stream.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(client.response().text(), "0123456789".repeat(30));
}

#[test]
fn a_connection_has_as_many_requests_as_it_may() {
    let server = Server::with(Plan::with(|config| config.keepalive_requests = Some(3)));
    let mut client = server.connect();
    let kept: Vec<_> = (0..3).map(|_| client.get("/").header("Connection").unwrap().to_owned()).collect();
    assert_eq!(kept, ["keep-alive", "keep-alive", "close"]);
    assert_eq!(client.rest(), b"");
}

/// A worker whose table has room for two.
fn crowded() -> Server {
    Server::with(Plan::with(|config| config.max_connections = 2))
}

#[test]
fn the_longest_idle_connection_gives_way_to_a_newcomer() {
    let server = crowded();
    let [mut first, mut second] = [server.connect(), server.connect()];
    first.get("/");
    second.get("/");
    first.get("/");
    assert_eq!(server.connect().get("/").text(), "hello");
    assert_eq!(second.rest(), b"");
    assert_eq!(first.get("/").text(), "hello");
}

#[test]
fn an_idle_connection_gives_way_before_one_that_has_begun_to_send() {
    let server = crowded();
    let [mut slow, mut idle] = [server.connect(), server.connect()];
    slow.send("GET / HTTP/1.1\r\n");
    idle.get("/");
    assert_eq!(server.get("/").text(), "hello");
    assert_eq!(idle.rest(), b"");
    slow.send("Host: a\r\n\r\n");
    assert_eq!(slow.response().text(), "hello");
}

#[test]
fn unfinished_heads_shut_nobody_out() {
    let server = crowded();
    let mut slow: Vec<_> = (0..6).map(|_| server.connect()).collect();
    slow.iter_mut().for_each(|client| client.send("GET / HTTP/1.1\r\n"));
    assert_eq!(server.get("/").text(), "hello");
    assert_eq!(slow[0].rest(), b"");
}

#[test]
fn a_table_full_of_connections_at_work_makes_newcomers_wait() {
    let server = crowded();
    let mut busy = [server.connect(), server.connect()];
    for client in &mut busy {
        client.get("/");
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        // So it is known to be at work, and not only its request to be on the way, when the next one comes.
        assert!(client.until(b"\r\n\r\n").starts_with("HTTP/1.1 100 "));
        client.send("ab");
    }
    let mut third = server.connect();
    third.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    third.stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(std::io::Read::read(&mut third.stream, &mut [0]).is_err());
    let [mut first, second] = busy;
    drop(second);
    third.stream.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(third.response().text(), "hello");
    first.send("cde");
    assert_eq!(first.response().text(), "abcde");
}

#[test]
fn what_a_busy_worker_leaves_its_idle_sibling_takes() {
    let servers = Server::siblings();
    for _ in 0..100 {
        let mut clients = [servers[0].connect(), servers[0].connect()];
        let request = "GET /meet HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        clients.iter_mut().for_each(|client| client.send(request));
        clients.iter_mut().for_each(|client| assert_eq!(client.response().text(), "ok"));
    }
}

#[test]
fn a_worker_that_was_woken_for_a_connection_and_serves_another_first_wakes_its_sibling() {
    let servers = Server::siblings();
    let request = "GET /meet HTTP/1.1\r\nHost: a\r\n\r\n";
    // One on each worker.
    let mut known = [servers[0].connect(), servers[0].connect()];
    known.iter_mut().for_each(|client| client.send(request));
    known.iter_mut().for_each(|client| assert_eq!(client.response().text(), "ok"));
    for round in 0..500 {
        let known = &mut known[round % 2];
        let mut new = servers[0].connect();
        new.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        known.send(request);
        assert_eq!(new.response().text(), "hello");
        servers[0].meeting.wait();
        assert_eq!(known.response().text(), "ok");
    }
}

#[test]
fn unix_sockets_are_served() {
    let directory = std::env::temp_dir().join(format!("gunicorn-reactor-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("socket");
    let server = Server::on_unix(&path);
    let mut client = Client::over(UnixStream::connect(&path).unwrap());
    client.stream.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(client.get("/").text(), "hello");
    assert_eq!(client.get("/file?300000").body.len(), 300_000);
    drop(server);
    std::fs::remove_dir_all(directory).unwrap();
}

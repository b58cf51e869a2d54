//! The reactor under a loop that is not its own, and exchanges that are out for a while.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use gunicorn::net::{Address, Listener};
use gunicorn::reactor::{Exchange, Heartbeat, Reactor, ReactorConfig, ResponseHead, Woken};
use gunicorn::scoreboard::SlotCells;
use gunicorn::sys::clock;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::server::{Client, LIMIT, eventually};

pub(super) const OK: ResponseHead<'static> = ResponseHead { status: 200, reason: b"OK", fields: &[] };
pub(super) const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn reactor() -> (Reactor, Client) {
    let (reactor, address) = reactor_with(LIMIT);
    (reactor, connect(address))
}

fn reactor_with(keepalive: Duration) -> (Reactor, SocketAddr) {
    listening(ReactorConfig { keepalive: Some(keepalive), ..ReactorConfig::default() })
}

pub(super) fn with(config: ReactorConfig) -> (Reactor, Client) {
    let (reactor, address) = listening(config);
    (reactor, connect(address))
}

pub(super) fn listening(config: ReactorConfig) -> (Reactor, SocketAddr) {
    listening_at(TcpListener::bind("127.0.0.1:0").unwrap(), config)
}

pub(super) fn listening_at(listener: TcpListener, config: ReactorConfig) -> (Reactor, SocketAddr) {
    let address = listener.local_addr().unwrap();
    (Reactor::new(vec![Listener::from_fd(listener.into()).unwrap()], config).unwrap(), address)
}

pub(super) fn connect(address: SocketAddr) -> Client {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    Client::over(stream)
}

/// Turns without waiting until there is a request, as a foreign loop does.
pub(super) fn next(reactor: &mut Reactor) -> Box<Exchange> {
    let mut poll = watched(reactor);
    loop {
        reactor.turn(Some(Duration::ZERO)).unwrap();
        if let Some(exchange) = reactor.next_exchange() {
            return exchange;
        }
        poll.poll(&mut Events::with_capacity(1), Some(LIMIT)).unwrap();
    }
}

/// A loop that watches the reactor's poll.
pub(super) fn watched(reactor: &Reactor) -> Poll {
    let poll = Poll::new().unwrap();
    poll.registry().register(&mut SourceFd(&reactor.as_raw_fd()), Token(0), Interest::READABLE).unwrap();
    poll
}

fn answer(reactor: &mut Reactor, mut exchange: Box<Exchange>, body: &[u8]) {
    exchange.start(&OK, Some(body.len() as u64)).unwrap();
    exchange.write(body).unwrap();
    exchange.finish().unwrap();
    reactor.complete(exchange);
}

#[test]
fn its_poll_can_be_watched_by_another_loop() {
    let (mut reactor, mut client) = reactor();
    for _ in 0..3 {
        client.send(REQUEST);
        let exchange = next(&mut reactor);
        answer(&mut reactor, exchange, b"foreign");
        assert_eq!(client.response().text(), "foreign");
    }
    assert!(reactor.next_deadline().is_some());
}

#[test]
fn what_arrives_while_an_exchange_is_out_is_not_lost() {
    let (mut reactor, mut client) = reactor();
    // A connection is known to the poll once it has waited.
    client.send(REQUEST);
    let earlier = next(&mut reactor);
    answer(&mut reactor, earlier, b"earlier");
    assert_eq!(client.response().text(), "earlier");
    client.send(REQUEST);
    let first = next(&mut reactor);
    // Nobody else is there, so that the turn sleeps until the next request is.
    assert!(reactor.next_exchange().is_none());
    client.send(REQUEST);
    assert_eq!(reactor.turn(Some(LIMIT)).unwrap(), Woken::default());
    assert!(reactor.next_exchange().is_none());
    answer(&mut reactor, first, b"one");
    let second = reactor.next_exchange().unwrap();
    answer(&mut reactor, second, b"two");
    assert_eq!(client.response().text(), "one");
    assert_eq!(client.response().text(), "two");
}

#[test]
fn the_gate_opens_when_somebody_may_give_way() {
    let keepalive = Some(LIMIT);
    let (mut reactor, address) = listening(ReactorConfig { keepalive, max_connections: 1, ..ReactorConfig::default() });
    let mut kept = connect(address);
    kept.send(REQUEST);
    let exchange = next(&mut reactor);
    // The table is full, and nobody can give way: a newcomer must not wake the poll, turn after turn.
    reactor.turn(Some(Duration::ZERO)).unwrap();
    let mut newcomer = connect(address);
    newcomer.send(REQUEST);
    assert!(!is_readable(&reactor, Duration::from_millis(50)));
    answer(&mut reactor, exchange, b"kept");
    assert_eq!(kept.response().text(), "kept");
    // No turn in between: who watches the poll from outside must hear of the newcomer.
    assert!(is_readable(&reactor, LIMIT));
    let exchange = next(&mut reactor);
    answer(&mut reactor, exchange, b"new");
    assert_eq!(newcomer.response().text(), "new");
    assert_eq!(kept.rest(), b"");
}

/// Whether the poll becomes readable within this time.
fn is_readable(reactor: &Reactor, timeout: Duration) -> bool {
    let mut events = Events::with_capacity(1);
    watched(reactor).poll(&mut events, Some(timeout)).unwrap();
    !events.is_empty()
}

#[test]
fn an_exchange_can_be_answered_on_another_thread() {
    let (mut reactor, mut client) = reactor();
    client.send(REQUEST);
    let exchange = next(&mut reactor);
    let thread = std::thread::spawn(move || {
        let mut exchange = exchange;
        exchange.start(&OK, None).unwrap();
        exchange.write(b"elsewhere").unwrap();
        exchange.finish().unwrap();
        exchange
    });
    reactor.complete(thread.join().unwrap());
    assert_eq!(client.response().text(), "elsewhere");
}

#[test]
fn an_exchange_tells_about_its_request_and_its_response() {
    let (mut reactor, mut client) = reactor();
    client.send("POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nX-Field: value\r\n\r\nx");
    let mut exchange = next(&mut reactor);
    assert_eq!((exchange.head().method(), exchange.head().target()), (&b"POST"[..], &b"/a?b"[..]));
    assert_eq!(exchange.head().fields().last(), Some((&b"X-Field"[..], &b"value"[..])));
    assert_ne!(exchange.peer(), exchange.local());
    assert_eq!(exchange.sent(), (0, 0));
    let bad = [(&b"X-Bad"[..], &b"a\r\nb"[..])];
    assert!(exchange.start(&ResponseHead { fields: &bad, ..OK }, None).is_err());
    exchange.start(&OK, Some(3)).unwrap();
    assert!(!exchange.is_head_sent());
    exchange.write(b"12345").unwrap();
    assert!(exchange.is_head_sent());
    exchange.finish().unwrap();
    assert_eq!(exchange.sent(), (200, 3));
    assert!(exchange.response_head().ends_with(b"Content-Length: 3\r\n\r\n"));
    assert!(exchange.write(b"more").is_err());
    reactor.complete(exchange);
    assert_eq!(client.response().text(), "123");
}

#[test]
fn an_exchange_that_is_neither_finished_nor_aborted_is_cut() {
    let (mut reactor, mut client) = reactor();
    client.send(REQUEST);
    let mut exchange = next(&mut reactor);
    exchange.start(&OK, None).unwrap();
    exchange.write(b"abc").unwrap();
    reactor.complete(exchange);
    assert!(client.rest().ends_with(b"\r\n\r\n3\r\nabc\r\n"));
    assert!(reactor.is_empty());
}

#[test]
fn a_client_that_has_gone_is_told_to_the_writer() {
    let (mut reactor, mut client) = reactor();
    client.send(REQUEST);
    let mut exchange = next(&mut reactor);
    client.stream.write_all(b"unread").unwrap();
    drop(client);
    exchange.start(&OK, None).unwrap();
    let gone = (0..1000).find_map(|_| exchange.write(&[b'x'; 64 * 1024]).err());
    assert!(matches!(gone, Some(gunicorn::reactor::ResponseError::Gone)));
    reactor.complete(exchange);
    assert!(reactor.is_empty());
}

#[test]
fn a_request_that_came_in_time_is_not_given_up_for_want_of_a_look_at_it() {
    let keepalive = Duration::from_secs(2);
    let (mut reactor, address) = reactor_with(keepalive);
    let first = |_| {
        let mut client = connect(address);
        client.send(REQUEST);
        let exchange = next(&mut reactor);
        answer(&mut reactor, exchange, b"first");
        client.response();
        client
    };
    // More than one poll tells of.
    let mut clients: Vec<Client> = (0..300).map(first).collect();
    clients.iter_mut().for_each(|client| client.send(REQUEST));
    // As if the application had needed longer for another request than clients may be idle.
    std::thread::sleep(keepalive);
    for _ in 0..clients.len() {
        let exchange = next(&mut reactor);
        answer(&mut reactor, exchange, b"second");
    }
    clients.iter_mut().for_each(|client| assert_eq!(client.response().text(), "second"));
}

#[test]
fn a_client_that_pipelines_without_end_lets_others_in() {
    let (mut reactor, address) = reactor_with(LIMIT);
    let mut known = connect(address);
    known.send(REQUEST);
    let exchange = next(&mut reactor);
    answer(&mut reactor, exchange, b"known");
    let mut endless = connect(address);
    endless.send(&REQUEST.repeat(400));
    let exchange = next(&mut reactor);
    answer(&mut reactor, exchange, b"endless");
    known.send(REQUEST);
    let mut new = connect(address);
    new.send(REQUEST);
    let mut count = 0;
    let mut others = 0;
    while others < 2 {
        let exchange = next(&mut reactor);
        let peer = exchange.peer().clone();
        others += u32::from(peer != Address::Inet(endless.stream.local_addr().unwrap()));
        answer(&mut reactor, exchange, b"");
        count += 1;
    }
    assert!(count < 300, "the others had to wait for {count} requests");
}

#[test]
fn the_time_of_a_slow_client_is_not_the_applications() {
    let slot: &'static SlotCells = Box::leak(Box::default());
    let heartbeat = Some(Heartbeat { slot, timeout: Duration::from_secs(60) });
    let write_timeout = Duration::from_secs(1000);
    let (buffer_memory, buffer_disk) = (0, 0);
    let config = ReactorConfig { heartbeat, write_timeout, buffer_memory, buffer_disk, ..ReactorConfig::default() };
    let (mut reactor, mut client) = with(config);
    client.send(REQUEST);
    let mut exchange = next(&mut reactor);
    let end_of_wait = clock::now() + write_timeout;
    let reader = std::thread::spawn(move || {
        eventually("it waits", || slot.deadline() > Some(end_of_wait));
        client.response().body.len()
    });
    exchange.start(&OK, None).unwrap();
    (0..32).for_each(|_| exchange.write(&[b'x'; 1024 * 1024]).unwrap());
    assert!(slot.deadline() < Some(end_of_wait));
    exchange.finish().unwrap();
    reactor.complete(exchange);
    while !reactor.is_empty() {
        reactor.turn(Some(LIMIT)).unwrap();
    }
    assert_eq!(reader.join().unwrap(), 32 * 1024 * 1024);
}

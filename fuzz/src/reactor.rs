//! A connection over a real socket, served by the real reactor: what the codec says of the bytes becomes of them.

use std::cell::OnceCell;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::Duration;

use gunicorn::http::h1::encode_error;
use gunicorn::http::{Forwarding, Networks, ProxyProtocol, ProxyScan, Version, parse_proxy};
use gunicorn::log;
use gunicorn::net::Listener;
use gunicorn::reactor::{Exchange, Reactor, ReactorConfig, RequestBody, ResponseHead};
use gunicorn::settings::LogLevel;
use gunicorn::sys::signals::Signals;

use crate::arbitrary;
use crate::driver::{self, Event};

/// Most pieces that the bytes are sent in: each costs some system calls.
const PIECES: usize = 32;

/// Longer than any run takes.
const FOREVER: Duration = Duration::from_secs(3600);

/// signal(7): the same on every machine that Linux runs on, but for two.
const SIGPIPE: i32 = 13;

const OK: ResponseHead<'static> = ResponseHead { status: 200, reason: b"OK", fields: &[] };

/// What became of the bytes.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// Messages as the application saw them.
    messages: Vec<Event>,
    /// What the client has got: statuses and bodies.
    answers: Vec<(u16, Vec<u8>)>,
    /// Whether the server has ended its side.
    is_over: bool,
}

/// Any bytes, whole and in pieces, where a PROXY protocol header may come and where none may.
pub fn reactor(bytes: &[u8]) {
    for proxies in [ProxyProtocol::Off, ProxyProtocol::Auto] {
        let expected = expected(bytes, proxies);
        let (first, second) = bytes.split_at(arbitrary(bytes, bytes.len().max(1)));
        let cuts: [Vec<&[u8]>; 3] =
            [vec![bytes], vec![first, second], bytes.chunks(bytes.len() / PIECES + 1).collect()];
        for pieces in &cuts {
            assert_eq!(served(pieces, proxies, &expected.messages), expected, "in {} pieces", pieces.len());
        }
    }
}

/// What the codec alone says of the bytes.
fn expected(bytes: &[u8], proxies: ProxyProtocol) -> Outcome {
    let events = match parse_proxy(bytes, proxies) {
        Ok(ProxyScan::More) => Vec::new(),
        Ok(ProxyScan::Absent) => driver::run([bytes], &driver::narrow_limits()),
        Ok(ProxyScan::Found(_, length)) => driver::run([&bytes[length..]], &driver::narrow_limits()),
        Err(error) => vec![Event::Refused(error)],
    };
    let mut outcome = Outcome { messages: Vec::new(), answers: Vec::new(), is_over: false };
    for event in events {
        match event {
            Event::Message { line, fields } => {
                outcome.is_over = line.split(' ').nth(3) == Some("close");
                // The application echoes the line, in which the body stands.
                let body = if line.starts_with("HEAD ") { Vec::new() } else { line.clone().into_bytes() };
                outcome.answers.push((200, body));
                // Nobody is trusted with names that an environ cannot tell apart.
                let fields = fields.into_iter().filter(|(name, _)| !name.contains(&b'_')).collect();
                outcome.messages.push(Event::Message { line, fields });
            }
            Event::Refused(error) => {
                let mut page = Vec::new();
                encode_error(error.status(), error.rule(), &[0; 29], &mut page);
                outcome.answers.extend(answers(&page, |_| false));
                outcome.is_over = true;
            }
            Event::Incomplete => {}
        }
    }
    outcome
}

/// What all runs share; what is made anew for each is the reactor.
struct Ground {
    listener: UnixListener,
    address: SocketAddr,
    /// Where the signal of a write to a closed socket (write(2), `EPIPE`) goes, which would end the process.
    _signals: Signals,
}

thread_local! {
    static GROUND: OnceCell<Ground> = const { OnceCell::new() };
}

fn ground() -> io::Result<Ground> {
    // What is refused would be told on standard error.
    log::error::set_level(LogLevel::Critical);
    let address = SocketAddr::from_abstract_name(format!("gunicorn-rs-fuzz-{}", std::process::id()))?;
    Ok(Ground { listener: UnixListener::bind_addr(&address)?, address, _signals: Signals::collect(&[SIGPIPE])? })
}

/// A reactor, and a client that is connected to it.
fn connected(proxies: ProxyProtocol) -> io::Result<(Reactor, UnixStream)> {
    GROUND.with(|cell| {
        let Ground { listener, address, .. } = cell.get_or_init(|| ground().expect("a listener can be had"));
        let config = ReactorConfig {
            acceptance: driver::narrow_limits().into(),
            forwarding: Forwarding::new(Networks::NONE),
            proxy_protocol: proxies,
            keepalive: Some(FOREVER),
            head_timeout: FOREVER,
            body_timeout: FOREVER,
            write_timeout: FOREVER,
            max_connections: 1,
            ..ReactorConfig::default()
        };
        let listener = Listener::from_fd(OwnedFd::from(listener.try_clone()?))?;
        let client = UnixStream::connect_addr(address)?;
        client.set_nonblocking(true)?;
        Ok((Reactor::new(vec![listener], config)?, client))
    })
}

/// What becomes of the pieces; `expected` tells which answers have no body.
fn served(pieces: &[&[u8]], proxies: ProxyProtocol, expected: &[Event]) -> Outcome {
    let (mut reactor, mut client) = connected(proxies).expect("a socket can be had");
    let (mut messages, mut received) = (Vec::new(), Vec::new());
    let mut is_over = false;
    for piece in pieces {
        // It fails if the server has closed the connection, as it may after the last answer.
        let _ = client.write_all(piece);
        serve(&mut reactor, &mut messages);
        is_over |= receive(&mut client, &mut received);
    }
    drop(client);
    serve(&mut reactor, &mut messages);
    assert!(reactor.is_empty(), "nobody is connected any more");
    assert_eq!(reactor.buffered(), (0, 0));
    let is_head =
        |number: usize| matches!(expected.get(number), Some(Event::Message { line, .. }) if line.starts_with("HEAD "));
    Outcome { messages, answers: answers(&received, is_head), is_over }
}

/// Turns, and answers, until there is nothing more to do.
fn serve(reactor: &mut Reactor, messages: &mut Vec<Event>) {
    loop {
        reactor.turn(Some(Duration::ZERO)).expect("the poll works");
        let mut is_done = true;
        while let Some(mut exchange) = reactor.next_exchange() {
            is_done = false;
            messages.push(answer(&mut exchange));
            reactor.complete(exchange);
        }
        if is_done && reactor.next_deadline().is_none_or(|time| time > reactor.now()) {
            return;
        }
    }
}

/// Answers a request with what it was.
fn answer(exchange: &mut Exchange) -> Event {
    let body = match exchange.take_body() {
        RequestBody::Memory(bytes) => bytes,
        RequestBody::File(..) => panic!("a body within the limits is no file"),
    };
    assert!(exchange.head().version() >= Version::Http10);
    let message = driver::with_body(driver::describe(exchange.head()), &body);
    let Event::Message { line, .. } = &message else { unreachable!("a head is that of a message") };
    exchange.start(&OK, Some(line.len() as u64)).expect("the head is good");
    // The client may have gone.
    let _ = exchange.write(line.as_bytes()).and_then(|()| exchange.finish());
    message
}

/// Takes what is there; whether the server has ended its side.
fn receive(client: &mut UnixStream, received: &mut Vec<u8>) -> bool {
    match client.read_to_end(received) {
        Ok(_) => true,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}

/// The final answers, each of which must be whole, and nothing else. `is_head` tells of which one only the head comes.
fn answers(mut received: &[u8], is_head: impl Fn(usize) -> bool) -> Vec<(u16, Vec<u8>)> {
    let mut answers = Vec::new();
    while !received.is_empty() {
        let end = received.windows(4).position(|window| window == b"\r\n\r\n").expect("a head has an end") + 4;
        let head = str::from_utf8(&received[..end]).expect("a head is text");
        received = &received[end..];
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a head has a status");
        if status == 100 {
            continue;
        }
        let length = || head.lines().find_map(|line| line.strip_prefix("Content-Length: "))?.parse().ok();
        let body = if is_head(answers.len()) { 0 } else { length().expect("an answer has a length") };
        answers.push((status, received[..body].to_vec()));
        received = &received[body..];
    }
    answers
}

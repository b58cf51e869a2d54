//! A worker on a thread of the test, and a client for it.
#![allow(dead_code, reason = "each kind uses what it needs")]

use std::io::{Read, Seek, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gunicorn::app::App;
use gunicorn::net::Listener;
use gunicorn::reactor::{Exchange, Reactor, ReactorConfig, RequestBody, ResponseError, ResponseHead};
use gunicorn::scoreboard::{Counters, SlotCells};
use gunicorn::sys::eventfd;
use gunicorn::worker::control::{Control, Stop};
use gunicorn::worker::gthread::{self, Team};
use gunicorn::worker::{Resignation, WorkerContext, sync};

/// Longer than anything here takes; a test that needs it has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Answers by its target.
struct TestApp {
    slot: &'static SlotCells,
    /// Where two requests that are answered at the same time meet.
    meeting: Arc<Barrier>,
}

impl TestApp {
    fn answer(&self, exchange: &mut Exchange) -> Result<(), ResponseError> {
        let target = String::from_utf8_lossy(exchange.head().target()).into_owned();
        let (path, size) = target.split_once('?').unwrap_or((&target, "0"));
        let size: usize = size.parse().unwrap_or(0);
        match path {
            "/echo" => {
                let body = read(exchange.take_body());
                respond(exchange, Some(body.len() as u64), &[&body])
            }
            "/kind" => {
                let kind = match exchange.take_body() {
                    RequestBody::Memory(_) => "memory",
                    RequestBody::File(..) => "file",
                };
                respond(exchange, Some(kind.len() as u64), &[kind.as_bytes()])
            }
            "/large" => respond(exchange, Some(size as u64), &[&vec![b'x'; size]]),
            "/owned" => {
                exchange.start(&ok(), Some(size as u64))?;
                exchange.write_owned(Box::new(vec![b'x'; size]))?;
                exchange.finish()
            }
            "/parts" => {
                let part = vec![b'x'; 64 * 1024];
                respond(exchange, None, &vec![&part[..]; size / part.len()])
            }
            "/owned-parts" => {
                exchange.start(&ok(), None)?;
                for _ in 0..4 {
                    exchange.write_owned(Box::new(vec![b'x'; size / 4]))?;
                }
                exchange.finish()
            }
            "/file" => {
                let mut file = tempfile(size);
                file.rewind().unwrap();
                exchange.start(&ok(), size.is_multiple_of(2).then_some(size as u64))?;
                exchange.send_file(file, 0, size as u64)?;
                exchange.finish()
            }
            "/stream" | "/stream-length" => {
                exchange.start(&ok(), (path == "/stream-length").then_some(size as u64))?;
                for part in pattern(size).chunks(50_000) {
                    exchange.write(part)?;
                    exchange.catch_up()?;
                }
                exchange.finish()
            }
            "/mixed" => {
                exchange.start(&ok(), None)?;
                let bytes = pattern(size);
                for (number, part) in bytes.chunks(size / 20 + 1).enumerate() {
                    match number % 3 {
                        0 => exchange.write(part)?,
                        1 => exchange.write_owned(Box::new(part.to_vec()))?,
                        _ => exchange.send_file(file(part), 0, part.len() as u64)?,
                    }
                    exchange.catch_up()?;
                }
                exchange.finish()
            }
            "/short" => respond(exchange, Some(10), &[b"abc"]),
            "/cut" => {
                exchange.start(&ok(), None)?;
                exchange.write(b"abc")?;
                exchange.abort();
                Ok(())
            }
            "/nothing" => Ok(()),
            "/hints" => {
                exchange.early_hints(&[(b"Link", b"</a.css>; rel=preload")])?;
                respond(exchange, Some(2), &[b"ok"])
            }
            "/replaced" => {
                exchange.start(&ResponseHead { status: 500, reason: b"Oops", fields: &[] }, None)?;
                respond(exchange, Some(2), &[b"ok"])
            }
            "/meet" => {
                self.meeting.wait();
                respond(exchange, Some(2), &[b"ok"])
            }
            "/counters" => {
                let Counters { requests, bytes_sent, connections } = self.slot.counters();
                let text = format!("{requests} {bytes_sent} {connections}");
                respond(exchange, Some(text.len() as u64), &[text.as_bytes()])
            }
            _ => Self::answer_otherwise(exchange, path, &target),
        }
    }

    fn answer_otherwise(exchange: &mut Exchange, path: &str, target: &str) -> Result<(), ResponseError> {
        match path {
            "/thread" => {
                let name = std::thread::current().name().unwrap_or_default().to_owned();
                respond(exchange, Some(name.len() as u64), &[name.as_bytes()])
            }
            "/token" => {
                let token = target.split_once('?').map_or("", |(_, token)| token);
                let pause = token.bytes().map(u64::from).sum::<u64>() % 4;
                std::thread::sleep(Duration::from_millis(pause));
                respond(exchange, (pause != 1).then_some(token.len() as u64), &[token.as_bytes()])
            }
            "/pause" => {
                let pause = target.split_once('?').and_then(|(_, micros)| micros.parse().ok());
                std::thread::sleep(Duration::from_micros(pause.unwrap_or(0)));
                respond(exchange, Some(2), &[b"ok"])
            }
            "/panic" => panic!("as the test wants it"),
            _ => respond(exchange, Some(5), &[b"hello"]),
        }
    }
}

impl App for TestApp {
    fn call(&self, mut exchange: Box<Exchange>) -> Box<Exchange> {
        if self.answer(&mut exchange).is_err() {
            exchange.abort();
        }
        exchange
    }
}

fn ok() -> ResponseHead<'static> {
    ResponseHead { status: 200, reason: b"OK", fields: &[] }
}

fn respond(exchange: &mut Exchange, length: Option<u64>, parts: &[&[u8]]) -> Result<(), ResponseError> {
    exchange.start(&ok(), length)?;
    parts.iter().try_for_each(|part| exchange.write(part))?;
    exchange.finish()
}

fn read(body: RequestBody) -> Vec<u8> {
    match body {
        RequestBody::Memory(bytes) => bytes,
        RequestBody::File(mut file, _) => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            bytes
        }
    }
}

fn tempfile(size: usize) -> std::fs::File {
    file(&vec![b'f'; size])
}

pub(crate) fn file(bytes: &[u8]) -> std::fs::File {
    let mut file = gunicorn::sys::tempfile::unnamed(&std::env::temp_dir()).unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// Bytes of which each is different from those near it.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    let mut bytes = (0..251).collect::<Vec<u8>>().repeat(length / 251 + 1);
    bytes.truncate(length);
    bytes
}

/// What a test changes of the defaults.
pub(crate) struct Plan {
    pub(crate) config: ReactorConfig,
    pub(crate) max_requests: Option<u64>,
    pub(crate) graceful_timeout: Duration,
    pub(crate) resignation: Option<Resignation>,
    pub(crate) baton: Option<OwnedFd>,
    /// Threads; `None`: of the kind without.
    pub(crate) threads: Option<usize>,
    /// Of the kind with threads: time that a request may take, and threads that do not come back at the end.
    pub(crate) request_timeout: Option<Duration>,
    pub(crate) stuck: usize,
}

impl Default for Plan {
    fn default() -> Self {
        let config = ReactorConfig { keepalive: Some(LIMIT), ..ReactorConfig::default() };
        Self {
            config,
            max_requests: None,
            graceful_timeout: LIMIT,
            resignation: None,
            baton: None,
            threads: crate::THREADS,
            request_timeout: None,
            stuck: 0,
        }
    }
}

impl Plan {
    pub(crate) fn with(change: impl FnOnce(&mut ReactorConfig)) -> Self {
        let mut plan = Self::default();
        change(&mut plan.config);
        plan
    }
}

/// A worker on a thread. It is stopped, and must end well, when this is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Where `/meet` waits for another such request, or for the test.
    pub(crate) meeting: Arc<Barrier>,
    control: &'static Control,
    slot: &'static SlotCells,
    wake: std::io::PipeWriter,
    parent: Option<std::io::PipeWriter>,
    thread: Option<JoinHandle<i32>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(Plan::default())
    }

    pub(crate) fn with(plan: Plan) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        Self::on(listener.into(), address, plan)
    }

    pub(crate) fn on_unix(path: &Path) -> Self {
        let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
        Self::on(listener.into(), SocketAddr::from(([0; 4], 0)), Plan::default())
    }

    /// Two workers on one listener.
    pub(crate) fn siblings() -> [Self; 2] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let meeting = Arc::new(Barrier::new(2));
        let baton = eventfd::create().unwrap();
        [listener.try_clone().unwrap(), listener].map(|listener| {
            let plan = Plan { baton: Some(baton.try_clone().unwrap()), ..Plan::default() };
            Self::run(listener.into(), address, plan, Arc::clone(&meeting))
        })
    }

    /// One in which so many requests for `/meet`, or all but one and the test, wait for each other.
    pub(crate) fn meeting_of(parties: usize) -> Self {
        Self::with_meeting(Plan::default(), parties)
    }

    pub(crate) fn with_meeting(plan: Plan, parties: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        Self::run(listener.into(), address, plan, Arc::new(Barrier::new(parties)))
    }

    fn on(listener: OwnedFd, address: SocketAddr, plan: Plan) -> Self {
        Self::run(listener, address, plan, Arc::new(Barrier::new(1)))
    }

    fn run(listener: OwnedFd, address: SocketAddr, plan: Plan, meeting: Arc<Barrier>) -> Self {
        let control: &'static Control = Box::leak(Box::new(Control::new()));
        let (signals, wake) = pipe();
        let (orphaned, parent) = pipe();
        let barrier = Arc::clone(&meeting);
        // As in a worker, it lives as long as the process does.
        let slot: &'static SlotCells = Box::leak(Box::default());
        let thread = std::thread::spawn(move || {
            let mut reactor = Reactor::new(vec![Listener::from_fd(listener).unwrap()], plan.config).unwrap();
            plan.baton.into_iter().for_each(|baton| reactor.share_listeners(baton).unwrap());
            let context = WorkerContext {
                control,
                slot,
                timeout: None,
                graceful_timeout: plan.graceful_timeout,
                max_requests: plan.max_requests,
                max_requests_jitter: 0,
                resignation: plan.resignation.map(|resignation| &*Box::leak(Box::new(resignation))),
                access_log: None,
            };
            let app = TestApp { slot, meeting: barrier };
            if let Some(threads) = plan.threads {
                let request_timeout = plan.request_timeout;
                let team = Team { threads, request_timeout, slot: 0, signals, parent: orphaned };
                let ended = gthread::run(Arc::new(app), reactor, context, team);
                assert_eq!(ended.stuck, plan.stuck);
                return ended.code;
            }
            reactor.watch_signals(signals).unwrap();
            reactor.watch_parent(orphaned).unwrap();
            sync::run(&app, reactor, context)
        });
        Self { address, meeting, control, slot, wake, parent: Some(parent), thread: Some(thread) }
    }

    /// Requests that are in the application.
    pub(crate) fn in_flight(&self) -> usize {
        self.slot.in_flight().len()
    }

    pub(crate) fn connect(&self) -> Client {
        Client::new(TcpStream::connect(self.address).unwrap())
    }

    /// One request on a connection of its own.
    pub(crate) fn get(&self, target: &str) -> Response {
        let mut client = self.connect();
        client.send(&format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        client.response()
    }

    pub(crate) fn tell(&mut self, stop: Stop) {
        self.control.stop(stop);
        // The worker may have ended by itself.
        let _ = self.wake.write_all(b"!");
    }

    pub(crate) fn abandon(&mut self) {
        self.parent = None;
    }

    /// The worker's exit code, once it has ended.
    pub(crate) fn join(&mut self) -> i32 {
        self.thread.take().unwrap().join().unwrap()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.thread.is_some() && !std::thread::panicking() {
            self.tell(Stop::Quick);
            assert_eq!(self.join(), 0);
        }
    }
}

/// A pipe whose read end does not block.
pub(crate) fn pipe() -> (OwnedFd, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    socket2::SockRef::from(&reader).set_nonblocking(true).unwrap();
    (reader.into(), writer)
}

/// A response as it was on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// One connection, on which requests are written by hand.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: S,
    pending: Vec<u8>,
}

impl Client {
    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Self { stream, pending: Vec::new() }
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self { stream, pending: Vec::new() }
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn get(&mut self, target: &str) -> Response {
        self.send(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        self.response()
    }

    /// The next response; its body is as long as its framing says, and must be whole.
    pub(crate) fn response(&mut self) -> Response {
        let head = self.until(b"\r\n\r\n");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut response = Response { status, head, body: Vec::new() };
        if let Some(length) = response.header("Content-Length") {
            response.body = self.exactly(length.parse().unwrap());
        } else if response.header("Transfer-Encoding").is_some() {
            response.body = self.chunks();
        }
        response
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(self.until(b"\r\n").trim_end(), 16).unwrap();
            body.extend(self.exactly(size));
            assert_eq!(self.exactly(2), b"\r\n");
            if size == 0 {
                return body;
            }
        }
    }

    /// Everything until the server closes the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.pending);
        self.stream.read_to_end(&mut rest).unwrap();
        rest
    }

    pub(crate) fn until(&mut self, end: &[u8]) -> String {
        loop {
            if let Some(at) = self.pending.windows(end.len()).position(|window| window == end) {
                return String::from_utf8(self.pending.drain(..at + end.len()).collect()).unwrap();
            }
            assert!(self.receive(), "closed within: {:?}", String::from_utf8_lossy(&self.pending));
        }
    }

    pub(crate) fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.pending.len() < length {
            assert!(self.receive(), "closed {} bytes too early", length - self.pending.len());
        }
        let rest = self.pending.split_off(length);
        std::mem::replace(&mut self.pending, rest)
    }

    fn receive(&mut self) -> bool {
        let mut bytes = [0; 64 * 1024];
        let length = self.stream.read(&mut bytes).unwrap();
        self.pending.extend_from_slice(&bytes[..length]);
        length > 0
    }
}

/// Waits until `condition` holds.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

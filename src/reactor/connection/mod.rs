//! One client's connection, from its first byte to its close, as a small state machine on a non-blocking stream.
//!
//! ```text
//!                        +---------------------------- next request ---------------------------+
//!                        v                                                                      |
//!   accept -> [Proxy] -> Head -> Body -> Ready -> (checked out: the application answers) -> Draining -> close
//!               \          \       \                                                        ^   |
//!                `----------`-------`-- refused: an error response -------------------------'   `-> Lingering -> close
//! ```
//!
//! [`Connection::advance`] goes as far as the socket lets it and says what it waits for. It is driven by the reactor,
//! which owns the poll and the clock; a checked-out connection is driven by its [`Exchange`](super::Exchange).

mod receive;
mod send;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use mio::event::Event;
use mio::{Interest, Registry, Token};

use super::acceptor::Accepted;
use super::buffers::Buffers;
use super::config::ReactorConfig;
use super::date;
use super::idle::Rank;
use super::input::Fill;
use super::output::{Flushed, Output};
use super::response::Stage;
use super::work::{Work, WorkPool};
use crate::http::h1::encode_error;
use crate::http::{ProtocolError, ProxyHeader, ProxyProtocol, Rule, Trust};
use crate::log::Complaint;
use crate::net::{Address, Stream};
use crate::time::Time;

/// How long a connection is kept after its last response while the client has not closed its side. A reset, which
/// closing with unread input would cause, makes clients lose the response (RFC 9112, section 9.6).
const LINGER: Duration = Duration::from_secs(2);

/// Most bytes that are read and thrown away during that time.
const LINGER_BYTES: usize = 1024 * 1024;

/// Bytes in and out after which a connection lets the others have their turn.
const TURN_BYTES: u64 = 1024 * 1024;

/// How long a client that has just connected may still send its first request when the worker stops.
const LAST_CALL: Duration = Duration::from_secs(1);

/// What all connections of a reactor share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: ReactorConfig,
    pub(super) buffers: Arc<Buffers>,
    pub(super) pool: WorkPool,
    /// The time, as it was when the reactor last looked.
    pub(super) now: Time,
    /// No connection is to outlive its request, and none is to be idle after this time.
    pub(super) closing: Option<Time>,
    /// The same for responses that are just being made, on whatever thread.
    pub(super) closes: Arc<AtomicBool>,
    /// When the log was told last that something cannot be kept.
    pub(super) complaint: Complaint,
}

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Before the first request, where a PROXY protocol header may come.
    Proxy,
    /// Between requests, or reading a head.
    Head,
    /// Reading a body.
    Body,
    /// The request can be answered: it is whole, or its body is to be streamed.
    Ready,
    /// Sending what the application or an error left in the queue.
    Draining(After),
    /// Waiting for the client to close; so many bytes may still be thrown away.
    Lingering(usize),
}

/// What follows when the queue is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    NextRequest,
    Close,
    Linger,
}

/// How a connection that carries no HTTP any more is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// What waits is sent, and the client has time to close its side.
    Linger,
    /// At once.
    Close,
}

/// What a deadline is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// There is no deadline.
    Nothing,
    FirstByte,
    NextRequest,
    Head,
    Body,
    Output,
    Close,
}

impl Waiting {
    /// Whether bytes in or out put off the deadline.
    fn allows_for_progress(self) -> bool {
        matches!(self, Self::Body | Self::Output)
    }
}

/// What the reactor is to do with a connection that can go no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Wake it when its socket is ready or its deadline has come.
    Wait,
    /// Go on with it after the others: it has more to do.
    Again,
    /// Hand its request out.
    Ready,
    /// Drop it.
    Close,
}

/// What the poll has told about a socket and has not been used up. Kept for a checked-out connection too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Readiness {
    /// A read may bring something.
    pub(super) readable: bool,
    /// The client has ended its side, or the connection is broken: a short read is not the last one.
    pub(super) hung_up: bool,
}

impl Readiness {
    /// Adds what an event tells. Edge-triggered (epoll(7)): it is told once.
    pub(super) fn note(&mut self, event: &Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.hung_up |= event.is_read_closed() || event.is_error();
    }

    /// Adds what was noted elsewhere.
    pub(super) fn merge(&mut self, other: Self) {
        self.readable |= other.readable;
        self.hung_up |= other.hung_up;
    }
}

/// How slowly a client may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// How long a body may pause.
    pub(super) pause: Duration,
    /// Bytes a second that a body, or what is left of a response, must keep on average once it could have paused for
    /// as long as it may; `None`: any.
    pub(super) rate: Option<u64>,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: Stream,
    pub(super) peer: Address,
    pub(super) local: Arc<Address>,
    pub(super) output: Output,
    pub(super) readiness: Readiness,
    phase: Phase,
    waiting: Waiting,
    deadline: Option<Time>,
    /// Bytes that went in or out since `advance` was called.
    moved: u64,
    /// It has more to do, and waits for its turn.
    pub(super) is_queued: bool,
    /// When it began to wait for what it waits for, or last moved while it did.
    since: Time,
    /// What the poll watches the socket for.
    watched: Option<Interest>,
    /// Whether responses from now on announce the end of the connection.
    pub(super) closes: Arc<AtomicBool>,
    /// Requests that it has carried.
    requests: u64,
    /// What is believed of what the peer says.
    trust: Trust,
    /// What a PROXY protocol header has told.
    pub(super) proxied: Option<Box<ProxyHeader>>,
    /// When the body, or what is left of the response, began to move, and how many bytes have.
    pace: (Time, u64),
    /// How slowly it may.
    pub(super) patience: Patience,
    work: Option<Box<Work>>,
}

impl Connection {
    /// One that was just accepted. Reading is worth a try: the request often is there with the connection.
    pub(super) fn new((stream, peer, local): Accepted, Shared { config, buffers, closes, .. }: &Shared) -> Self {
        Self {
            trust: config.forwarding.trust(peer.ip(), None),
            stream,
            peer,
            local,
            output: Output::new(buffers),
            readiness: Readiness { readable: true, hung_up: false },
            phase: if config.proxy_protocol == ProxyProtocol::Off { Phase::Head } else { Phase::Proxy },
            waiting: Waiting::Nothing,
            deadline: None,
            moved: 0,
            is_queued: false,
            since: Time::default(),
            watched: None,
            closes: Arc::clone(closes),
            requests: 0,
            proxied: None,
            pace: (Time::default(), 0),
            patience: Patience { pause: config.body_timeout, rate: config.min_rate },
            work: None,
        }
    }

    /// When it is to be given up.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.deadline
    }

    /// Whether it may give way to a newcomer.
    pub(super) fn rank(&self) -> Option<Rank> {
        match self.waiting {
            Waiting::Close => Some(Rank::Answered),
            Waiting::NextRequest => Some(Rank::Kept),
            Waiting::FirstByte | Waiting::Head => Some(Rank::Arriving),
            Waiting::Body | Waiting::Output => Some(Rank::Stalled),
            Waiting::Nothing => None,
        }
    }

    /// Whether anything moved when it was last driven.
    pub(super) fn has_moved(&self) -> bool {
        self.moved > 0
    }

    /// When it began to wait for what it waits for, or last moved while it did.
    pub(super) fn since(&self) -> Time {
        self.since
    }

    /// Whether it may carry another request after the one that is ready.
    pub(super) fn may_persist(&self, config: &ReactorConfig) -> bool {
        config.keepalive_requests.is_none_or(|most| self.requests + 1 < most)
    }

    /// Has the poll watch the socket for what the connection waits for. Output is watched from the first time on
    /// that a client was slow: edge-triggered, it costs nothing then.
    pub(super) fn watch(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let wanted = match self.waiting {
            Waiting::Output => Interest::READABLE | Interest::WRITABLE,
            _ => Interest::READABLE,
        };
        match self.watched {
            None => registry.register(&mut self.stream, token, wanted)?,
            Some(watched) if watched.is_writable() || !wanted.is_writable() => return Ok(()),
            Some(_) => registry.reregister(&mut self.stream, token, wanted)?,
        }
        self.watched = Some(wanted);
        Ok(())
    }

    /// Has the poll watch the socket for everything.
    pub(super) fn watch_all(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let wanted = Interest::READABLE | Interest::WRITABLE;
        match self.watched {
            None => registry.register(&mut self.stream, token, wanted)?,
            Some(watched) if watched.is_writable() => return Ok(()),
            Some(_) => registry.reregister(&mut self.stream, token, wanted)?,
        }
        self.watched = Some(wanted);
        Ok(())
    }

    /// Whether it waits to be checked out.
    pub(super) fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Takes out what the application's side needs of a request that is ready.
    pub(super) fn check_out(&mut self) -> Option<Box<Work>> {
        self.is_queued = false;
        (self.phase == Phase::Ready).then(|| self.work.take())?
    }

    /// The application is done with the request: what it left is sent from here.
    pub(super) fn check_in(&mut self, mut work: Box<Work>, shared: &mut Shared) {
        self.requests += 1;
        self.pace = (shared.now, 0);
        self.waiting = Waiting::Nothing;
        // What is left of a body is no request, and its sender is to see the answer.
        let is_ahead = self.is_ahead(&mut work) || !work.decoder.is_done();
        self.phase = Phase::Draining(match work.response.stage {
            Stage::KeepAlive => After::NextRequest,
            Stage::Close if is_ahead => After::Linger,
            Stage::Close | Stage::Gone | Stage::Open => After::Close,
        });
        if work.response.stage == Stage::Gone {
            self.output.clear();
        }
        if is_ahead && work.response.stage == Stage::KeepAlive {
            work.next_request();
            self.work = Some(work);
        } else {
            shared.pool.give(work);
        }
    }

    /// It carries no HTTP any more, and is to be closed.
    pub(super) fn end(&mut self, ending: Ending, now: Time) {
        self.requests += 1;
        self.pace = (now, 0);
        self.waiting = Waiting::Nothing;
        self.phase = Phase::Draining(match ending {
            Ending::Linger => After::Linger,
            Ending::Close => After::Close,
        });
        if ending == Ending::Close {
            self.output.clear();
        }
    }

    /// Bytes that went in or out since this was asked last.
    pub(super) fn take_moved(&mut self) -> u64 {
        std::mem::take(&mut self.moved)
    }

    /// Whether the client has sent more than this request. Where the server ends the connection and the client does not
    /// expect it to, the socket is asked too: closing with unread input would be a reset.
    fn is_ahead(&mut self, work: &mut Work) -> bool {
        if !work.input.pending().is_empty() {
            return true;
        }
        let is_surprise = work.response.stage == Stage::Close && work.head.keep_alive;
        is_surprise && matches!(work.input.fill(&mut self.stream), Ok(Fill::Some | Fill::Drained))
    }

    /// Its memory for another connection's use, when it is dropped.
    pub(super) fn take_work(&mut self) -> Option<Box<Work>> {
        self.work.take()
    }

    /// Goes as far as it can.
    pub(super) fn advance(&mut self, shared: &mut Shared) -> Next {
        self.moved = 0;
        loop {
            let stop = match self.phase {
                Phase::Proxy => self.read_proxy_header(shared),
                Phase::Head => self.read_head(shared),
                Phase::Body => self.read_body(shared),
                Phase::Ready => Some(Next::Ready),
                Phase::Draining(after) => self.drain(after, shared),
                Phase::Lingering(left) => self.linger(left, shared),
            };
            if let Some(next) = stop {
                return next;
            }
        }
    }

    /// Its deadline has come. What has arrived in time counts even if the poll, which tells of so many sockets at a
    /// time, has not come to it: so the socket is asked first.
    pub(super) fn expire(&mut self, shared: &mut Shared) -> Next {
        self.readiness.readable = true;
        let next = self.advance(shared);
        if next != Next::Wait || self.deadline.is_some_and(|deadline| deadline > shared.now) {
            return next;
        }
        match self.waiting {
            Waiting::Head => self.time_out(Rule::HeadTime, shared),
            Waiting::Body => self.time_out(Rule::BodyTime, shared),
            _ => Next::Close,
        }
    }

    fn time_out(&mut self, rule: Rule, shared: &mut Shared) -> Next {
        self.refuse(&ProtocolError::new(rule, b""));
        self.advance(shared)
    }

    /// The worker stops: what the connection waits for has a limit of its own now. That between two requests is running
    /// already, and is only cut short.
    pub(super) fn finish_up(&mut self, shared: &mut Shared) -> Next {
        self.readiness.readable = true;
        if self.waiting != Waiting::NextRequest {
            self.waiting = Waiting::Nothing;
        }
        self.advance(shared)
    }

    /// A newcomer needs its place: it is closed if nothing has changed. The socket is asked for the last time.
    pub(super) fn give_way(&mut self, shared: &mut Shared) -> Next {
        self.readiness.readable = true;
        let rank = self.rank();
        match self.advance(shared) {
            Next::Wait if self.rank() == rank && !(rank == Some(Rank::Stalled) && self.has_moved()) => Next::Close,
            next => next,
        }
    }

    /// Waits for at most `limit`, counted from the moment it began to wait for this or last made progress.
    fn wait(&mut self, waiting: Waiting, limit: Duration, now: Time) -> Next {
        if self.waiting != waiting || (self.moved > 0 && waiting.allows_for_progress()) {
            self.waiting = waiting;
            self.since = now;
            self.deadline = Some(now + limit);
        }
        Next::Wait
    }

    fn answer_error(&mut self, status: u16, detail: &str) {
        let mut response = Vec::new();
        encode_error(status, detail, &date::now(), &mut response);
        self.output.push(&response);
        self.phase = Phase::Draining(After::Linger);
    }

    fn drain(&mut self, after: After, shared: &mut Shared) -> Option<Next> {
        let flushed = self.flush();
        match flushed {
            Ok(Flushed::All) => {}
            Ok(Flushed::Blocked | Flushed::Enough) => {
                self.note_moved();
                let next = self.wait(Waiting::Output, shared.config.write_timeout, shared.now);
                self.hurry(shared.config.write_timeout);
                return Some(if matches!(flushed, Ok(Flushed::Enough)) { Next::Again } else { next });
            }
            Err(_) => return Some(Next::Close),
        }
        match after {
            After::Close => return Some(Next::Close),
            After::NextRequest => self.phase = Phase::Head,
            After::Linger => {
                // It fails if the client has gone, which the next read tells as well.
                let _ = self.stream.shutdown_write();
                self.phase = Phase::Lingering(LINGER_BYTES);
                self.readiness.readable = true;
            }
        }
        None
    }
}

/// A client's address as gunicorn's messages show it.
pub(super) struct Ip<'a>(pub(super) &'a Address);

impl std::fmt::Display for Ip<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Address::Inet(address) => write!(formatter, "{}", address.ip()),
            Address::Unix(_) => Ok(()),
        }
    }
}

//! One client's connection, from its first byte to its close, as a small state machine on a non-blocking stream.
//!
//! ```text
//!              +----------------------------- next request ----------------------------+
//!              v                                                                       |
//!   accept -> Head -> Body -> Ready -> (checked out: the application answers) -> Draining -> close
//!               \       \                                                           ^   |
//!                `-------`-- refused: an error response ----------------------------'   `-> Lingering -> close
//! ```
//!
//! [`Connection::advance`] goes as far as the socket lets it and says what it waits for. It is driven by the reactor,
//! which owns the poll and the clock; a checked-out connection is driven by its [`Exchange`](super::Exchange).

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event;
use mio::{Interest, Registry, Token};

use super::body::RequestBody;
use super::config::ReactorConfig;
use super::date;
use super::exchange::Payload;
use super::input::Fill;
use super::output::Output;
use super::response::Stage;
use super::work::{Work, WorkPool};
use crate::http::h1::{BodyDecoder, encode_continue, encode_error, is_between_requests, parse_head};
use crate::http::{Framing, ProtocolError};
use crate::log;
use crate::net::{Address, Stream};
use crate::time::Time;

/// How long a connection is kept after its last response while the client has not closed its side. A reset, which
/// closing with unread input would cause, makes clients lose the response (RFC 9112, section 9.6).
const LINGER: Duration = Duration::from_secs(2);

/// Most bytes that are read and thrown away during that time.
const LINGER_BYTES: usize = 1024 * 1024;

/// How long a client that has just connected may still send its first request when the worker stops.
const LAST_CALL: Duration = Duration::from_secs(1);

/// What all connections of a reactor share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: ReactorConfig,
    pub(super) pool: WorkPool,
    /// The time, as it was when the reactor last looked.
    pub(super) now: Time,
    /// No connection is to outlive its request.
    pub(super) closing: bool,
}

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between requests, or reading a head.
    Head,
    /// Reading a body.
    Body,
    /// The request is whole.
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
    /// Whether bytes went in or out since `advance` was called.
    progress: bool,
    /// What the poll watches the socket for.
    watched: Option<Interest>,
    /// Whether it has carried a request.
    is_used: bool,
    work: Option<Box<Work>>,
}

impl Connection {
    /// One that was just accepted. Reading is worth a try: the request often is there with the connection.
    pub(super) fn new(stream: Stream, peer: Address, local: Arc<Address>) -> Self {
        Self {
            stream,
            peer,
            local,
            output: Output::default(),
            readiness: Readiness { readable: true, hung_up: false },
            phase: Phase::Head,
            waiting: Waiting::Nothing,
            deadline: None,
            progress: false,
            watched: None,
            is_used: false,
            work: None,
        }
    }

    /// When it is to be given up.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.deadline
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

    /// Whether it waits to be checked out.
    pub(super) fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Takes out what the application's side needs of a request that is ready.
    pub(super) fn check_out(&mut self) -> Option<Box<Work>> {
        (self.phase == Phase::Ready).then(|| self.work.take())?
    }

    /// The application is done with the request: what it left is sent from here.
    pub(super) fn check_in(&mut self, mut work: Box<Work>, shared: &mut Shared) {
        self.is_used = true;
        self.waiting = Waiting::Nothing;
        let is_ahead = !work.input.pending().is_empty();
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

    /// Its memory for another connection's use, when it is dropped.
    pub(super) fn take_work(&mut self) -> Option<Box<Work>> {
        self.work.take()
    }

    /// Goes as far as it can.
    pub(super) fn advance(&mut self, shared: &mut Shared) -> Next {
        self.progress = false;
        loop {
            let stop = match self.phase {
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

    /// Its deadline has come.
    pub(super) fn expire(&mut self, shared: &mut Shared) -> Next {
        match self.waiting {
            Waiting::Head | Waiting::Body => {
                log::debug!("Request timed out from ip={}", Ip(&self.peer));
                self.answer_error(408, "");
                self.advance(shared)
            }
            _ => Next::Close,
        }
    }

    /// The worker stops: ends the connection if nothing of a request has arrived. The socket is asked for the last time.
    pub(super) fn finish_up(&mut self, shared: &mut Shared) -> Next {
        self.readiness.readable = true;
        self.waiting = Waiting::Nothing;
        self.advance(shared)
    }

    /// Sends the parts: at once what the socket takes, the rest from the queue.
    pub(super) fn send(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        if !self.output.is_empty() {
            self.output.push_rest(parts, 0);
            return self.flush().map(drop);
        }
        let sent = self.try_send(parts)?;
        self.output.push_rest(parts, sent);
        Ok(())
    }

    /// As `send`, for the first `take` bytes of a payload, which are never copied, and what goes before and after it.
    pub(super) fn send_owned(
        &mut self,
        before: &[&[u8]; 2],
        payload: Box<dyn Payload>,
        take: usize,
        after: &[u8],
    ) -> io::Result<()> {
        let bytes = (*payload).as_ref().get(..take).unwrap_or_default();
        let sent = if self.output.is_empty() { self.try_send(&[before[0], before[1], bytes, after])? } else { 0 };
        let skip = self.output.push_rest(before, sent);
        self.output.push_owned(payload, skip.min(take)..take);
        self.output.push_rest(&[after], skip.saturating_sub(take));
        Ok(())
    }

    /// As `send`, for a file (with offset and length), and what goes before and after it.
    pub(super) fn send_file(&mut self, before: &[&[u8]; 2], file: (File, u64, u64), after: &[u8]) -> io::Result<()> {
        self.output.push_rest(before, 0);
        self.output.push_file(file.0, file.1, file.2);
        self.output.push(after);
        self.flush().map(drop)
    }

    /// Sends what the queue holds, as far as the socket takes it; `true`: all of it.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        self.output.flush(&mut self.stream, &mut self.progress)
    }

    /// One write past the queue.
    fn try_send(&mut self, parts: &[&[u8]]) -> io::Result<usize> {
        let sent = match parts {
            [part] => self.stream.write(part),
            _ => {
                let mut slices = [IoSlice::new(&[]); 4];
                slices.iter_mut().zip(parts).for_each(|(slice, part)| *slice = IoSlice::new(part));
                self.stream.write_vectored(&slices)
            }
        };
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            sent => sent,
        }
    }

    // Each of the steps below returns `None` when the connection is in another phase or has more to work on, and
    // otherwise what to wait for.

    fn read_head(&mut self, shared: &mut Shared) -> Option<Next> {
        if self.work.is_none() && !self.readiness.readable {
            return Some(self.wait_idle(shared));
        }
        let work = self.work.get_or_insert_with(|| shared.pool.take());
        if work.input.pending().is_empty() {
            return self.fill(shared);
        }
        match parse_head(work.input.pending(), &shared.config.limits, &mut work.head) {
            Ok(true) => self.accept_head(shared),
            Ok(false) => self.fill(shared),
            Err(error) => self.refuse(&error),
        }
    }

    /// The head is good: what follows is the body.
    fn accept_head(&mut self, shared: &Shared) -> Option<Next> {
        let work = self.work.as_mut()?;
        work.input.accept_head(work.head.len);
        if work.head.framing == Framing::Length(0) {
            self.phase = Phase::Ready;
            return None;
        }
        work.decoder = BodyDecoder::with_limit(work.head.framing, shared.config.limits.body);
        work.body = RequestBody::expecting(work.head.framing);
        self.phase = Phase::Body;
        // RFC 9110, section 10.1.1: not needed when the body has begun to arrive.
        if work.head.expect_continue && work.input.pending().is_empty() {
            let mut interim = Vec::new();
            encode_continue(&mut interim);
            self.output.push(&interim);
        }
        None
    }

    fn read_body(&mut self, shared: &mut Shared) -> Option<Next> {
        if !self.output.is_empty() && self.flush().is_err() {
            return Some(Next::Close);
        }
        let work = self.work.as_mut()?;
        let decoded = match work.decoder.decode(work.input.pending_mut()) {
            Ok(decoded) => decoded,
            Err(error) => return self.refuse(&error),
        };
        let data = work.input.pending().get(decoded.data).unwrap_or_default();
        let stored = work.body.append(data, &shared.config.temp_dir);
        work.input.discard(decoded.consumed);
        if let Err(error) = stored.and_then(|()| if decoded.done { work.body.seal() } else { Ok(()) }) {
            log::error!("Cannot keep a request body in {}: {error}", shared.config.temp_dir.display());
            self.answer_error(500, "");
            return None;
        }
        if decoded.done {
            self.phase = Phase::Ready;
            return None;
        }
        self.fill(shared)
    }

    /// Reads once.
    fn fill(&mut self, shared: &mut Shared) -> Option<Next> {
        if !self.readiness.readable {
            return Some(self.wait_for_input(shared));
        }
        let filled = self.work.as_mut()?.input.fill(&mut self.stream);
        match filled {
            Ok(Fill::Some) => self.progress = true,
            Ok(Fill::Drained) => {
                self.progress = true;
                self.readiness.readable = self.readiness.hung_up;
            }
            Ok(Fill::Blocked) => self.readiness = Readiness::default(),
            Ok(Fill::End) => return self.end_of_input(),
            Ok(Fill::Full) => self.answer_error(431, ""),
            Err(_) => return Some(Next::Close),
        }
        None
    }

    fn wait_for_input(&mut self, shared: &mut Shared) -> Next {
        let config = &shared.config;
        if self.phase == Phase::Body {
            return self.wait(Waiting::Body, config.body_timeout, shared.now);
        }
        if self.is_between_requests() {
            return self.wait_idle(shared);
        }
        self.wait(Waiting::Head, config.head_timeout, shared.now)
    }

    /// Waits for the first byte of a request, with as little memory as possible.
    fn wait_idle(&mut self, shared: &mut Shared) -> Next {
        if let Some(work) = self.work.take_if(|work| work.input.pending().is_empty()) {
            shared.pool.give(work);
        }
        match (self.is_used, shared.closing) {
            (true, true) => Next::Close,
            (true, false) => self.wait(Waiting::NextRequest, shared.config.keepalive.unwrap_or_default(), shared.now),
            (false, true) => self.wait(Waiting::FirstByte, LAST_CALL, shared.now),
            (false, false) => self.wait(Waiting::FirstByte, shared.config.head_timeout, shared.now),
        }
    }

    fn is_between_requests(&self) -> bool {
        self.phase == Phase::Head && self.work.as_ref().is_none_or(|work| is_between_requests(work.input.pending()))
    }

    /// Waits for at most `limit`, counted from the moment it began to wait for this or last made progress.
    fn wait(&mut self, waiting: Waiting, limit: Duration, now: Time) -> Next {
        if self.waiting != waiting || (self.progress && waiting.allows_for_progress()) {
            self.waiting = waiting;
            self.deadline = Some(now + limit);
        }
        Next::Wait
    }

    /// The client has ended its side before the request was whole. To a head that is cut short nobody waits for an
    /// answer; a body that is cut short is a bad message (RFC 9112, section 8).
    fn end_of_input(&mut self) -> Option<Next> {
        if self.phase == Phase::Head {
            return Some(Next::Close);
        }
        log::warning!("Invalid request from ip={}: the body ends too early", Ip(&self.peer));
        self.answer_error(400, "");
        None
    }

    /// Answers a bad message; nothing that follows is read as a request.
    fn refuse(&mut self, error: &ProtocolError) -> Option<Next> {
        log::warning!("Invalid request from ip={}: {error}", Ip(&self.peer));
        self.answer_error(error.status(), error.rule());
        None
    }

    fn answer_error(&mut self, status: u16, detail: &str) {
        let mut response = Vec::new();
        encode_error(status, detail, &date::now(), &mut response);
        self.output.push(&response);
        self.phase = Phase::Draining(After::Linger);
    }

    fn drain(&mut self, after: After, shared: &mut Shared) -> Option<Next> {
        match self.flush() {
            Ok(true) => {}
            Ok(false) => return Some(self.wait(Waiting::Output, shared.config.write_timeout, shared.now)),
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

    fn linger(&mut self, left: usize, shared: &mut Shared) -> Option<Next> {
        if !self.readiness.readable {
            return Some(self.wait(Waiting::Close, LINGER, shared.now));
        }
        let input = &mut self.work.get_or_insert_with(|| shared.pool.take()).input;
        input.clear();
        let filled = input.fill(&mut self.stream);
        let left = left.saturating_sub(input.pending().len());
        match filled {
            Ok(Fill::Some | Fill::Drained) if left > 0 => self.phase = Phase::Lingering(left),
            Ok(Fill::Blocked) => self.readiness = Readiness::default(),
            _ => return Some(Next::Close),
        }
        None
    }
}

/// A client's address as gunicorn's messages show it.
struct Ip<'a>(&'a Address);

impl std::fmt::Display for Ip<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Address::Inet(address) => write!(formatter, "{}", address.ip()),
            Address::Unix(_) => Ok(()),
        }
    }
}

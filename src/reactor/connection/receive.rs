//! The receiving side of a connection: heads, bodies, what is thrown away, and how long to wait for more.
//!
//! Each step returns `None` when the connection is in another phase or has more to work on, and otherwise what is next.

use std::time::Duration;

use super::{Connection, Ip, LAST_CALL, LINGER, Next, Phase, Readiness, Shared, TURN_BYTES, Waiting};
use crate::http::h1::{BodyDecoder, encode_continue, is_between_requests, parse_head};
use crate::http::{Framing, Networks, ProtocolError, ProxyScan, Rule, parse_proxy};
use crate::log;
use crate::reactor::body::{RequestBody, is_full};
use crate::reactor::input::Fill;
use crate::reactor::streaming::STREAMED_FROM;
use crate::time::Time;

impl Connection {
    pub(super) fn read_head(&mut self, shared: &mut Shared) -> Option<Next> {
        if self.work.is_none() && !self.readiness.readable {
            return Some(self.wait_idle(shared));
        }
        let work = self.work.get_or_insert_with(|| shared.pool.take());
        if work.input.pending().is_empty() {
            return self.fill(shared);
        }
        match parse_head(work.input.pending_mut(), &shared.config.acceptance, &mut work.head) {
            Ok(true) => match shared.config.forwarding.judge(work.input.pending(), self.trust, &mut work.head) {
                Ok(()) => self.accept_head(shared),
                Err(error) => self.refuse(&error),
            },
            Ok(false) => self.fill(shared),
            Err(error) => self.refuse(&error),
        }
    }

    /// Looks for a PROXY protocol header where one may come; without one the connection is as any other.
    pub(super) fn read_proxy_header(&mut self, shared: &mut Shared) -> Option<Next> {
        let may_speak = self.may_speak_for_others(&shared.config.proxy_allowed);
        let work = self.work.get_or_insert_with(|| shared.pool.take());
        match parse_proxy(work.input.pending(), shared.config.proxy_protocol) {
            Ok(ProxyScan::More) => return self.fill(shared),
            Ok(ProxyScan::Absent) => self.phase = Phase::Head,
            Ok(ProxyScan::Found(..)) if !may_speak => {
                return self.refuse(&ProtocolError::new(Rule::ProxyForbidden, b""));
            }
            Ok(ProxyScan::Found(header, length)) => {
                work.input.accept_head(length);
                work.input.next_message();
                let source = header.addresses.map(|(source, _)| source.ip());
                self.trust = shared.config.forwarding.trust(self.peer.ip(), source);
                self.proxied = Some(Box::new(header));
                self.phase = Phase::Head;
            }
            Err(error) => return self.refuse(&error),
        }
        None
    }

    /// Whether the peer may send a PROXY protocol header. Who can open a Unix socket may.
    fn may_speak_for_others(&self, allowed: &Networks) -> bool {
        self.peer.ip().is_none_or(|peer| allowed.contains(peer))
    }

    /// The head is good: what follows is the body.
    fn accept_head(&mut self, shared: &Shared) -> Option<Next> {
        let work = self.work.as_mut()?;
        work.input.accept_head(work.head.len);
        if work.head.framing == Framing::Length(0) {
            self.phase = Phase::Ready;
            return None;
        }
        work.decoder = BodyDecoder::with_limit(work.head.framing, shared.config.acceptance.limits.body);
        work.body = RequestBody::expecting(work.head.framing);
        self.phase = Phase::Body;
        self.pace = (shared.now, 0);
        // RFC 9110, section 10.1.1: not needed when the body has begun to arrive.
        if work.head.expect_continue && work.input.pending().is_empty() {
            let mut interim = Vec::new();
            encode_continue(&mut interim);
            self.output.push(&interim);
        }
        None
    }

    pub(super) fn read_body(&mut self, shared: &mut Shared) -> Option<Next> {
        if !self.output.is_empty() && self.flush().is_err() {
            return Some(Next::Close);
        }
        let work = self.work.as_mut()?;
        let decoded = match work.decoder.decode(work.input.pending_mut()) {
            Ok(decoded) => decoded,
            Err(error) => return self.refuse(&error),
        };
        let data = work.input.pending().get(decoded.data).unwrap_or_default();
        self.pace.1 += data.len() as u64;
        let is_streamed = shared.config.streams_bodies && self.pace.1 >= STREAMED_FROM as u64;
        let is_ready = decoded.done || is_streamed;
        let stored = work.body.append(data, &shared.config.temp_dir, &work.held);
        work.input.discard(decoded.consumed);
        if let Err(error) = stored.and_then(|()| if is_ready { work.body.seal() } else { Ok(()) }) {
            if shared.complaint.is_due(shared.now) {
                log::error!("Cannot keep a request body in {}: {error}", shared.config.temp_dir.display());
            }
            self.answer_error(if is_full(&error) { 503 } else { 500 }, "");
            return None;
        }
        if is_ready {
            self.phase = Phase::Ready;
            return None;
        }
        self.fill(shared)
    }

    /// So many bytes of the body have arrived.
    pub(in crate::reactor) fn note_body(&mut self, bytes: usize) {
        self.pace.1 += bytes as u64;
    }

    /// Reads once.
    fn fill(&mut self, shared: &mut Shared) -> Option<Next> {
        if !self.readiness.readable {
            return Some(self.wait_for_input(shared));
        }
        if self.moved >= TURN_BYTES {
            self.wait_for_input(shared);
            return Some(Next::Again);
        }
        let input = &mut self.work.as_mut()?.input;
        let before = input.pending().len();
        let filled = input.fill(&mut self.stream);
        self.moved += (input.pending().len() - before) as u64;
        match filled {
            Ok(Fill::Some) => {}
            Ok(Fill::Drained) => self.readiness.readable = self.readiness.hung_up,
            Ok(Fill::Blocked) => self.readiness = Readiness::default(),
            Ok(Fill::End) => return self.end_of_input(),
            Ok(Fill::Full) => self.answer_error(431, ""),
            Ok(Fill::Refused) => {
                if shared.complaint.is_due(shared.now) {
                    log::warning!("Cannot keep a request's head: requests and responses hold as much as they may");
                }
                self.answer_error(503, "");
            }
            Err(_) => return Some(Next::Close),
        }
        None
    }

    fn wait_for_input(&mut self, shared: &mut Shared) -> Next {
        let config = &shared.config;
        if self.phase == Phase::Body {
            self.wait(Waiting::Body, config.body_timeout, shared.now);
            self.hurry(config.body_timeout);
            return Next::Wait;
        }
        if self.is_between_requests() {
            return self.wait_idle(shared);
        }
        self.wait(Waiting::Head, config.head_timeout, shared.now)
    }

    /// What moves must keep its rate, too.
    pub(super) fn hurry(&mut self, pause: Duration) {
        self.deadline = [self.deadline, self.slowest(pause)].into_iter().flatten().min();
    }

    /// When what moves is too slow if no more of it does; it may pause for `pause`.
    pub(in crate::reactor) fn slowest(&self, pause: Duration) -> Option<Time> {
        let (began, moved) = self.pace;
        let rate = self.patience.rate?.max(1);
        let earned = Duration::from_millis(moved.saturating_mul(1000) / rate);
        Some(began + pause + earned)
    }

    /// What has moved since `advance` was called counts for the rate of a response.
    pub(super) fn note_moved(&mut self) {
        self.pace.1 += self.moved;
    }

    /// Waits for the first byte of a request, with as little memory as possible.
    fn wait_idle(&mut self, shared: &mut Shared) -> Next {
        if let Some(work) = self.work.take_if(|work| work.input.pending().is_empty()) {
            shared.pool.give(work);
        }
        if self.requests == 0 {
            let limit = shared.closing.map_or(shared.config.head_timeout, |_| LAST_CALL);
            return self.wait(Waiting::FirstByte, limit, shared.now);
        }
        self.wait(Waiting::NextRequest, shared.config.keepalive.unwrap_or_default(), shared.now);
        self.deadline = [self.deadline, shared.closing].into_iter().flatten().min();
        Next::Wait
    }

    fn is_between_requests(&self) -> bool {
        self.is_before_body() && self.work.as_ref().is_none_or(|work| is_between_requests(work.input.pending()))
    }

    fn is_before_body(&self) -> bool {
        matches!(self.phase, Phase::Proxy | Phase::Head)
    }

    /// The client has ended its side before the request was whole. To a head that is cut short nobody waits for an
    /// answer; a body that is cut short is a bad message (RFC 9112, section 8).
    fn end_of_input(&mut self) -> Option<Next> {
        if self.is_before_body() {
            return Some(Next::Close);
        }
        log::warning!("Invalid request from ip={}: the body ends too early", Ip(&self.peer));
        self.answer_error(400, "");
        None
    }

    /// Answers a bad message; nothing that follows is read as a request.
    pub(super) fn refuse(&mut self, error: &ProtocolError) -> Option<Next> {
        log::warning!("Invalid request from ip={}: {error}", Ip(&self.peer));
        self.answer_error(error.status(), error.rule());
        None
    }

    /// Throws away what still comes. While nothing does, the connection keeps no memory for it.
    pub(super) fn linger(&mut self, left: usize, shared: &mut Shared) -> Option<Next> {
        if !self.readiness.readable {
            self.work.take().into_iter().for_each(|work| shared.pool.give(work));
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

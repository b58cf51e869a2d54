//! An open WebSocket: the protocol on its connection. Python knows of the messages only.
//!
//! Bytes are read into a buffer that all WebSockets of a worker share. What has been read beyond the message that the
//! application has not yet taken is kept here, and nothing more is read then: the client has to wait.
//!
//! What is kept is charged to the worker's memory. While there is none a client whose message is in progress has to
//! wait, too, for as long as we would wait for it; those who need none go on.

mod memory;

use std::borrow::Cow;
use std::time::Duration;

use gunicorn::http::ResponseError;
use gunicorn::http::ws::{Action, CloseCode, Incoming, SendError, WebSocket};
use gunicorn::reactor::{Arrived, Attention, Payload, Upgraded};
use gunicorn::time::Time;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyString};

/// Bytes of the buffer that is read into.
pub(super) const BUFFER_BYTES: usize = 64 * 1024;

/// Payloads from this size on are sent without being copied, in bytes.
const LARGE: usize = 32 * 1024;

/// Bytes after which a client that sends without end lets the others have their turn.
const TURN_BYTES: usize = 1024 * 1024;

/// What has happened that the application is told of.
pub(super) enum News {
    /// A message: `str` or `bytes`.
    Message(Py<PyAny>),
    /// It is closed, or about to be: code and reason.
    Closed(u16, Box<str>),
    /// The client has gone without a word.
    Broken,
}

/// What the application sends.
pub(super) enum Message {
    Text(PyBackedStr),
    Binary(PyBackedBytes),
}

/// Why that is not possible.
pub(super) enum Failure {
    Closed,
    Code(u16),
    Gone,
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Closed => Self::Closed,
            SendError::Code(code) => Self::Code(code),
        }
    }
}

impl From<ResponseError> for Failure {
    fn from(_: ResponseError) -> Self {
        Self::Gone
    }
}

/// The protocol and its connection.
pub(super) struct Live {
    upgraded: Upgraded,
    websocket: WebSocket,
    /// What has been read and not consumed, from `start` on. Nearly always empty, and without memory then.
    rest: Vec<u8>,
    start: usize,
    /// The protocol can do nothing with the rest before more of it is there.
    is_partial: bool,
    /// Something was sent since the client was last pinged, or never was.
    has_sent: bool,
    /// A pong waits for its client: one that asks and does not read has to wait, too.
    owes_answer: bool,
    write_timeout: Duration,
    /// When a client that takes nothing counts as gone.
    write_due: Option<Time>,
    /// When it is told that the server goes.
    farewell: Option<Time>,
    /// There may be more to read than one turn allows.
    has_more: bool,
    /// Bytes of the message that the application has not taken.
    untaken: usize,
    /// Until when it waits for memory.
    hungry_until: Option<Time>,
    /// It holds less than it did.
    has_freed: bool,
    /// The earliest time that the reactor was asked for and has not told of.
    planned: Option<Time>,
}

impl Live {
    /// One that was just opened; `ahead` is what has been read already.
    pub(super) fn new(upgraded: Upgraded, ahead: Vec<u8>, websocket: WebSocket, write_timeout: Duration) -> Self {
        Self {
            upgraded,
            websocket,
            rest: ahead,
            start: 0,
            is_partial: false,
            has_sent: false,
            owes_answer: false,
            write_timeout,
            write_due: None,
            farewell: None,
            has_more: false,
            untaken: 0,
            hungry_until: None,
            has_freed: false,
            planned: None,
        }
    }

    pub(super) fn upgraded(&mut self) -> &mut Upgraded {
        &mut self.upgraded
    }

    pub(super) fn into_upgraded(self) -> Upgraded {
        self.upgraded
    }

    pub(super) fn note(&mut self, attention: Attention) {
        self.upgraded.note(attention);
        if attention.is_due {
            self.planned = None;
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.websocket.is_open()
    }

    pub(super) fn is_over(&self) -> bool {
        self.websocket.is_over()
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.upgraded.is_flushed()
    }

    /// Has the client told at this time that the server goes.
    pub(super) fn say_farewell_at(&mut self, time: Time) {
        self.farewell = Some(time);
    }

    /// When it must be driven at the latest, if that is earlier than what was asked for already.
    pub(super) fn plan(&mut self, now: Time) -> Option<Time> {
        let more = self.has_more.then_some(now);
        let times = [self.websocket.next_deadline(), self.write_due, self.farewell, self.hungry_until, more];
        let due = times.into_iter().flatten().min()?;
        if self.planned.is_some_and(|planned| planned <= due) {
            return None;
        }
        self.planned = Some(due);
        Some(due)
    }

    /// Sends what waits, as far as the socket takes it.
    pub(super) fn flush(&mut self, now: Time) -> Result<(), Failure> {
        let moved = if self.is_flushed() { 0 } else { self.upgraded.try_flush()? };
        if self.is_flushed() {
            // Perhaps a write has sent all that waited.
            (self.write_due, self.owes_answer) = (None, false);
        } else if moved > 0 || self.write_due.is_none() {
            self.write_due = Some(now + self.write_timeout);
        }
        Ok(())
    }

    /// Does what is due.
    pub(super) fn on_time(&mut self, now: Time) -> Option<News> {
        if self.write_due.is_some_and(|due| due <= now) {
            return Some(News::Broken);
        }
        if self.farewell.take_if(|due| *due <= now).is_some() && self.is_open() {
            let code = CloseCode::SERVICE_RESTART.get();
            let news = News::Closed(code, "".into());
            return Some(if self.close(now, code, "").is_ok() { news } else { News::Broken });
        }
        let mut out = Vec::new();
        while let Some(action) = self.websocket.on_time(now, &mut out) {
            let sent = self.answer(now, &out);
            out.clear();
            // Both sides have been silent for so long: the memory of the compression is worth more than its effect.
            if !std::mem::take(&mut self.has_sent) {
                self.websocket.forget_sent();
            }
            if sent.is_err() || matches!(action, Action::Disconnect(_)) {
                return Some(News::Broken);
            }
        }
        None
    }

    /// The application has taken what was here: more is read in the next turn, if there is more.
    pub(super) fn resume(&mut self, now: Time) {
        self.untaken = 0;
        self.settle();
        self.websocket.set_reading(!self.owes_answer, now);
        self.has_more = self.upgraded.is_readable() || !(self.rest.is_empty() || self.is_partial);
    }

    /// Reads up to the next news. `wants`: the application has nothing that it has not taken yet; else what the client
    /// sends has to wait.
    pub(super) fn advance(&mut self, py: Python<'_>, now: Time, buffer: &mut [u8], wants: bool) -> Option<News> {
        let mut left = TURN_BYTES;
        self.has_more = false;
        loop {
            let is_reading = (wants || !self.is_open()) && !self.owes_answer;
            self.websocket.set_reading(is_reading, now);
            if !is_reading || self.is_over() {
                return None;
            }
            if left == 0 {
                self.has_more = true;
                return None;
            }
            match self.read(py, now, buffer) {
                Ok(0) => return None,
                Ok(length) => left = left.saturating_sub(length),
                Err(news) => return Some(news),
            }
        }
    }

    /// Reads once, if need be, and feeds the protocol. Gives how many bytes it got, or the news that it found in them.
    fn read(&mut self, py: Python<'_>, now: Time, buffer: &mut [u8]) -> Result<usize, News> {
        if !self.rest.is_empty() && !self.is_partial {
            let mut rest = std::mem::take(&mut self.rest);
            let start = self.start;
            let fed = self.feed(py, now, rest.get_mut(start..).unwrap_or_default());
            let length = rest.len() - start;
            return self.keep(now, rest, start + fed.0, fed.1).map_or(Ok(length), Err);
        }
        let room = self.room(now)?;
        if room == 0 {
            self.websocket.set_reading(false, now);
            return Ok(0);
        }
        let partial = self.rest.get(self.start..).unwrap_or_default();
        let kept = partial.len();
        buffer[..kept].copy_from_slice(partial);
        let end = buffer.len().min(kept + room);
        let length = match self.upgraded.try_read(&mut buffer[kept..end]) {
            Arrived::Some(length) => length,
            Arrived::Nothing => return Ok(0),
            Arrived::End => return Err(News::Broken),
        };
        let (consumed, news) = self.feed(py, now, &mut buffer[..kept + length]);
        let rest = buffer[..kept + length].get(consumed..).unwrap_or_default();
        self.keep(now, rest.to_vec(), 0, news).map_or(Ok(length), Err)
    }

    /// Keeps what the protocol has not used. Gives the news that it has found in what came before.
    fn keep(&mut self, now: Time, rest: Vec<u8>, start: usize, news: Option<News>) -> Option<News> {
        self.is_partial = news.is_none();
        (self.rest, self.start) = match rest.get(start..).unwrap_or_default() {
            [] => (Vec::new(), 0),
            partial if self.is_partial => (partial.to_vec(), 0),
            _ => (rest, start),
        };
        match self.settle() || self.is_over() {
            true => news,
            false => Some(self.refuse_what_is_held(now)),
        }
    }

    /// How much of the input the protocol has used, and what it has found.
    fn feed(&mut self, py: Python<'_>, now: Time, input: &mut [u8]) -> (usize, Option<News>) {
        let mut out = Vec::new();
        let received = self.websocket.feed(now, input, &mut out);
        let consumed = received.consumed;
        let mut news = received.incoming.map(|incoming| match incoming {
            // A `str` or `bytes` is no container: making one runs no Python code.
            Incoming::Text(text) => {
                self.untaken = text.len();
                News::Message(PyString::new(py, &String::from_utf8_lossy(&text)).into_any().unbind())
            }
            Incoming::Binary(bytes) => {
                self.untaken = bytes.len();
                News::Message(PyBytes::new(py, &bytes).into_any().unbind())
            }
            Incoming::Closed(close) => News::Closed(close.code.map_or(1005, CloseCode::get), close.reason.into()),
            Incoming::Failed(error) => {
                self.upgraded.complain_of(error);
                News::Closed(error.code().get(), error.rule().into())
            }
        });
        if self.answer(now, &out).is_err() {
            news.get_or_insert(News::Broken);
        }
        (consumed, news)
    }

    /// Sends what the protocol says by itself.
    fn answer(&mut self, now: Time, out: &[u8]) -> Result<(), Failure> {
        if out.is_empty() {
            return Ok(());
        }
        self.upgraded.write(&[out])?;
        self.note_written(now);
        self.owes_answer = !self.is_flushed();
        Ok(())
    }

    fn note_written(&mut self, now: Time) {
        if self.is_flushed() {
            (self.write_due, self.owes_answer) = (None, false);
        } else {
            self.write_due.get_or_insert(now + self.write_timeout);
        }
    }

    /// Sends a message.
    pub(super) fn send(&mut self, now: Time, message: Message) -> Result<(), Failure> {
        let outgoing = match &message {
            Message::Text(text) => self.websocket.text(text)?,
            Message::Binary(bytes) => self.websocket.binary(bytes)?,
        };
        if outgoing.payload().len() < LARGE {
            self.upgraded.write(&[outgoing.head(), outgoing.payload()])?;
        } else {
            let head = outgoing.head().to_vec();
            let compressed = match outgoing.into_payload() {
                Cow::Owned(compressed) => Some(compressed),
                Cow::Borrowed(_) => None,
            };
            let payload: Box<dyn Payload> = match (compressed, message) {
                (Some(compressed), _) => Box::new(compressed),
                (None, Message::Text(text)) => Box::new(text),
                (None, Message::Binary(bytes)) => Box::new(bytes),
            };
            self.upgraded.write_owned(&head, payload)?;
        }
        self.has_sent = true;
        self.note_written(now);
        Ok(())
    }

    /// Begins to close.
    pub(super) fn close(&mut self, now: Time, code: u16, reason: &str) -> Result<(), Failure> {
        let mut out = Vec::new();
        self.websocket.close(now, code, reason, &mut out)?;
        // What has been read and not taken is not wanted any more, but for the client's Close in it.
        self.answer(now, &out)?;
        self.owes_answer = false;
        Ok(())
    }
}

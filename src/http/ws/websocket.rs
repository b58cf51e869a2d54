//! An open WebSocket: what may still be sent and received, and when the transport is to be closed.
//!
//! ```text
//!                .-- we close ------------> Closing --- their Close, or the time is up --.
//!   Open --------+                                                                       v
//!                |-- their Close, answered --------------------------------------------> Over
//!                '-- a rule broken, or no answer to a ping: Close is sent and not waited for
//! ```
//!
//! In `Over` the transport is to be closed once the output is written, by the server first (RFC 6455, section 7.1.1).
//! No frame follows our Close (section 5.5.1); of what a client sends after it only its own Close counts.
//!
//! Pure like the arbiter: it gets the time, and says when it wants to be asked again.

use std::borrow::Cow;
use std::time::Duration;

use super::close::{Close, CloseCode};
use super::error::WsError;
use super::liveness::{Due, Liveness};
use super::negotiation::Deflate;
use super::outgoing::Outgoing;
use super::receiver::{Event, Found, Receiver};
use super::sender::Sender;
use crate::time::Time;

/// What the settings say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// `websocket_max_message_size`: longest message of a client, decompressed, in bytes.
    pub max_message_size: usize,
    /// `ws_ping_interval`: how long a client may be silent before it is asked whether it is there.
    pub ping_interval: Option<Duration>,
    /// `ws_ping_timeout`: how long it has to answer.
    pub ping_timeout: Option<Duration>,
    /// How long to wait for the client's Close after ours.
    pub close_timeout: Duration,
}

/// What the application is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A text message: UTF-8.
    Text(Cow<'a, [u8]>),
    /// A binary message.
    Binary(Cow<'a, [u8]>),
    /// The client has closed, or has answered our Close: nothing will come, nothing may be sent.
    Closed(Close<'a>),
    /// The client has broken a rule, and has been told so.
    Failed(WsError),
}

/// What became of an input.
#[derive(Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// How many of its bytes have been used up; without an incoming the others must come again with more.
    pub consumed: usize,
    /// The first thing for the application.
    pub incoming: Option<Incoming<'a>>,
}

/// What is to be done when a deadline has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Write the output; a ping was appended.
    Send,
    /// Close the transport, with what of the output it takes at once; the application is to be told if it waits.
    Disconnect(Loss),
}

/// Why a client counts as gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It has not answered a ping.
    Ping,
    /// It has not answered a Close.
    Close,
}

/// Why a frame cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// One side has sent a Close.
    #[error("the WebSocket is closed")]
    Closed,
    /// The number is not one that a Close may carry (RFC 6455, section 7.4).
    #[error("invalid close code {0}")]
    Code(u16),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Until when the client's Close is waited for.
    Closing(Time),
    Over,
}

/// The protocol of one connection after its handshake.
#[derive(Debug)]
pub struct WebSocket {
    receiver: Receiver,
    sender: Sender,
    liveness: Liveness,
    state: State,
    close_timeout: Duration,
}

impl WebSocket {
    /// A WebSocket that was opened now, with the compression that the handshake has agreed upon.
    pub fn new(options: &Options, agreed: Option<Deflate>, now: Time) -> Self {
        Self {
            receiver: Receiver::new(options.max_message_size, agreed),
            sender: Sender::new(agreed),
            liveness: Liveness::new(options.ping_interval, options.ping_timeout, now),
            state: State::Open,
            close_timeout: options.close_timeout,
        }
    }

    /// Reads what has arrived up to the first thing for the application. Appends to `out` what the protocol answers by
    /// itself: pongs, which are shorter than their pings, and one Close. To be called until nothing comes.
    pub fn feed<'a>(&mut self, now: Time, input: &'a mut [u8], out: &mut Vec<u8>) -> Received<'a> {
        let mut consumed = 0;
        while !self.is_over() {
            let start = consumed;
            let rest = input.get_mut(start..).unwrap_or_default();
            let (taken, found) = match self.receiver.read(rest) {
                Ok(read) => read,
                Err(error) => {
                    self.fail(error.code(), error.rule(), out);
                    return Received { consumed: input.len(), incoming: Some(Incoming::Failed(error)) };
                }
            };
            consumed += taken;
            if taken > 0 {
                self.liveness.hear(now);
            }
            let Some(found) = found else { return Received { consumed, incoming: None } };
            if self.answer(&found, rest, out) {
                let rest = input.get(start..).unwrap_or_default();
                return Received { consumed, incoming: incoming(found.event(rest)) };
            }
        }
        Received { consumed: input.len(), incoming: None }
    }

    /// Does what the protocol wants done about it; returns whether it is for the application.
    fn answer(&mut self, found: &Found, input: &[u8], out: &mut Vec<u8>) -> bool {
        match found {
            Found::Ping(payload) => {
                if self.is_open() {
                    self.sender.pong(input.get(payload.clone()).unwrap_or_default()).append_to(out);
                }
                false
            }
            Found::Pong(_) => false,
            // Section 1.4: who has sent a Close discards what still comes.
            Found::Lying(..) | Found::Collected(..) => self.is_open(),
            Found::Close(code, _) => {
                // Section 5.5.1: the answer echoes the code.
                self.end(Close { code: *code, reason: "" }, out);
                true
            }
        }
    }

    /// A text message.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    pub fn text<'p>(&mut self, text: &'p str) -> Result<Outgoing<'p>, SendError> {
        self.check_open()?;
        Ok(self.sender.text(text))
    }

    /// A binary message.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    pub fn binary<'p>(&mut self, payload: &'p [u8]) -> Result<Outgoing<'p>, SendError> {
        self.check_open()?;
        Ok(self.sender.binary(payload))
    }

    /// Begins to close: appends our Close and waits for theirs. A reason of more than 123 bytes is cut.
    ///
    /// # Errors
    /// A code that may not be sent, or that a Close has been sent already.
    pub fn close(&mut self, now: Time, code: u16, reason: &str, out: &mut Vec<u8>) -> Result<(), SendError> {
        self.check_open()?;
        let code = CloseCode::new(code).ok_or(SendError::Code(code))?;
        self.sender.close(Close { code: Some(code), reason }).append_to(out);
        self.state = State::Closing(now + self.close_timeout);
        self.sender.forget();
        Ok(())
    }

    /// What is to be done now, if anything is; to be asked again until nothing is.
    pub fn on_time(&mut self, now: Time, out: &mut Vec<u8>) -> Option<Action> {
        match self.state {
            State::Open => match self.liveness.on_time(now)? {
                Due::Ping => {
                    self.sender.ping(b"").append_to(out);
                    Some(Action::Send)
                }
                Due::Lost => {
                    self.fail(CloseCode::INTERNAL_ERROR, "no answer to a ping", out);
                    Some(Action::Disconnect(Loss::Ping))
                }
            },
            State::Closing(until) if now >= until => {
                self.state = State::Over;
                Some(Action::Disconnect(Loss::Close))
            }
            State::Closing(_) | State::Over => None,
        }
    }

    /// When [`WebSocket::on_time`] must be asked if nothing else happens before.
    pub fn next_deadline(&self) -> Option<Time> {
        match self.state {
            State::Open => self.liveness.deadline(),
            State::Closing(until) => Some(until),
            State::Over => None,
        }
    }

    /// Whether the driver reads from the transport: while the application has enough to do it does not, and then the
    /// client's silence means nothing.
    pub fn set_reading(&mut self, is_reading: bool, now: Time) {
        self.liveness.listen(is_reading, now);
    }

    /// Frees the memory of the compression of what is sent, 161 KiB with the default window; the next message allocates
    /// it again. For connections that have sent nothing for a while.
    pub fn forget_sent(&mut self) {
        self.sender.forget();
    }

    /// Bytes of memory that a message in progress has, or will have when `more` bytes of it have come.
    pub fn held(&self, more: usize) -> usize {
        self.receiver.held(more)
    }

    /// Ends it from our side for a reason of our own; the client's Close is not waited for.
    pub fn give_up(&mut self, code: CloseCode, reason: &str, out: &mut Vec<u8>) {
        self.fail(code, reason, out);
    }

    /// Whether messages may be sent.
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether the transport is to be closed once the output is written.
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    fn check_open(&self) -> Result<(), SendError> {
        if self.is_open() { Ok(()) } else { Err(SendError::Closed) }
    }

    fn fail(&mut self, code: CloseCode, reason: &str, out: &mut Vec<u8>) {
        self.end(Close { code: Some(code), reason }, out);
    }

    /// Sends a Close, unless one was sent already, and is over.
    fn end(&mut self, close: Close<'_>, out: &mut Vec<u8>) {
        if self.is_open() {
            self.sender.close(close).append_to(out);
        }
        self.sender.forget();
        self.state = State::Over;
    }
}

/// What the application is told.
fn incoming(event: Event<'_>) -> Option<Incoming<'_>> {
    match event {
        Event::Text(payload) => Some(Incoming::Text(payload)),
        Event::Binary(payload) => Some(Incoming::Binary(payload)),
        Event::Close(close) => Some(Incoming::Closed(close)),
        Event::Ping(_) | Event::Pong(_) => None,
    }
}

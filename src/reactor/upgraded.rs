//! A connection that has left HTTP: a WebSocket's, after its handshake.
//!
//! ```text
//!   Exchange -- switch_to_websocket: 101 --> Reactor::upgrade -> Upgraded -> Reactor::complete_upgraded -> Lingering
//! ```
//!
//! It stays out of the reactor for as long as it is open, as an exchange does, and its socket is told of in the same
//! way ([`Reactor::take_attention`]). What belongs to a request goes back to the pool at once: an open WebSocket costs
//! its [`Connection`] and no buffer. Bytes are read into a buffer of the caller's, which all of them can share.

use std::io::{self, Read};

use mio::Token;

use super::budget::Charge;
use super::connection::{Connection, Ending, Ip};
use super::exchange::{Exchange, Payload};
use super::output::Flushed;
use super::response::Stage;
use super::{Attention, Place, Reactor, date};
use crate::http::h1::encode_error;
use crate::http::ws::{Handshake, WsError};
use crate::http::{ProtocolError, ResponseError};
use crate::log;

/// Bytes that one may hold without being charged for them.
pub const UNCHARGED_BYTES: usize = 16 * 1024;

/// A connection without HTTP. Goes back by [`Reactor::complete_upgraded`].
#[derive(Debug)]
pub struct Upgraded {
    place: usize,
    connection: Box<Connection>,
    is_gone: bool,
    /// For what whoever drives it keeps of what was read.
    held: Charge,
}

/// What a read has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrived {
    /// So many bytes.
    Some(usize),
    /// None now; the poll tells when there are.
    Nothing,
    /// The client sends no more, or the connection is broken.
    End,
}

impl Exchange {
    /// Answers the handshake: after it the connection is a WebSocket, to be taken out by [`Reactor::upgrade`].
    ///
    /// # Errors
    /// A sub-protocol or a field that cannot be sent: then nothing has been. [`ResponseError::Gone`].
    pub fn switch_to_websocket(
        &mut self,
        handshake: &Handshake,
        subprotocol: Option<&[u8]>,
        fields: &[(&[u8], &[u8])],
    ) -> Result<(), ResponseError> {
        let mut head = Vec::new();
        handshake.encode(subprotocol, fields, &date::now(), &mut head)?;
        self.send_as_it_is(101, head)
    }

    /// Answers a request that breaks a rule which its head alone did not show, as the codec does; the log tells of it.
    /// The connection is closed after it.
    pub fn refuse_as_invalid(&mut self, error: &ProtocolError) {
        log::warning!("Invalid request from ip={}: {error}", Ip(&self.connection.peer));
        let mut answer = Vec::new();
        encode_error(error.status(), error.rule(), &date::now(), &mut answer);
        if self.send_as_it_is(error.status(), answer).is_ok() {
            self.work.response.stage = Stage::Close;
        }
    }

    fn send_as_it_is(&mut self, status: u16, answer: Vec<u8>) -> Result<(), ResponseError> {
        let sent = self.connection.send(&[&answer]);
        let response = &mut self.work.response;
        (response.head, response.status, response.is_head_sent) = (answer, status, true);
        sent.or_else(|_| self.lose())
    }
}

impl Reactor {
    /// Bytes that its connections hold in memory, as far as they are charged.
    pub fn memory_held(&self) -> u64 {
        self.shared.buffers.memory.used()
    }

    /// Takes the connection out of an exchange that has switched protocols, and what the client has sent ahead.
    #[expect(clippy::boxed_local, reason = "it was handed out boxed")]
    pub fn upgrade(&mut self, exchange: Box<Exchange>) -> (Upgraded, Vec<u8>) {
        let Exchange { place, mut connection, work, .. } = *exchange;
        let ahead = work.input.pending().to_vec();
        self.shared.pool.give(work);
        connection.readiness.readable = true;
        let held = Charge::new(&self.shared.buffers.memory);
        (Upgraded { place, connection, is_gone: false, held }, ahead)
    }

    /// As [`Reactor::attend`].
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    pub fn attend_upgraded(&mut self, upgraded: &mut Upgraded) -> io::Result<()> {
        self.note_attendance();
        upgraded.connection.watch_all(self.poll.registry(), Token(upgraded.place))
    }

    /// Takes the connection back and closes it: what waits is sent first, and the client is given time to close, unless
    /// it has gone.
    pub fn complete_upgraded(&mut self, upgraded: Upgraded) {
        let Upgraded { place, connection, is_gone, held } = upgraded;
        drop(held);
        self.take_back(place, connection, |connection, shared| {
            connection.end(if is_gone { Ending::Close } else { Ending::Linger }, shared.now);
        });
    }
}

impl Upgraded {
    /// Its number among what is out.
    pub fn place(&self) -> usize {
        self.place
    }

    /// Whether nobody in this worker may hold more.
    pub fn is_memory_full(&self) -> bool {
        self.held.pool().is_full()
    }

    /// Whether so many bytes may be held, as far as the worker's bound goes. They are charged if so.
    pub fn may_hold(&self, bytes: usize) -> bool {
        self.held.set(chargeable(bytes).max(self.held.bytes()))
    }

    /// Whether they might be if nobody else held any.
    pub fn might_hold(&self, bytes: usize) -> bool {
        self.held.pool().allows(chargeable(bytes))
    }

    /// For how many bytes it is charged.
    pub fn held(&self) -> u64 {
        self.held.bytes()
    }

    /// So many bytes are held. `false`: that is more than the worker's bound allows.
    pub fn hold(&self, bytes: usize) -> bool {
        self.held.set_anyway(chargeable(bytes))
    }

    /// Tells the operator that there is no room for what the client sends.
    pub fn complain_of_memory(&self, reason: &str) {
        log::warning!("A WebSocket of ip={} is closed: {reason} (see buffer_memory)", Ip(&self.connection.peer));
    }

    /// Tells the operator of a rule that the client has broken.
    pub fn complain_of(&self, error: WsError) {
        log::warning!("Invalid WebSocket frame from ip={}: {error}", Ip(&self.connection.peer));
    }

    /// The reactor has told of its socket.
    pub fn note(&mut self, attention: Attention) {
        self.connection.readiness.readable = true;
        self.connection.readiness.hung_up |= attention.hung_up;
    }

    /// Whether a read may bring something.
    pub fn is_readable(&self) -> bool {
        self.connection.readiness.readable && !self.is_gone
    }

    /// Whether the client sends no more than what can be read.
    pub fn has_hung_up(&self) -> bool {
        self.connection.readiness.hung_up
    }

    /// Reads once into `buffer`, which has room. To be called until it brings nothing: the poll tells of the same bytes
    /// only once.
    pub fn try_read(&mut self, buffer: &mut [u8]) -> Arrived {
        let readiness = &mut self.connection.readiness;
        if !readiness.readable || self.is_gone {
            return Arrived::Nothing;
        }
        match self.connection.stream.read(buffer) {
            Ok(0) => Arrived::End,
            Ok(length) => {
                // A short read is the last one (epoll(7)), but for the end of the stream.
                readiness.readable = length == buffer.len() || readiness.hung_up;
                Arrived::Some(length)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                readiness.readable = false;
                Arrived::Nothing
            }
            Err(_) => Arrived::End,
        }
    }

    /// Sends the parts: at once what the socket takes, the rest with [`Self::try_flush`].
    ///
    /// # Errors
    /// [`ResponseError::Gone`].
    pub fn write(&mut self, parts: &[&[u8]]) -> Result<(), ResponseError> {
        let sent = self.connection.send(parts);
        self.settle(sent)
    }

    /// As `write`, without copying the payload that follows the head.
    ///
    /// # Errors
    /// [`ResponseError::Gone`].
    pub fn write_owned(&mut self, head: &[u8], payload: Box<dyn Payload>) -> Result<(), ResponseError> {
        let length = (*payload).as_ref().len();
        let sent = self.connection.send_owned(&[head, &[]], payload, length, &[]);
        self.settle(sent)
    }

    /// Sends what waits, as far as the socket takes it; says how many bytes that were.
    ///
    /// # Errors
    /// [`ResponseError::Gone`].
    pub fn try_flush(&mut self) -> Result<u64, ResponseError> {
        self.connection.take_moved();
        loop {
            match self.connection.flush() {
                Ok(Flushed::All | Flushed::Blocked) => return Ok(self.connection.take_moved()),
                Ok(Flushed::Enough) => {}
                Err(error) => return self.settle(Err(error)).map(|()| 0),
            }
        }
    }

    /// Whether nothing waits to be sent.
    pub fn is_flushed(&self) -> bool {
        self.connection.output.is_empty()
    }

    /// The client has gone, or counts as gone: nothing more is sent.
    pub fn give_up(&mut self) {
        self.is_gone = true;
    }

    fn settle(&mut self, sent: io::Result<()>) -> Result<(), ResponseError> {
        if self.is_gone {
            return Err(ResponseError::Gone);
        }
        sent.map_err(|_| {
            self.is_gone = true;
            ResponseError::Gone
        })
    }
}

fn chargeable(bytes: usize) -> u64 {
    bytes.saturating_sub(UNCHARGED_BYTES) as u64
}

impl Reactor {
    /// Puts a connection that was out back into its place, and goes on with it.
    pub(super) fn take_back(
        &mut self,
        place: usize,
        mut connection: Box<Connection>,
        check_in: impl FnOnce(&mut Connection, &mut super::Shared),
    ) {
        let Some(slot) = self.places.get_mut(place) else { return };
        if let Place::Out(readiness) = slot {
            connection.readiness.merge(*readiness);
        }
        self.shared.now = crate::sys::clock::now();
        connection.output.settle();
        check_in(&mut connection, &mut self.shared);
        let next = connection.advance(&mut self.shared);
        *slot = Place::Here(connection);
        self.settle(place, next);
    }
}

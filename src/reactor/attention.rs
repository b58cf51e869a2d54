//! Exchanges whose application waits in an event loop of its own: what their sockets tell is handed on, and nobody
//! waits here.

use std::io;

use mio::Token;

use super::connection::{Connection, Readiness};
use super::exchange::Exchange;
use super::output::Flushed;
use super::streaming::BodyError;
use super::{Place, Reactor};
use crate::http::ResponseError;
use crate::time::Time;

/// News of an exchange that is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attention {
    /// Which: see [`Exchange::place`].
    pub place: usize,
    /// The client has closed its side, or the connection is broken.
    pub hung_up: bool,
    /// The deadline that was set has come.
    pub is_due: bool,
}

impl Reactor {
    /// Has the poll watch the exchange's socket, from now on for as long as the connection lives: each change is told
    /// once (edge-triggered), by [`Self::take_attention`].
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    pub fn attend(&mut self, exchange: &mut Exchange) -> io::Result<()> {
        self.note_attendance();
        exchange.connection.watch_all(self.poll.registry(), Token(exchange.place))
    }

    /// What is known of an exchange that was not attended to so far.
    pub fn attention_to(&self, exchange: &Exchange) -> Attention {
        let place = exchange.place;
        let hung_up = match self.places.get(place) {
            Some(Place::Out(readiness)) => readiness.hung_up || exchange.connection.readiness.hung_up,
            _ => false,
        };
        Attention { place, hung_up, is_due: false }
    }

    /// From now on somebody wants to be told.
    pub(super) fn note_attendance(&mut self) {
        self.attends = true;
    }

    /// Sets or clears the time by which [`Self::take_attention`] is to tell of the exchange in any case.
    pub fn set_deadline(&mut self, place: usize, deadline: Option<Time>) {
        if matches!(self.places.get(place), Some(Place::Out(_))) {
            self.timers.set(place, deadline);
        }
    }

    /// What the last turns have told of exchanges that are out.
    pub fn take_attention(&mut self) -> Vec<Attention> {
        std::mem::take(&mut self.attention)
    }

    /// The poll tells of an exchange that is out.
    pub(super) fn note_out(&mut self, place: usize, readiness: Readiness) {
        if self.attends {
            self.attention.push(Attention { place, hung_up: readiness.hung_up, is_due: false });
        }
    }

    /// The deadline of a place has come.
    pub(super) fn come_due(&mut self, place: usize) {
        match self.places.get(place) {
            Some(Place::Out(readiness)) => {
                self.attention.push(Attention { place, hung_up: readiness.hung_up, is_due: true });
            }
            _ => self.advance(place, Connection::expire),
        }
    }
}

impl Exchange {
    /// Its number among those that are out.
    pub fn place(&self) -> usize {
        self.place
    }

    /// As [`Exchange::read_body`], without waiting: `None`, nothing has arrived.
    ///
    /// # Errors
    /// As `read_body`.
    pub fn try_body(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        if let Some(error) = &self.work.body_error {
            return Err(error.clone());
        }
        let read = self.next_of_body();
        if let Err(error) = &read {
            self.work.body_error = Some(error.clone());
        }
        read
    }

    /// When a body that does not go on is too slow, if it began to pause at `since`.
    pub fn body_due(&self, since: Time) -> Time {
        let pause = self.connection.patience.pause;
        let due = since + pause;
        self.connection.slowest(pause).map_or(due, |slowest| slowest.min(due))
    }

    /// The body has come too slowly: nothing more of it is read.
    pub fn give_up_body(&mut self) {
        self.work.body_error.get_or_insert(BodyError::TooSlow);
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
                Err(_) => return self.lose().map(|()| 0),
            }
        }
    }

    /// Whether what waits to be sent is within the bounds: whoever may not be kept waiting by [`Exchange::write`] asks
    /// before it.
    pub fn has_room(&mut self) -> bool {
        !self.connection.output.is_full()
    }

    /// Whether nothing waits to be sent.
    pub fn is_flushed(&self) -> bool {
        self.connection.output.is_empty()
    }
}

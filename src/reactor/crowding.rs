//! When new connections are let in, and, in a full table, who gives way to one.

use std::io;
use std::time::Duration;

use super::connection::Connection;
use super::idle::Rank;
use super::{BATON, LISTENERS, Place, Reactor};
use crate::log;
use crate::time::Time;

/// How long a connection that sends its body or takes its response must not have moved before it may give way to a
/// newcomer.
const STALL: Duration = Duration::from_secs(2);

impl Reactor {
    /// Leaves new connections to the siblings until the next `turn`.
    pub(super) fn stand_back(&mut self) -> io::Result<()> {
        self.stands_back = true;
        self.acceptor.unwatch(&self.poll)
    }

    /// Watches the listeners or not: a poll that is woken for a connection which cannot be accepted would spin.
    pub(super) fn gate(&mut self) -> io::Result<()> {
        if self.stands_back || self.is_closed() || !self.acceptor.may_resume(self.shared.now) {
            self.acceptor.unwatch(&self.poll)
        } else {
            self.acceptor.watch(&self.poll, BATON, |number| LISTENERS - number)
        }
    }

    /// In a full table the connection that has been idle for longest gives way to a newcomer. Its socket is asked for
    /// the last time: one whose request has come is not idle.
    pub(super) fn make_place(&mut self) {
        while self.is_full()
            && self.next_place().is_some_and(|time| time <= self.shared.now)
            && let Some((place, _)) = self.idle.oldest()
        {
            if self.complaint.is_due(self.shared.now) {
                let most = self.shared.config.max_connections;
                log::warning!("All {most} connections are taken: the longest idle one gives way to a new one");
            }
            self.idle.set(place, None);
            self.advance(place, Connection::give_way);
        }
    }

    fn is_full(&self) -> bool {
        self.places.len() >= self.shared.config.max_connections
    }

    /// When the next connection in a full table may give way, if one may.
    pub(super) fn next_place(&self) -> Option<Time> {
        let (place, rank) = self.idle.oldest().filter(|_| self.is_full())?;
        match (rank, self.places.get(place)) {
            (Rank::Stalled, Some(Place::Here(connection))) => Some(connection.since() + STALL),
            _ => Some(Time::default()),
        }
    }

    /// Whether there is no place for a newcomer, and nobody who could give way.
    pub(super) fn is_closed(&self) -> bool {
        self.is_full() && self.next_place().is_none_or(|time| time > self.shared.now)
    }
}

//! A full table of connections: who gives way to a newcomer, and when.

use std::time::Duration;

use super::connection::Connection;
use super::idle::Rank;
use super::{Place, Reactor};
use crate::log;
use crate::time::Time;

/// How long a connection that sends its body or takes its response must not have moved before it may give way to a
/// newcomer.
const STALL: Duration = Duration::from_secs(2);

impl Reactor {
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

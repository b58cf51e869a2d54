//! The scoreboard: shared memory made before the first fork, a slot for each worker.
//!
//! A worker writes only its own slot; the master reads all of them and never waits for one. Every cell is an atomic,
//! so a reader can see a request that is just changing, but never anything undefined.

use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::time::Duration;

use crate::time::Time;

/// Most workers that can exist at one time, those of two generations during a reload included.
pub const SLOTS: u32 = 4096;

/// Bytes of "METHOD target" kept for each request in flight; what is longer is cut.
pub const REQUEST_BYTES: usize = 256;
const WORDS: usize = REQUEST_BYTES / 8;

/// One worker's place. All-zero bytes are a valid, empty slot, so a fresh mapping needs no initialisation.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct SlotCells {
    /// Microseconds on the monotonic clock; 0: none.
    deadline: AtomicU64,
    ready: AtomicU32,
    /// Odd while the request in flight is being written (a sequence lock with one writer).
    sequence: AtomicU32,
    requests: AtomicU64,
    bytes_sent: AtomicU64,
    connections: AtomicU64,
    /// Start of the request in flight; 0: none.
    since: AtomicU64,
    request_length: AtomicU64,
    request: [AtomicU64; WORDS],
}

/// A request that a worker is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// `METHOD target`, as sent, cut at [`REQUEST_BYTES`].
    pub request: Vec<u8>,
    /// When the application was entered.
    pub since: Time,
}

/// A worker's counters since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Requests answered.
    pub requests: u64,
    /// Bytes of response bodies sent.
    pub bytes_sent: u64,
    /// Connections accepted.
    pub connections: u64,
}

impl SlotCells {
    /// Empties the slot for its next worker, which has until `deadline` to boot.
    pub fn reset(&self, deadline: Option<Time>) {
        self.ready.store(0, Relaxed);
        // Odd for ever, had the last worker been killed while it wrote its request.
        self.sequence.store(0, Relaxed);
        for cell in [&self.requests, &self.bytes_sent, &self.connections, &self.since, &self.request_length] {
            cell.store(0, Relaxed);
        }
        self.set_deadline(deadline);
    }

    /// Sets or clears the time by which the worker must show that it lives: by setting it anew.
    pub fn set_deadline(&self, deadline: Option<Time>) {
        self.deadline.store(deadline.map_or(0, Time::as_micros), Release);
    }

    /// The deadline, if there is one.
    pub fn deadline(&self) -> Option<Time> {
        match self.deadline.load(Acquire) {
            0 => None,
            micros => Some(Time::from_micros(micros)),
        }
    }

    /// Marks the worker as serving.
    pub fn set_ready(&self) {
        self.ready.store(1, Release);
    }

    /// Whether the worker serves.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Acquire) != 0
    }

    /// The worker enters the application with a request; it is late `timeout` after `now`.
    pub fn begin_request(&self, now: Time, timeout: Option<Duration>, method: &[u8], target: &[u8]) {
        let sequence = self.sequence.load(Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Relaxed);
        std::sync::atomic::fence(Release);
        self.store_request(method, target);
        self.since.store(now.as_micros(), Relaxed);
        self.sequence.store(sequence.wrapping_add(2), Release);
        self.set_deadline(timeout.map(|timeout| now + timeout));
    }

    /// The application has answered. The deadline stays until the worker's loop, which has yet to write the answer,
    /// sets the next one.
    pub fn end_request(&self, bytes_sent: u64) {
        self.since.store(0, Relaxed);
        add(&self.requests, 1);
        add(&self.bytes_sent, bytes_sent);
    }

    /// A connection was accepted.
    pub fn count_connection(&self) {
        add(&self.connections, 1);
    }

    /// The counters.
    pub fn counters(&self) -> Counters {
        Counters {
            requests: self.requests.load(Relaxed),
            bytes_sent: self.bytes_sent.load(Relaxed),
            connections: self.connections.load(Relaxed),
        }
    }

    /// The request in flight, if there is one and it holds still long enough to be read.
    pub fn in_flight(&self) -> Option<InFlight> {
        (0..100).find_map(|_| self.try_in_flight())?
    }

    /// `None`: it changed while being read. `Some(None)`: there is none.
    fn try_in_flight(&self) -> Option<Option<InFlight>> {
        let before = self.sequence.load(Acquire);
        let since = self.since.load(Relaxed);
        let length = usize::try_from(self.request_length.load(Relaxed)).unwrap_or(0).min(REQUEST_BYTES);
        let mut request: Vec<u8> = self.request.iter().flat_map(|word| word.load(Relaxed).to_le_bytes()).collect();
        std::sync::atomic::fence(Acquire);
        if before % 2 == 1 || self.sequence.load(Relaxed) != before {
            return None;
        }
        request.truncate(length);
        Some((since != 0).then(|| InFlight { request, since: Time::from_micros(since) }))
    }

    fn store_request(&self, method: &[u8], target: &[u8]) {
        let mut text = [0; REQUEST_BYTES];
        let mut length = 0;
        for part in [method, b" ", target] {
            let room = &mut text[length..];
            let taken = part.len().min(room.len());
            room[..taken].copy_from_slice(&part[..taken]);
            length += taken;
        }
        self.request_length.store(length as u64, Relaxed);
        for (cell, word) in self.request.iter().zip(text.chunks_exact(8)).take(length.div_ceil(8)) {
            cell.store(u64::from_le_bytes(word.try_into().unwrap_or_default()), Relaxed);
        }
    }
}

/// Adds without a locked instruction: the worker is the only writer.
fn add(cell: &AtomicU64, amount: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(amount), Relaxed);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const START: Time = Time::from_micros(1_000_000);

    #[test]
    fn a_request_is_in_flight_until_it_ends() {
        let slot = SlotCells::default();
        slot.begin_request(START, Some(Duration::from_secs(3)), b"GET", b"/a");
        assert_eq!(slot.in_flight(), Some(InFlight { request: b"GET /a".to_vec(), since: START }));
        assert_eq!(slot.deadline(), Some(START + Duration::from_secs(3)));
        slot.end_request(7);
        assert_eq!(slot.in_flight(), None);
        assert_eq!(slot.counters(), Counters { requests: 1, bytes_sent: 7, connections: 0 });
    }

    #[test]
    fn a_worker_killed_in_the_middle_of_a_write_does_not_spoil_its_slot() {
        let slot = SlotCells::default();
        slot.sequence.store(1, Relaxed);
        slot.since.store(1, Relaxed);
        assert_eq!(slot.in_flight(), None, "it does not hold still");
        slot.reset(None);
        slot.begin_request(START, None, b"GET", b"/next");
        assert_eq!(slot.in_flight().unwrap().request, b"GET /next");
    }
}

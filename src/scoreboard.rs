//! The scoreboard: shared memory made before the first fork, a slot for each worker.
//!
//! A worker writes only its own slot, and each of its threads only its own lane; the master reads all of them and never
//! waits for one. Every cell is an atomic, so a reader can see a request that is just changing, but never anything
//! undefined.

use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use crate::time::Time;

/// Most workers that can exist at one time, those of two generations during a reload included.
pub const SLOTS: u32 = 4096;

/// Threads of one worker whose requests the scoreboard can hold. Those of a worker that has more are known to itself.
pub const LANES: usize = 64;

/// Bytes of "METHOD target" kept for each request in flight; what is longer is cut.
pub const REQUEST_BYTES: usize = 256;
const WORDS: usize = REQUEST_BYTES / 8;

/// One worker's place. All-zero bytes are a valid, empty slot, so a fresh mapping needs no initialisation.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct SlotCells {
    /// Microseconds on the monotonic clock; 0: none.
    deadline: AtomicU64,
    connections: AtomicU64,
    ready: AtomicU32,
    /// Lanes that have been used, so that nobody touches the memory of the others.
    used: AtomicU32,
    lanes: [Lane; LANES],
}

/// What one thread of a worker is in, and what it has done. Only this thread writes it.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Lane {
    /// Odd while the request in flight is being written (a sequence lock with one writer).
    sequence: AtomicU64,
    requests: AtomicU64,
    bytes_sent: AtomicU64,
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

impl Default for SlotCells {
    /// An empty slot.
    fn default() -> Self {
        Self {
            deadline: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            ready: AtomicU32::new(0),
            used: AtomicU32::new(0),
            lanes: std::array::from_fn(|_| Lane::default()),
        }
    }
}

impl SlotCells {
    /// Empties the slot for its next worker, which has until `deadline` to boot.
    pub fn reset(&self, deadline: Option<Time>) {
        self.ready.store(0, Relaxed);
        self.connections.store(0, Relaxed);
        self.used_lanes().iter().for_each(Lane::reset);
        self.used.store(0, Relaxed);
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

    /// The lane of a thread, for it alone; `None` for a number beyond the last.
    pub fn lane(&self, number: usize) -> Option<&Lane> {
        let lane = self.lanes.get(number)?;
        self.used.fetch_max(u32::try_from(number + 1).unwrap_or(u32::MAX), Relaxed);
        Some(lane)
    }

    /// A connection was accepted. To be called by one thread at a time.
    pub fn count_connection(&self) {
        add(&self.connections, 1);
    }

    /// The counters, of all threads together.
    pub fn counters(&self) -> Counters {
        let connections = self.connections.load(Relaxed);
        self.used_lanes().iter().fold(Counters { connections, ..Counters::default() }, |sum, lane| Counters {
            requests: sum.requests + lane.requests.load(Relaxed),
            bytes_sent: sum.bytes_sent + lane.bytes_sent.load(Relaxed),
            ..sum
        })
    }

    /// The requests in flight that hold still long enough to be read.
    pub fn in_flight(&self) -> Vec<InFlight> {
        self.used_lanes().iter().filter_map(Lane::in_flight).collect()
    }

    fn used_lanes(&self) -> &[Lane] {
        let used = usize::try_from(self.used.load(Relaxed)).unwrap_or(LANES);
        self.lanes.get(..used).unwrap_or(&self.lanes)
    }
}

impl Lane {
    fn reset(&self) {
        // The sequence is odd for ever, had the last worker been killed while it wrote its request.
        for cell in [&self.sequence, &self.requests, &self.bytes_sent, &self.since, &self.request_length] {
            cell.store(0, Relaxed);
        }
    }

    /// The thread has a request for the application.
    pub fn begin_request(&self, now: Time, method: &[u8], target: &[u8]) {
        let sequence = self.sequence.load(Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Relaxed);
        std::sync::atomic::fence(Release);
        self.store_request(method, target);
        self.since.store(now.as_micros(), Relaxed);
        self.sequence.store(sequence.wrapping_add(2), Release);
    }

    /// The application has answered.
    pub fn end_request(&self, bytes_sent: u64) {
        self.since.store(0, Relaxed);
        self.count_request(bytes_sent);
    }

    /// Counts a request that had no lane, of more at a time than there are, on one whose thread it was on.
    pub fn count_request(&self, bytes_sent: u64) {
        add(&self.requests, 1);
        add(&self.bytes_sent, bytes_sent);
    }

    /// Since when the thread has had its request, if it has one.
    pub fn since(&self) -> Option<Time> {
        match self.since.load(Relaxed) {
            0 => None,
            micros => Some(Time::from_micros(micros)),
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

/// Adds without a locked instruction: there is one writer.
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
        let lane = slot.lane(0).unwrap();
        lane.begin_request(START, b"GET", b"/a");
        assert_eq!(slot.in_flight(), [InFlight { request: b"GET /a".to_vec(), since: START }]);
        assert_eq!(lane.since(), Some(START));
        lane.end_request(7);
        assert_eq!((slot.in_flight(), lane.since()), (Vec::new(), None));
        assert_eq!(slot.counters(), Counters { requests: 1, bytes_sent: 7, connections: 0 });
        lane.count_request(3);
        assert_eq!(slot.counters(), Counters { requests: 2, bytes_sent: 10, connections: 0 });
    }

    #[test]
    fn each_thread_has_its_lane() {
        let slot = SlotCells::default();
        for (number, target) in [(0, "/a"), (3, "/b"), (LANES - 1, "/c")] {
            slot.lane(number).unwrap().begin_request(START, b"GET", target.as_bytes());
        }
        assert!(slot.lane(LANES).is_none());
        slot.lane(3).unwrap().end_request(1);
        let requests: Vec<_> = slot.in_flight().into_iter().map(|in_flight| in_flight.request).collect();
        assert_eq!(requests, [b"GET /a", b"GET /c"]);
        slot.reset(None);
        assert_eq!((slot.in_flight().len(), slot.counters()), (0, Counters::default()));
    }

    #[test]
    fn a_worker_killed_in_the_middle_of_a_write_does_not_spoil_its_slot() {
        let slot = SlotCells::default();
        let lane = slot.lane(0).unwrap();
        lane.sequence.store(1, Relaxed);
        lane.since.store(1, Relaxed);
        assert_eq!(slot.in_flight(), [], "it does not hold still");
        slot.reset(None);
        slot.lane(0).unwrap().begin_request(START, b"GET", b"/next");
        assert_eq!(slot.in_flight()[0].request, b"GET /next");
    }
}

//! What was heard out of order.
//!
//! News of one worker comes by different roads: the zygote's answer by its socket, readiness by the worker itself, the
//! exit by wait(2). So an exit or a ready word can overtake the answer that says who that pid is, and an answer can be
//! lost with its zygote. Here it is kept until it makes sense. All of it is bounded, in number and in time: a pid
//! comes back some day, and old news of it must not be taken for new.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::event::{Exit, Pid, Slot};
use crate::time::Time;

/// How long the end of a process is remembered. Longer than an order to fork may take, shorter than the kernel needs
/// to hand out all other pids.
const REMEMBERED: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
struct Ended {
    pid: Pid,
    exit: Exit,
    at: Time,
    /// Whether it was known as a worker when it ended.
    known: bool,
}

/// News that waits for its other half.
#[derive(Debug, Clone)]
pub(super) struct Hearsay {
    limit: usize,
    /// Said to be ready before the zygote answered.
    ready: BTreeMap<Slot, Pid>,
    ended: VecDeque<Ended>,
    /// Slots of orders that were given up without an answer: a worker may yet turn up.
    lost: VecDeque<Slot>,
}

impl Hearsay {
    /// Keeps at most `limit` of each kind.
    pub(super) fn new(limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self { limit, ready: BTreeMap::new(), ended: VecDeque::new(), lost: VecDeque::new() }
    }

    /// Forgets what cannot make sense any more. `forking`: an order waits for its answer.
    pub(super) fn forget(&mut self, now: Time, forking: bool) {
        if !forking {
            self.ready.clear();
        }
        if !forking && self.lost.is_empty() {
            self.ended.clear();
        }
        self.ended.retain(|ended| now.since(ended.at) < REMEMBERED);
    }

    /// A process has ended.
    pub(super) fn hear_end(&mut self, now: Time, pid: Pid, exit: Exit, known: bool) {
        self.ready.retain(|_, ready| *ready != pid);
        push(&mut self.ended, Ended { pid, exit, at: now, known }, self.limit);
    }

    /// How the process ended that nobody knew: if a zygote names it now, it was dead before it was known.
    pub(super) fn end_of_unknown(&self, pid: Pid) -> Option<Exit> {
        self.ended.iter().rev().find(|ended| ended.pid == pid && !ended.known).map(|ended| ended.exit)
    }

    /// Whether the process has ended a short while ago.
    pub(super) fn has_ended(&self, pid: Pid) -> bool {
        self.ended.iter().any(|ended| ended.pid == pid)
    }

    /// An unknown process says that it is ready in a slot whose order is not answered.
    pub(super) fn hear_ready(&mut self, slot: Slot, pid: Pid) {
        self.ready.insert(slot, pid);
    }

    /// Who said to be ready in this slot.
    pub(super) fn take_ready(&mut self, slot: Slot) -> Option<Pid> {
        self.ready.remove(&slot)
    }

    /// An order was given up.
    pub(super) fn lose(&mut self, slot: Slot) {
        push(&mut self.lost, slot, self.limit);
    }

    /// Whether an order for this slot was given up; asking takes it off the list.
    pub(super) fn find_lost(&mut self, slot: Slot) -> bool {
        let place = self.lost.iter().position(|lost| *lost == slot);
        place.and_then(|place| self.lost.remove(place)).is_some()
    }
}

/// Adds an item; the oldest goes when there are too many.
fn push<T>(items: &mut VecDeque<T>, item: T, limit: usize) {
    if items.len() >= limit {
        items.pop_front();
    }
    items.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PID: Pid = Pid(7);

    fn at(seconds: u64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn an_unknown_end_is_kept_while_an_order_waits() {
        let mut hearsay = Hearsay::new(4);
        hearsay.hear_end(at(0), PID, Exit::Code(3), false);
        hearsay.forget(at(1), true);
        assert_eq!(hearsay.end_of_unknown(PID), Some(Exit::Code(3)));
        hearsay.forget(at(1), false);
        assert_eq!(hearsay.end_of_unknown(PID), None);
    }

    #[test]
    fn the_end_of_a_known_worker_says_nothing_about_the_next_of_its_pid() {
        let mut hearsay = Hearsay::new(4);
        hearsay.hear_end(at(0), PID, Exit::Code(0), true);
        assert!(hearsay.has_ended(PID));
        assert_eq!(hearsay.end_of_unknown(PID), None);
    }

    #[test]
    fn a_pid_is_forgotten_before_it_can_come_back() {
        let mut hearsay = Hearsay::new(4);
        hearsay.hear_end(at(0), PID, Exit::Code(0), false);
        hearsay.forget(at(0) + REMEMBERED, true);
        assert!(!hearsay.has_ended(PID));
    }

    #[test]
    fn who_has_ended_is_not_ready() {
        let mut hearsay = Hearsay::new(4);
        hearsay.hear_ready(Slot(0), PID);
        hearsay.hear_end(at(0), PID, Exit::Code(0), false);
        assert_eq!(hearsay.take_ready(Slot(0)), None);
    }

    #[test]
    fn a_lost_order_is_found_once_and_the_list_is_bounded() {
        let mut hearsay = Hearsay::new(2);
        for slot in [0, 1, 2] {
            hearsay.lose(Slot(slot));
        }
        assert!(!hearsay.find_lost(Slot(0)));
        assert!(hearsay.find_lost(Slot(2)));
        assert!(!hearsay.find_lost(Slot(2)));
    }
}

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

/// How long news are remembered: longer than they are ever late, shorter than the kernel, which hands out pids in a
/// cycle, takes to come back to one.
const REMEMBERED: Duration = Duration::from_secs(300);

/// How much is remembered of each kind; the oldest goes first.
const LIMIT: usize = 1024;

/// Whether a zygote has said who an ended process was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    /// Before it ended: the end of a worker like any other.
    Before,
    NotYet,
    /// After it ended.
    After,
}

#[derive(Debug, Clone)]
struct Ended {
    pid: Pid,
    exit: Exit,
    at: Time,
    named: Named,
}

/// What a worker says of itself; each includes the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
    /// It serves.
    Ready,
    /// It wishes to be replaced.
    Resigned,
}

/// News that waits for its other half.
#[derive(Debug, Clone, Default)]
pub(super) struct Hearsay {
    /// Said by workers before the zygote answered: in which slot they are, and the most that they said.
    words: BTreeMap<Pid, (Slot, Word)>,
    ended: VecDeque<Ended>,
    /// Slots of orders that were given up without an answer: a worker may yet turn up.
    lost: VecDeque<(Slot, Time)>,
}

impl Hearsay {
    /// Forgets what cannot make sense any more. `forking`: an order waits for its answer.
    pub(super) fn forget(&mut self, now: Time, forking: bool) {
        if !forking {
            self.words.clear();
        }
        self.ended.retain(|ended| now.since(ended.at) < REMEMBERED);
        self.lost.retain(|(_, at)| now.since(*at) < REMEMBERED);
    }

    /// A process has ended that was a worker or could be one.
    pub(super) fn hear_end(&mut self, now: Time, pid: Pid, exit: Exit, known: bool) {
        self.words.remove(&pid);
        let named = if known { Named::Before } else { Named::NotYet };
        push(&mut self.ended, Ended { pid, exit, at: now, named });
    }

    /// A zygote names this process: how it ended, if it did before it was known.
    pub(super) fn name(&mut self, pid: Pid) -> Option<Exit> {
        let nameless = |ended: &&mut Ended| ended.pid == pid && ended.named == Named::NotYet;
        let ended = self.ended.iter_mut().find(nameless)?;
        ended.named = Named::After;
        Some(ended.exit)
    }

    /// Whether a zygote has named this process after its end: if it does so again, that is old news.
    pub(super) fn was_named(&self, pid: Pid) -> bool {
        self.ended.iter().any(|ended| ended.pid == pid && ended.named == Named::After)
    }

    /// Whether the process has ended a short while ago.
    pub(super) fn has_ended(&self, pid: Pid) -> bool {
        self.ended.iter().any(|ended| ended.pid == pid)
    }

    /// An unknown process says something of itself in a slot whose order is not answered.
    pub(super) fn hear(&mut self, slot: Slot, pid: Pid, word: Word) {
        let said = self.words.get(&pid).map_or(word, |(_, said)| word.max(*said));
        self.words.insert(pid, (slot, said));
    }

    /// Who said something in this slot: one, or more if an answer was lost.
    pub(super) fn take_words(&mut self, slot: Slot) -> Vec<(Pid, Word)> {
        let words = std::mem::take(&mut self.words);
        let (here, elsewhere) = words.into_iter().partition::<BTreeMap<_, _>, _>(|(_, (said_in, _))| *said_in == slot);
        self.words = elsewhere;
        here.into_iter().map(|(pid, (_, word))| (pid, word)).collect()
    }

    /// An order was given up.
    pub(super) fn lose(&mut self, now: Time, slot: Slot) {
        push(&mut self.lost, (slot, now));
    }

    /// Whether a worker may turn up whose order was given up.
    pub(super) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// Whether an order for this slot was given up.
    pub(super) fn is_lost(&self, slot: Slot) -> bool {
        self.lost.iter().any(|(lost, _)| *lost == slot)
    }

    /// Whether an order for this slot was given up; asking takes it off the list.
    pub(super) fn find_lost(&mut self, slot: Slot) -> bool {
        let place = self.lost.iter().position(|(lost, _)| *lost == slot);
        place.and_then(|place| self.lost.remove(place)).is_some()
    }
}

/// Adds an item; the oldest goes when there are too many.
fn push<T>(items: &mut VecDeque<T>, item: T) {
    if items.len() >= LIMIT {
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
    fn an_unknown_end_is_kept_for_the_answer_that_names_it() {
        let mut hearsay = Hearsay::default();
        hearsay.hear_end(at(0), PID, Exit::Code(3), false);
        hearsay.forget(at(1), true);
        assert_eq!(hearsay.name(PID), Some(Exit::Code(3)));
        assert_eq!(hearsay.name(PID), None);
        assert!(hearsay.was_named(PID));
    }

    #[test]
    fn the_end_of_a_known_worker_says_nothing_about_the_next_of_its_pid() {
        let mut hearsay = Hearsay::default();
        hearsay.hear_end(at(0), PID, Exit::Code(0), true);
        assert!(hearsay.has_ended(PID));
        assert_eq!(hearsay.name(PID), None);
        assert!(!hearsay.was_named(PID));
    }

    #[test]
    fn a_pid_is_forgotten_before_it_can_come_back() {
        let mut hearsay = Hearsay::default();
        hearsay.hear_end(at(0), PID, Exit::Code(0), false);
        hearsay.forget(at(0) + REMEMBERED, true);
        assert!(!hearsay.has_ended(PID));
    }

    #[test]
    fn who_has_ended_is_not_ready() {
        let mut hearsay = Hearsay::default();
        hearsay.hear(Slot(0), PID, Word::Ready);
        hearsay.hear_end(at(0), PID, Exit::Code(0), false);
        assert_eq!(hearsay.take_words(Slot(0)), []);
    }

    #[test]
    fn a_resignation_is_not_forgotten_over_a_late_word_of_readiness() {
        let mut hearsay = Hearsay::default();
        hearsay.hear(Slot(0), PID, Word::Resigned);
        hearsay.hear(Slot(0), PID, Word::Ready);
        assert_eq!(hearsay.take_words(Slot(1)), []);
        assert_eq!(hearsay.take_words(Slot(0)), [(PID, Word::Resigned)]);
        assert_eq!(hearsay.take_words(Slot(0)), []);
    }

    #[test]
    fn a_lost_order_is_found_once_and_the_list_is_bounded() {
        let mut hearsay = Hearsay::default();
        for slot in (0..).map(Slot).take(LIMIT + 1) {
            hearsay.lose(at(0), slot);
        }
        assert!(!hearsay.find_lost(Slot(0)));
        assert!(hearsay.find_lost(Slot(1)));
        assert!(!hearsay.find_lost(Slot(1)));
    }
}

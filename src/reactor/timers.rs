//! Deadlines of connections, at no cost while none expires.
//!
//! A connection's deadline moves with every request, nearly always to a later time. So a place (of the slab of
//! connections) has one entry in a heap, and only when that comes up is it seen whether the deadline has moved: then
//! the entry is put back for the new time. An entry outlives the connection it was made for and serves the next one
//! in the same place, so there are about as many entries as places, however many connections come and go.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::time::Time;

/// The deadline of each place.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Time, usize)>>,
    places: Vec<Place>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    deadline: Option<Time>,
    /// Time of the one entry in the heap that counts; others for this place are stale.
    entry: Option<Time>,
}

impl Timers {
    /// Sets or clears the deadline of a place.
    pub(super) fn set(&mut self, place: usize, deadline: Option<Time>) {
        if place >= self.places.len() {
            self.places.resize(place + 1, Place::default());
        }
        let timer = &mut self.places[place];
        timer.deadline = deadline;
        if let Some(deadline) = deadline
            && timer.entry.is_none_or(|entry| deadline < entry)
        {
            timer.entry = Some(deadline);
            self.heap.push(Reverse((deadline, place)));
        }
    }

    /// When to call [`Self::expired`] next at the latest. May be too early, never too late.
    pub(super) fn next(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((time, _))| *time)
    }

    /// A place whose deadline has passed; its deadline is cleared. Call until there is none.
    pub(super) fn expired(&mut self, now: Time) -> Option<usize> {
        while let Some(&Reverse((time, place))) = self.heap.peek() {
            if time > now {
                return None;
            }
            self.heap.pop();
            if self.come_up(place, time, now) {
                return Some(place);
            }
        }
        None
    }

    /// An entry has come up: whether its place's deadline has passed.
    fn come_up(&mut self, place: usize, time: Time, now: Time) -> bool {
        let timer = &mut self.places[place];
        if timer.entry != Some(time) {
            return false;
        }
        timer.entry = None;
        match timer.deadline {
            Some(deadline) if deadline <= now => {
                timer.deadline = None;
                true
            }
            deadline => {
                self.set(place, deadline);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(micros: u64) -> Time {
        Time::from_micros(micros)
    }

    #[test]
    fn deadlines_expire_in_order() {
        let mut timers = Timers::default();
        timers.set(0, Some(at(20)));
        timers.set(3, Some(at(10)));
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.expired(at(9)), None);
        assert_eq!(timers.expired(at(30)), Some(3));
        assert_eq!(timers.expired(at(30)), Some(0));
        assert_eq!((timers.expired(at(30)), timers.next()), (None, None));
    }

    #[test]
    fn a_deadline_that_moves_on_adds_no_entry() {
        let mut timers = Timers::default();
        for time in 10..1000 {
            timers.set(0, Some(at(time)));
        }
        assert_eq!(timers.heap.len(), 1);
        assert_eq!(timers.expired(at(500)), None);
        assert_eq!(timers.next(), Some(at(999)));
        assert_eq!(timers.expired(at(999)), Some(0));
    }

    #[test]
    fn an_earlier_deadline_counts() {
        let mut timers = Timers::default();
        timers.set(0, Some(at(100)));
        timers.set(0, Some(at(10)));
        assert_eq!(timers.expired(at(10)), Some(0));
        assert_eq!(timers.expired(at(200)), None);
    }

    #[test]
    fn a_cleared_deadline_does_not_expire_and_its_entry_serves_the_next() {
        let mut timers = Timers::default();
        timers.set(0, Some(at(10)));
        timers.set(0, None);
        timers.set(0, Some(at(20)));
        assert_eq!(timers.heap.len(), 1);
        assert_eq!(timers.expired(at(10)), None);
        assert_eq!(timers.expired(at(20)), Some(0));
    }
}

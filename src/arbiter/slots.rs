//! The pool: who is in which slot.
//!
//! A slot is taken from the order to fork until its worker has been reaped, so that no two processes write the same
//! place of the scoreboard. The pool knows nothing of policy: [`super::scale`], [`super::reload`] and
//! [`super::shutdown`] decide who comes and goes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::event::{GenerationId, Pid, Slot};
use crate::time::Time;

/// Why a worker was told to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It is not needed any more (TERM).
    Leave,
    /// Everything stops, quickly (QUIT).
    Quick,
    /// It is past its deadline (ABRT); its slot waits for a successor.
    Hung,
}

/// What a worker was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) why: Why,
    /// When it gets KILL; `None`: it has got it.
    pub(super) kill_at: Option<Time>,
}

/// A worker that lives, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Worker {
    pub(super) pid: Pid,
    pub(super) generation: GenerationId,
    pub(super) born: Time,
    pub(super) ready: bool,
    /// It wishes to be replaced, and serves until it is.
    pub(super) resigned: bool,
    /// It was told once more to leave.
    pub(super) hurries: bool,
    pub(super) told: Option<Told>,
    /// When its deadline must be read next; `None`: its generation has no timeout.
    pub(super) check_at: Option<Time>,
    /// A worker that is not ready may not handle USR1 yet, which would kill it: it is sent when it is.
    pub(super) reopen: bool,
    /// From its generation's plan.
    pub(super) timeout: Option<Duration>,
    /// From its generation's plan.
    pub(super) graceful_timeout: Duration,
    /// From its generation's plan.
    pub(super) recycles: bool,
}

impl Worker {
    /// Whether it does the work of its slot: it was not told to go.
    pub(super) fn stays(&self) -> bool {
        self.told.is_none()
    }

    /// Whether it counts as one of the workers wanted. A hung one does: its successor takes its slot when it is gone.
    /// One that has resigned does not: its successor takes another slot, and is there first.
    pub(super) fn counts(&self) -> bool {
        !self.resigned && self.told.is_none_or(|told| told.why == Why::Hung)
    }

    /// Whether it can be given requests.
    pub(super) fn serves(&self) -> bool {
        self.ready && self.stays()
    }
}

/// An order to fork that has not been answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) generation: GenerationId,
    pub(super) since: Time,
    pub(super) reopen: bool,
}

/// What a slot is taken by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seat {
    Forking(Order),
    Running(Worker),
}

impl Seat {
    fn generation(&self) -> GenerationId {
        match self {
            Self::Forking(order) => order.generation,
            Self::Running(worker) => worker.generation,
        }
    }
}

/// All slots.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    size: u32,
    seats: BTreeMap<Slot, Seat>,
    /// Workers that turned up when nobody waited for them any more; they have got KILL.
    pub(super) strays: BTreeSet<Pid>,
}

impl Pool {
    pub(super) fn new(size: u32) -> Self {
        Self { size, seats: BTreeMap::new(), strays: BTreeSet::new() }
    }

    /// The slots that nobody has, lowest first.
    pub(super) fn free(&self) -> impl Iterator<Item = Slot> {
        (0..self.size).map(Slot).filter(|slot| !self.seats.contains_key(slot))
    }

    pub(super) fn seat(&self, slot: Slot) -> Option<&Seat> {
        self.seats.get(&slot)
    }

    pub(super) fn take(&mut self, slot: Slot, seat: Seat) {
        self.seats.insert(slot, seat);
    }

    /// Whether an order for this slot waits for an answer of this generation.
    pub(super) fn is_forking(&self, slot: Slot, generation: GenerationId) -> bool {
        matches!(self.seats.get(&slot), Some(Seat::Forking(order)) if order.generation == generation)
    }

    /// Ends the order for this slot.
    pub(super) fn end_order(&mut self, slot: Slot, generation: GenerationId) -> Option<Order> {
        if !self.is_forking(slot, generation) {
            return None;
        }
        match self.seats.remove(&slot) {
            Some(Seat::Forking(order)) => Some(order),
            _ => None,
        }
    }

    /// Ends every order of the generation and returns their slots.
    pub(super) fn end_orders(&mut self, generation: GenerationId) -> Vec<Slot> {
        let slots: Vec<Slot> =
            self.orders().filter(|(_, order)| order.generation == generation).map(|(slot, _)| slot).collect();
        for slot in &slots {
            self.seats.remove(slot);
        }
        slots
    }

    /// The orders that wait for an answer.
    pub(super) fn orders(&self) -> impl Iterator<Item = (Slot, &Order)> {
        self.seats.iter().filter_map(|(slot, seat)| match seat {
            Seat::Forking(order) => Some((*slot, order)),
            Seat::Running(_) => None,
        })
    }

    /// The orders that wait for an answer.
    pub(super) fn orders_mut(&mut self) -> impl Iterator<Item = &mut Order> {
        self.seats.values_mut().filter_map(|seat| match seat {
            Seat::Forking(order) => Some(order),
            Seat::Running(_) => None,
        })
    }

    /// The workers, by slot.
    pub(super) fn workers(&self) -> impl Iterator<Item = (Slot, &Worker)> {
        self.seats.iter().filter_map(|(slot, seat)| match seat {
            Seat::Running(worker) => Some((*slot, worker)),
            Seat::Forking(_) => None,
        })
    }

    /// The workers, by slot.
    pub(super) fn workers_mut(&mut self) -> impl Iterator<Item = (Slot, &mut Worker)> {
        self.seats.iter_mut().filter_map(|(slot, seat)| match seat {
            Seat::Running(worker) => Some((*slot, worker)),
            Seat::Forking(_) => None,
        })
    }

    /// The slot of the worker with this pid.
    pub(super) fn slot_of(&self, pid: Pid) -> Option<Slot> {
        self.workers().find(|(_, worker)| worker.pid == pid).map(|(slot, _)| slot)
    }

    pub(super) fn worker_mut(&mut self, slot: Slot) -> Option<&mut Worker> {
        match self.seats.get_mut(&slot) {
            Some(Seat::Running(worker)) => Some(worker),
            _ => None,
        }
    }

    /// Takes out the worker with this pid: it has ended.
    pub(super) fn remove(&mut self, pid: Pid) -> Option<(Slot, Worker)> {
        let slot = self.slot_of(pid)?;
        match self.seats.remove(&slot) {
            Some(Seat::Running(worker)) => Some((slot, worker)),
            _ => None,
        }
    }

    /// Whether the generation has a worker or an order.
    pub(super) fn has(&self, generation: GenerationId) -> bool {
        self.seats.values().any(|seat| seat.generation() == generation)
    }

    /// How many workers of the generation there are or will be: those that count, and the orders.
    pub(super) fn manned(&self, generation: GenerationId) -> u32 {
        count(self.seats.values().filter(|seat| match seat {
            Seat::Forking(order) => order.generation == generation,
            Seat::Running(worker) => worker.generation == generation && worker.counts(),
        }))
    }

    /// How many workers of the generation serve, those that have resigned included.
    pub(super) fn serving(&self, generation: GenerationId) -> u32 {
        count(self.workers().filter(|(_, worker)| worker.generation == generation && worker.serves()))
    }

    /// Those of `among` that stay, in the order in which they can best be spared: first who is not ready (the youngest
    /// first, it has the longest way to go), then who has resigned, then the oldest, as in gunicorn.
    pub(super) fn dispensable(&self, among: impl Fn(&Worker) -> bool) -> Vec<Pid> {
        let mut workers: Vec<&Worker> =
            self.workers().map(|(_, worker)| worker).filter(|worker| worker.stays() && among(worker)).collect();
        workers.sort_by_key(|worker| (worker.ready, !worker.resigned, age_key(worker), worker.pid));
        workers.into_iter().map(|worker| worker.pid).collect()
    }

    /// Whether nothing is on its way: every worker serves, and none was told to go.
    pub(super) fn is_settled(&self) -> bool {
        self.seats.values().all(|seat| matches!(seat, Seat::Running(worker) if worker.serves()))
    }

    /// Whether no worker lives and none is being forked.
    pub(super) fn is_empty(&self) -> bool {
        self.seats.is_empty() && self.strays.is_empty()
    }

    /// Whether no worker lives.
    pub(super) fn is_dead(&self) -> bool {
        self.strays.is_empty() && self.workers().next().is_none()
    }
}

/// Sorts the ready by age and the others by youth.
fn age_key(worker: &Worker) -> u64 {
    let born = worker.born.as_micros();
    if worker.ready { born } else { u64::MAX - born }
}

/// A number of slots: there are at most `u32::MAX`.
pub(super) fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const GENERATION: GenerationId = GenerationId(1);

    fn worker(pid: i32, born: u64, ready: bool) -> Seat {
        Seat::Running(Worker {
            pid: Pid(pid),
            generation: GENERATION,
            born: Time::from_micros(born),
            ready,
            resigned: false,
            hurries: false,
            told: None,
            check_at: None,
            reopen: false,
            timeout: None,
            graceful_timeout: Duration::from_secs(30),
            recycles: false,
        })
    }

    fn order() -> Seat {
        Seat::Forking(Order { generation: GENERATION, since: Time::default(), reopen: false })
    }

    #[test]
    fn a_slot_is_free_again_when_its_worker_is_gone() {
        let mut pool = Pool::new(2);
        pool.take(Slot(0), worker(10, 0, true));
        assert_eq!(pool.free().next(), Some(Slot(1)));
        pool.take(Slot(1), order());
        assert_eq!(pool.free().next(), None);
        assert_eq!(pool.remove(Pid(10)).unwrap().0, Slot(0));
        assert_eq!(pool.free().next(), Some(Slot(0)));
    }

    #[test]
    fn an_order_is_ended_only_by_its_own_generation() {
        let mut pool = Pool::new(2);
        pool.take(Slot(1), order());
        assert_eq!(pool.end_order(Slot(1), GenerationId(2)), None);
        assert!(pool.end_order(Slot(1), GENERATION).is_some());
        assert!(pool.is_empty());
    }

    #[test]
    fn who_is_not_ready_is_spared_first_and_then_the_oldest() {
        let mut pool = Pool::new(4);
        pool.take(Slot(0), worker(10, 2, true));
        pool.take(Slot(1), worker(11, 1, true));
        pool.take(Slot(2), worker(12, 3, false));
        pool.take(Slot(3), worker(13, 4, false));
        assert_eq!(pool.dispensable(|_| true), [Pid(13), Pid(12), Pid(11), Pid(10)]);
    }

    #[test]
    fn who_has_resigned_serves_but_does_not_count_and_is_spared_before_the_others() {
        let mut pool = Pool::new(4);
        pool.take(Slot(0), worker(10, 1, true));
        pool.take(Slot(1), worker(11, 2, true));
        assert!(pool.is_settled());
        pool.worker_mut(Slot(1)).unwrap().resigned = true;
        assert_eq!((pool.manned(GENERATION), pool.serving(GENERATION)), (1, 2));
        pool.take(Slot(2), worker(12, 3, false));
        assert!(!pool.is_settled());
        assert_eq!(pool.dispensable(|_| true), [Pid(12), Pid(11), Pid(10)]);
    }

    #[test]
    fn a_hung_worker_counts_until_it_is_gone_and_a_leaving_one_does_not() {
        let mut pool = Pool::new(4);
        pool.take(Slot(0), worker(10, 0, true));
        pool.take(Slot(1), worker(11, 0, true));
        pool.take(Slot(2), order());
        pool.worker_mut(Slot(0)).unwrap().told = Some(Told { why: Why::Hung, kill_at: None });
        assert_eq!((pool.manned(GENERATION), pool.serving(GENERATION)), (3, 1));
        pool.worker_mut(Slot(1)).unwrap().told = Some(Told { why: Why::Leave, kill_at: None });
        assert_eq!((pool.manned(GENERATION), pool.serving(GENERATION)), (2, 0));
    }
}

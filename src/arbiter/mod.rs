//! The decision maker of the parent process: a pure state machine.
//!
//! It has no clock, makes no syscall, writes no log and starts no thread: [`Arbiter::on_event`] gets the time and what
//! has happened, and returns what is to be done. The master sleeps until [`Arbiter::next_deadline`] or the next event,
//! performs the actions in their order, and brings their outcomes back as events. So everything that can go wrong here
//! can be tested without a fork: `tests/arbiter_simulation` does.
//!
//! # How it works
//!
//! An event changes what is known (`signals`, `workers`, `reload`, `shutdown`); what is overdue is dealt with
//! (`heartbeat`); then what is known is compared with what is wanted, and the difference becomes actions (`scale`).
//! Since that comparison is made after every event, no event needs to be waited for by another: whatever comes late,
//! twice or never, the next event finds the difference again.
//!
//! ```text
//!   New --Started--> Starting --as many were ready as are wanted--> Serving --TERM, INT, QUIT--> Stopping --> Over
//!                       |                                                                           ^
//!                       '--TERM, INT, QUIT; a worker cannot boot; the zygote is lost----------------'
//! ```
//!
//! Within `Serving` a reload may run (`reload` lists its steps, `generation` draws its stages); it is no phase of its
//! own, because everything else goes on meanwhile. A binary upgrade (USR2) would be one more candidate beside the
//! generations, and WINCH a wanted number of none.
//!
//! The first generation commits as soon as it is built, before it has a worker: its listeners are bound, and there is
//! nothing older that it could replace too soon.
//!
//! # Invariants
//!
//! [`Arbiter::check_invariants`] checks after each event of the simulation that
//!
//! 1. every slot in use exists, and no pid is known twice;
//! 2. every order to fork, and every worker that was not told to go, belongs to a generation that is not retired;
//! 3. no generation is in two stages, and one that is uncommitted is the newest;
//! 4. at most one generation is uncommitted, at most one serves (the types say so), one on trial has one worker or
//!    order, unless all slots are taken, and one that retires has at least one;
//! 5. during the service there are as many workers and orders as are wanted, those that have resigned not counted, or
//!    it is known when the missing ones come: a back-off ends, a slot gets free, a zygote is being replaced;
//! 6. nothing that is limited waits without a deadline, and no deadline lies in the past: the master never spins;
//! 7. during a stop everybody has been told, and nothing is being built;
//! 8. at the exit no worker lives;
//! 9. who has resigned was ready, and of the serving generation it stays only while it is needed: no more workers serve
//!    than are wanted; and of those of it who were replaced no more take their time to leave.

mod backoff;
mod generation;
mod hearsay;
mod heartbeat;
mod invariants;
mod recycling;
mod reload;
mod scale;
mod shutdown;
mod signals;
mod slots;
#[cfg(test)]
mod specification;
mod workers;

pub mod action;
pub mod event;

pub use action::*;
pub use event::*;

use crate::time::Time;
use backoff::BackOff;
use generation::Generations;
use hearsay::{Hearsay, Word};
use shutdown::Stop;
use slots::Pool;

/// Where the master is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    /// The initial pool boots; so many workers have been ready.
    Starting {
        booted: u32,
    },
    Serving,
    Stopping(Stop),
    Over,
}

/// The state machine.
#[derive(Debug, Clone)]
pub struct Arbiter {
    /// The latest time it was told; never goes back.
    now: Time,
    phase: Phase,
    /// Slots of the scoreboard.
    slots: u32,
    generations: Generations,
    pool: Pool,
    hearsay: Hearsay,
    /// An operator has asked for a reload that has not begun.
    reload_wanted: bool,
    /// Waits between tries to replace a zygote.
    rebuild: BackOff,
    /// Workers that served when the serving generation was committed.
    capacity: u32,
    /// When a reading of the deadlines was asked for that has not come.
    asked: Option<Time>,
    /// What the event just handled has led to.
    actions: Vec<Action>,
}

/// A worker, as the master may want to show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerInfo {
    /// Its slot.
    pub slot: Slot,
    /// Its pid.
    pub pid: Pid,
    /// The generation it came from.
    pub generation: GenerationId,
    /// Whether it has said that it serves.
    pub ready: bool,
    /// Whether it was told to go.
    pub leaving: bool,
}

impl Arbiter {
    /// A new arbiter for a scoreboard of so many slots. It orders nothing before [`Event::Started`].
    pub fn new(slots: u32) -> Self {
        Self {
            now: Time::default(),
            phase: Phase::New,
            slots,
            generations: Generations::default(),
            pool: Pool::new(slots),
            hearsay: Hearsay::default(),
            reload_wanted: false,
            rebuild: BackOff::default(),
            capacity: 0,
            asked: None,
            actions: Vec::new(),
        }
    }

    /// Takes notice of an event and says what is to be done, in this order. A `now` before an earlier one counts as
    /// that.
    pub fn on_event(&mut self, now: Time, event: Event) -> Vec<Action> {
        self.now = self.now.max(now);
        self.note(event);
        self.expire();
        self.reconcile();
        self.hearsay.forget(self.now, self.pool.orders().next().is_some());
        std::mem::take(&mut self.actions)
    }

    /// When [`Event::Timer`] must come if nothing else happens before; always later than the last event.
    pub fn next_deadline(&self) -> Option<Time> {
        if self.is_over() {
            return None;
        }
        let kills = self.pool.workers().filter_map(|(_, worker)| worker.told?.kill_at);
        let orders = self.pool.orders().map(|(_, order)| order.due());
        let others = [self.heartbeat_due(), self.fill_due(), self.build_due(), self.stop_due()];
        kills.chain(orders).chain(others.into_iter().flatten()).min()
    }

    /// The workers that live, by slot.
    pub fn workers(&self) -> impl Iterator<Item = WorkerInfo> {
        self.pool.workers().map(|(slot, worker)| WorkerInfo {
            slot,
            pid: worker.pid,
            generation: worker.generation,
            ready: worker.ready,
            leaving: !worker.stays(),
        })
    }

    /// The generation that serves.
    pub fn serving(&self) -> Option<GenerationId> {
        self.generations.serving.as_ref().map(|serving| serving.id)
    }

    /// How many workers are wanted.
    pub fn wanted(&self) -> u32 {
        self.generations.serving.as_ref().map_or(0, |serving| serving.wanted)
    }

    /// Whether the initial pool has not been complete yet.
    pub fn is_starting(&self) -> bool {
        matches!(self.phase, Phase::Starting { .. })
    }

    /// Whether it has been told to stop.
    pub fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Stopping(_) | Phase::Over)
    }

    /// Whether it has ordered the exit.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Changes what is known. Before the start and after the end nothing is of interest.
    fn note(&mut self, event: Event) {
        match (self.phase, event) {
            (Phase::New, Event::Started) => self.start(),
            (Phase::New | Phase::Over, _) | (_, Event::Started | Event::Timer) => {}
            (_, Event::Signal(signal)) => self.signal(signal),
            (_, Event::Built { generation, plan }) => self.built(generation, plan),
            (_, Event::BuildFailed { generation, exit_code }) => self.build_failed(generation, exit_code),
            (_, Event::ZygoteExited { generation, exit }) => {
                self.lose_zygote(generation, Report::ZygoteLost { generation, exit });
            }
            (_, Event::Forked { generation, slot, pid }) => self.forked(generation, slot, pid),
            (_, Event::ForkFailed { generation, slot, .. }) => self.fork_failed(generation, slot),
            (_, Event::WorkerReady { slot, pid }) => self.hear_word(slot, pid, Word::Ready),
            (_, Event::WorkerResigned { slot, pid }) => self.hear_word(slot, pid, Word::Resigned),
            (_, Event::ChildExited { pid, exit }) => self.child_exited(pid, exit),
            (_, Event::Deadlines(deadlines)) => self.deadlines(deadlines),
        }
    }

    fn start(&mut self) {
        self.phase = Phase::Starting { booted: 0 };
        self.build(None);
    }

    /// Deals with what is overdue.
    fn expire(&mut self) {
        if self.is_over() {
            return;
        }
        self.expire_told();
        self.expire_orders();
        self.check_heartbeats();
    }

    /// Makes what is the same as what is wanted.
    fn reconcile(&mut self) {
        match self.phase {
            Phase::Starting { .. } | Phase::Serving => {
                self.fork_trial();
                self.fill();
                self.trim();
                self.relieve();
                self.roll();
                self.make_room();
                self.finish_start();
                self.start_build();
            }
            Phase::Stopping(stop) => self.carry_on_stopping(stop),
            Phase::New | Phase::Over => {}
        }
    }

    /// A worker of this generation has booted.
    fn count_boot(&mut self, generation: GenerationId) {
        if let Phase::Starting { booted } = &mut self.phase
            && self.generations.is_serving(generation)
        {
            *booted = booted.saturating_add(1);
        }
    }

    /// The start is over when as many workers have been ready as are wanted: from now on the service must go on.
    fn finish_start(&mut self) {
        if let (Phase::Starting { booted }, Some(serving)) = (self.phase, &self.generations.serving)
            && booted >= serving.wanted
        {
            self.phase = Phase::Serving;
        }
    }
}

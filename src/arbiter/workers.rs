//! A worker's life as the arbiter sees it: ordered, forked, ready, told to go, gone.
//!
//! ```text
//!   Fork -> (order) --Forked--> booting --WorkerReady--> serving --WorkerResigned--> serving until replaced
//!              |                   |                        |                               |
//!              '- ForkFailed, or   '------------------------+-------------------------------+
//!                 no answer                                 |
//!                                                           +--> told (TERM, QUIT, ABRT) --late--> KILL
//!                                                           |                 |
//!                                                           '---- gone <------'   (ChildExited, and only that)
//! ```
//!
//! What becomes of a worker that has resigned, [`super::recycling`] says.
//!
//! A worker is gone when its exit was heard of, never because a signal was sent. What its end means depends on what it
//! was told, on how far it was, and on what its generation is just doing.

use std::time::Duration;

use super::Arbiter;
use super::action::{Action, Report, WorkerSignal};
use super::event::{Exit, GenerationId, Pid, Slot};
use super::hearsay::Word;
use super::heartbeat::ABORT_TIME;
use super::slots::{Order, Seat, Told, Why, Worker};
use crate::time::Time;

/// Exit code of a worker that failed to boot, as in gunicorn.
pub(super) const BOOT_FAILED: i32 = 3;

/// Exit code of a worker whose application failed to load, as in gunicorn.
const APP_LOAD_FAILED: i32 = 4;

/// A worker that ends sooner after its fork has not done any good.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);

/// A zygote that leaves an order unanswered for so long will not answer: a fork takes milliseconds.
const ORDER_TIMEOUT: Duration = Duration::from_secs(30);

impl Order {
    /// When the answer is overdue.
    pub(super) fn due(&self) -> Time {
        self.since + ORDER_TIMEOUT
    }
}

impl Arbiter {
    /// Orders a worker of the generation into the lowest free slot; `false`: no slot is free. A slot in which a worker
    /// may yet turn up whose order was given up is taken only if there is no other.
    pub(super) fn fork(&mut self, generation: GenerationId) -> bool {
        let undisputed = self.pool.free().find(|slot| !self.hearsay.is_lost(*slot));
        let Some(slot) = undisputed.or_else(|| self.pool.free().next()) else { return false };
        self.pool.take(slot, Seat::Forking(Order { generation, since: self.now, reopen: false }));
        self.act(Action::Fork { generation, slot });
        true
    }

    /// A zygote says that it has forked. An answer that nobody waits for any more is taken if the worker fits in.
    pub(super) fn forked(&mut self, generation: GenerationId, slot: Slot, pid: Pid) {
        if self.knows(pid) || self.hearsay.was_named(pid) {
            return;
        }
        let order = self.pool.end_order(slot, generation);
        let was_lost = order.is_none() && self.hearsay.find_lost(slot);
        let worker = self.newborn(generation, pid, order.is_some_and(|order| order.reopen));
        match (worker, self.hearsay.name(pid)) {
            (Some(worker), Some(exit)) if !was_lost => self.ended(slot, &worker, exit),
            (_, Some(_)) => {}
            (Some(worker), None) if self.pool.seat(slot).is_none() => self.seat(slot, worker),
            (_, None) => self.kill_stray(pid),
        }
    }

    fn knows(&self, pid: Pid) -> bool {
        self.pool.slot_of(pid).is_some() || self.pool.strays.contains(&pid)
    }

    /// A worker of the generation; `None` if the generation is gone.
    fn newborn(&self, generation: GenerationId, pid: Pid, reopen: bool) -> Option<Worker> {
        let plan = self.generations.get(generation)?.plan;
        Some(Worker {
            pid,
            generation,
            born: self.now,
            ready: false,
            resigned: false,
            hurries: false,
            told: None,
            check_at: plan.timeout.map(|timeout| self.now + timeout),
            reopen,
            timeout: plan.timeout,
            graceful_timeout: plan.graceful_timeout,
            recycles: plan.recycles,
        })
    }

    fn seat(&mut self, slot: Slot, worker: Worker) {
        let pid = worker.pid;
        self.pool.take(slot, Seat::Running(worker));
        for (speaker, word) in self.hearsay.take_words(slot) {
            if speaker == pid { self.believe(slot, word) } else { self.kill_stray(speaker) }
        }
    }

    /// Ends a worker that has no place.
    fn kill_stray(&mut self, pid: Pid) {
        self.pool.strays.insert(pid);
        self.act(Action::Kill { pid, signal: WorkerSignal::Kill });
    }

    /// A zygote could not fork.
    pub(super) fn fork_failed(&mut self, generation: GenerationId, slot: Slot) {
        if self.pool.end_order(slot, generation).is_none() {
            self.hearsay.find_lost(slot);
        } else if self.generations.is_candidate(generation) {
            self.cancel_reload();
        } else {
            self.count_failure(generation);
        }
    }

    /// Gives up the generation's orders: its zygote will not answer.
    pub(super) fn give_up_orders(&mut self, generation: GenerationId) {
        for slot in self.pool.end_orders(generation) {
            self.hearsay.lose(self.now, slot);
            for (pid, _) in self.hearsay.take_words(slot) {
                self.kill_stray(pid);
            }
        }
    }

    /// Zygotes that leave an order unanswered are as good as dead.
    pub(super) fn expire_orders(&mut self) {
        while let Some(silent) = self.silent_zygote() {
            self.lose_zygote(silent, Report::ZygoteSilent(silent));
        }
    }

    fn silent_zygote(&self) -> Option<GenerationId> {
        let mut orders = self.pool.orders().map(|(_, order)| order);
        orders.find(|order| order.due() <= self.now).map(|order| order.generation)
    }

    /// A worker says that it serves, or that it wishes to be replaced.
    pub(super) fn hear_word(&mut self, slot: Slot, pid: Pid, word: Word) {
        match self.pool.slot_of(pid) {
            Some(known) if known == slot => self.believe(slot, word),
            Some(_) => {}
            None if self.hearsay.has_ended(pid) || self.pool.strays.contains(&pid) => {}
            None if self.pool.orders().any(|(forking, _)| forking == slot) => self.hearsay.hear(slot, pid, word),
            None if self.hearsay.find_lost(slot) => self.kill_stray(pid),
            None => {}
        }
    }

    /// Who resigns has served, even if the word of that is late.
    fn believe(&mut self, slot: Slot, word: Word) {
        self.mark_ready(slot);
        if word == Word::Resigned
            && let Some(worker) = self.pool.worker_mut(slot).filter(|worker| worker.serves())
        {
            worker.resigned = true;
        }
    }

    fn mark_ready(&mut self, slot: Slot) {
        let now = self.now;
        let Some(worker) = self.pool.worker_mut(slot).filter(|worker| worker.stays() && !worker.ready) else { return };
        worker.ready = true;
        worker.check_at = worker.timeout.map(|timeout| now + timeout);
        let (pid, generation, reopen) = (worker.pid, worker.generation, std::mem::take(&mut worker.reopen));
        if reopen {
            self.act(Action::Kill { pid, signal: WorkerSignal::Usr1 });
        }
        self.count_boot(generation);
        self.commit(generation);
    }

    /// Tells a worker to go. It is late in the time that `why` leaves it.
    pub(super) fn tell(&mut self, pid: Pid, why: Why) {
        let now = self.now;
        let Some(worker) = self.pool.slot_of(pid).and_then(|slot| self.pool.worker_mut(slot)) else { return };
        let (signal, time) = match why {
            Why::Leave => (WorkerSignal::Term, worker.graceful_timeout),
            Why::Quick => (WorkerSignal::Quit, worker.graceful_timeout),
            Why::Hung => (WorkerSignal::Abrt, ABORT_TIME),
        };
        worker.told = Some(Told { why, kill_at: Some(now + time) });
        self.act(Action::Kill { pid, signal });
    }

    /// KILL to those who were told to go and have not gone in their time.
    pub(super) fn expire_told(&mut self) {
        let now = self.now;
        let mut late = Vec::new();
        for (_, worker) in self.pool.workers_mut() {
            let Some(told) = worker.told.as_mut().filter(|told| told.kill_at.is_some_and(|at| at <= now)) else {
                continue;
            };
            told.kill_at = None;
            late.push(worker.pid);
        }
        for pid in late {
            self.act(Action::Kill { pid, signal: WorkerSignal::Kill });
        }
    }

    /// A child has been reaped: its pid is free from now on.
    pub(super) fn child_exited(&mut self, pid: Pid, exit: Exit) {
        let gone = self.pool.remove(pid);
        // A stray may be one that no zygote has named yet: it counts as unknown. A stranger is of no interest.
        let nameless = self.pool.strays.remove(&pid) || self.hearsay.has_lost() || self.pool.orders().next().is_some();
        if gone.is_some() || nameless {
            self.hearsay.hear_end(self.now, pid, exit, gone.is_some());
        }
        if let Some((slot, worker)) = gone {
            self.ended(slot, &worker, exit);
        }
    }

    /// What the end of a worker means.
    fn ended(&mut self, slot: Slot, worker: &Worker, exit: Exit) {
        match worker.told {
            _ if self.is_stopping() => {}
            None => self.ended_unasked(slot, worker, exit),
            Some(Told { why: Why::Hung, .. }) if !worker.ready => self.count_failure(worker.generation),
            Some(_) => {}
        }
    }

    fn ended_unasked(&mut self, slot: Slot, worker: &Worker, exit: Exit) {
        let pid = worker.pid;
        let code = boot_failure(worker, exit);
        let fatal = code.filter(|_| self.is_starting());
        self.act(Action::Report(match code {
            Some(_) => Report::BootFailed { pid, exit, fatal: fatal.is_some() },
            None if has_served_its_share(worker, exit) => Report::WorkerEnded { pid },
            None => Report::WorkerDied { slot, pid, exit },
        }));
        if let Some(code) = fatal {
            self.stop(Why::Leave, code);
        } else if self.generations.is_candidate(worker.generation) {
            self.cancel_reload();
        } else if self.was_in_vain(worker, exit) {
            self.count_failure(worker.generation);
        }
    }

    /// Whether it ended too soon.
    fn was_in_vain(&self, worker: &Worker, exit: Exit) -> bool {
        !worker.ready || (self.now.since(worker.born) < SHORTEST_LIFE && !has_served_its_share(worker, exit))
    }

    /// The serving generation's next worker may have to wait.
    fn count_failure(&mut self, generation: GenerationId) {
        let now = self.now;
        let serving = self.generations.serving.as_mut().filter(|serving| serving.id == generation);
        if let Some(delay) = serving.and_then(|serving| serving.backoff.fail(now)) {
            self.act(Action::Report(Report::BackOff { delay }));
        }
    }
}

/// Whether it is one that has ended by itself, and well, after its `max_requests`: even a short life may be that.
fn has_served_its_share(worker: &Worker, exit: Exit) -> bool {
    worker.ready && worker.recycles && exit == Exit::Code(0)
}

/// The code of a worker that says by it that it could not boot.
fn boot_failure(worker: &Worker, exit: Exit) -> Option<i32> {
    match exit {
        Exit::Code(code @ (BOOT_FAILED | APP_LOAD_FAILED)) if !worker.ready => Some(code),
        _ => None,
    }
}

//! What the arbiter does, as scenarios: an event in, exactly these actions out. The invariants are checked on the way.

#![allow(clippy::unwrap_used)]

mod change;
mod recycling;
mod serving;
mod trouble;

use std::time::Duration;

use super::Action::{Build, CloseListeners, Commit, Exit, Fork, Kill, ReadDeadlines, ReopenLogs, Report, Retire};
use super::Report::{
    BackOff, BootFailed, Handling, NoSlot, ReloadCancelled, ReloadDone, ShuttingDown, WorkerDied, WorkerEnded,
    WorkerTimeout, ZygoteLost, ZygoteSilent,
};
use super::Signal::{Hup, Int, Quit, Term, Ttin, Ttou, Usr1};
use super::WorkerSignal as To;
use super::*;

const GRACEFUL: Duration = Duration::from_secs(20);
const TIMEOUT: Duration = Duration::from_secs(30);
const G1: GenerationId = GenerationId(1);
const G2: GenerationId = GenerationId(2);
const G3: GenerationId = GenerationId(3);

/// An arbiter with its clock.
struct Scene {
    arbiter: Arbiter,
    now: Time,
}

impl Scene {
    fn new() -> Self {
        Self { arbiter: Arbiter::new(16), now: Time::from_micros(1_000_000_000) }
    }

    /// A service of generation 1 whose workers, pids 100 and on, are all ready.
    fn serving(workers: u32) -> Self {
        Self::serving_by(plan(workers))
    }

    fn serving_by(plan: Plan) -> Self {
        let (mut scene, workers) = (Self::new(), plan.workers);
        scene.on(Event::Started);
        scene.on(Event::Built { generation: G1, plan });
        for slot in 0..workers {
            scene.forked(G1, slot);
        }
        for slot in 0..workers {
            scene.ready(G1, slot);
        }
        assert!(!scene.arbiter.is_starting());
        scene
    }

    fn on(&mut self, event: Event) -> Vec<Action> {
        let actions = self.arbiter.on_event(self.now, event);
        self.arbiter.check_invariants().unwrap();
        actions
    }

    fn signal(&mut self, signal: Signal) -> Vec<Action> {
        let mut actions = self.on(Event::Signal(signal));
        if matches!(actions.first(), Some(Report(Handling(_)))) {
            actions.remove(0);
        }
        actions
    }

    fn forked(&mut self, generation: GenerationId, slot: u32) -> Vec<Action> {
        self.on(Event::Forked { generation, slot: Slot(slot), pid: pid(generation, slot) })
    }

    fn ready(&mut self, generation: GenerationId, slot: u32) -> Vec<Action> {
        self.on(Event::WorkerReady { slot: Slot(slot), pid: pid(generation, slot) })
    }

    fn exited(&mut self, generation: GenerationId, slot: u32, exit: super::Exit) -> Vec<Action> {
        self.on(Event::ChildExited { pid: pid(generation, slot), exit })
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// Sleeps until the next deadline, as the master does.
    fn sleep(&mut self) -> Vec<Action> {
        self.now = self.arbiter.next_deadline().unwrap();
        self.on(Event::Timer)
    }

    fn pids(&self) -> Vec<Pid> {
        self.arbiter.workers().map(|worker| worker.pid).collect()
    }
}

/// Worker pids tell where they are from: 100 and on for generation 1, 200 and on for the next.
fn pid(generation: GenerationId, slot: u32) -> Pid {
    Pid(i32::try_from(generation.0 * 100 + slot).unwrap())
}

fn built(generation: GenerationId, workers: u32) -> Event {
    Event::Built { generation, plan: plan(workers) }
}

fn plan(workers: u32) -> Plan {
    Plan { workers, timeout: Some(TIMEOUT), graceful_timeout: GRACEFUL, recycles: false }
}

fn fork(generation: GenerationId, slot: u32) -> Action {
    Fork { generation, slot: Slot(slot) }
}

fn kill(generation: GenerationId, slot: u32, signal: To) -> Action {
    Kill { pid: pid(generation, slot), signal }
}

fn died(generation: GenerationId, slot: u32, exit: super::Exit) -> Action {
    Report(WorkerDied { slot: Slot(slot), pid: pid(generation, slot), exit })
}

const OOM: super::Exit = super::Exit::Signal(9);
const CLEAN: super::Exit = super::Exit::Code(0);

/// An exit by itself.
fn ended(code: i32) -> super::Exit {
    super::Exit::Code(code)
}

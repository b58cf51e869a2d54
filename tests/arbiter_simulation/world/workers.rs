//! Workers: they boot, work, rest, resign, hang, die, and do as they are told, or they do not.

use std::time::Duration;

use gunicorn::arbiter::{Event, Exit, GenerationId, Pid, Slot, WorkerSignal};
use gunicorn::time::Time;

use super::{Happening, Process, Quality, World, Zygote};

impl World {
    pub(super) fn spawn(&mut self, generation: GenerationId, slot: Slot, pid: Pid) {
        let Zygote { plan, quality, .. } = self.zygotes[&generation];
        let timeout = plan.timeout;
        self.scoreboard.insert(slot, timeout.map(|timeout| self.now + timeout));
        let (ignores_term, ignores_abrt) = (self.fault(8), self.fault(20));
        let process = Process {
            slot,
            booted: false,
            hung: false,
            ignores_term,
            ignores_abrt,
            seen_late: false,
            dead: false,
            timeout,
        };
        self.processes.insert(pid, process);
        let bad = match quality {
            Quality::Good => 3,
            Quality::Flaky => 40,
            Quality::Broken => 100,
        };
        // The first pool is spared, or few services would come to their feet.
        let bad = if generation == GenerationId(1) && quality == Quality::Good { 1 } else { bad };
        let time = self.random.millis(1, 1_500);
        if !self.fault(bad) {
            self.plan_in(time, Happening::Boots(pid));
        } else if self.random.chance(20) {
            self.processes.get_mut(&pid).unwrap().hung = true;
        } else {
            let code = self.random.pick(&[(3, 3), (3, 4), (1, 1), (1, 0)]);
            self.plan_in(time, Happening::Dies(pid, Exit::Code(code)));
        }
    }

    /// The process, if it lives and goes its way.
    pub(super) fn active(&mut self, pid: Pid) -> Option<&mut Process> {
        self.processes.get_mut(&pid).filter(|process| !process.dead && !process.hung)
    }

    pub(super) fn boots(&mut self, pid: Pid) {
        let Some(process) = self.active(pid) else { return };
        process.booted = true;
        let slot = process.slot;
        self.set_deadline(pid, None);
        self.tell(Event::WorkerReady { slot, pid });
        if !self.calm && self.random.chance(50) {
            let service = if self.random.chance(20) { Duration::ZERO } else { self.random.millis(0, 60_000) };
            self.plan_in(service, Happening::Resigns(pid));
        }
        self.rests(pid);
    }

    /// It has had its share of requests. Whether the master hears of it or not, it serves on.
    pub(super) fn resigns(&mut self, pid: Pid) {
        let calm = self.calm;
        let Some(slot) = self.active(pid).filter(|process| process.booted && !calm).map(|process| process.slot) else {
            return;
        };
        self.tell_perhaps(Event::WorkerResigned { slot, pid });
        if self.fault(10) {
            let again = self.random.millis(0, 5_000);
            self.plan_in(again, Happening::Resigns(pid));
        }
        if self.fault(3) {
            // Nonsense: another's slot.
            self.tell(Event::WorkerResigned { slot: Slot(slot.0 + 1), pid });
        }
    }

    pub(super) fn set_deadline(&mut self, pid: Pid, deadline: Option<Time>) {
        let slot = self.processes[&pid].slot;
        self.scoreboard.insert(slot, deadline);
    }

    pub(super) fn works(&mut self, pid: Pid) {
        let Some(process) = self.active(pid) else { return };
        let deadline = process.timeout.map(|timeout| self.now + timeout);
        self.set_deadline(pid, deadline);
        if self.fault(2) {
            self.processes.get_mut(&pid).unwrap().hung = true;
        } else if self.fault(4) {
            let exit = self.random.pick(&[
                (3, Exit::Code(0)),
                (1, Exit::Code(1)),
                (1, Exit::Code(3)),
                (2, Exit::Signal(9)),
                (1, Exit::Signal(11)),
            ]);
            self.dies(pid, exit);
        } else {
            let time = self.random.millis(1, 1_500);
            self.plan_in(time, Happening::Rests(pid));
        }
    }

    pub(super) fn rests(&mut self, pid: Pid) {
        if self.active(pid).is_none() {
            return;
        }
        self.set_deadline(pid, None);
        let time = if self.random.chance(20) { self.random.millis(0, 500) } else { self.random.millis(0, 30_000) };
        self.plan_in(time, Happening::Works(pid));
    }

    pub(super) fn dies(&mut self, pid: Pid, exit: Exit) {
        if let Some(process) = self.processes.get_mut(&pid).filter(|process| !process.dead) {
            process.dead = true;
            self.tell(Event::ChildExited { pid, exit });
        }
    }

    pub(super) fn signal(&mut self, pid: Pid, signal: WorkerSignal) {
        let Some(process) = self.processes.get(&pid).filter(|process| !process.dead).cloned() else { return };
        let deaf = process.hung || process.ignores_term;
        let slowest = if self.fault(10) { 15_000 } else { 1_000 };
        let (time, exit) = match signal {
            WorkerSignal::Usr1 => return,
            WorkerSignal::Term | WorkerSignal::Quit if deaf && process.booted => return,
            WorkerSignal::Abrt if process.ignores_abrt => return,
            WorkerSignal::Term => (self.random.millis(0, slowest), Exit::Code(0)),
            WorkerSignal::Quit => (self.random.millis(0, 100), Exit::Code(0)),
            WorkerSignal::Abrt => (self.random.millis(0, 500), Exit::Signal(6)),
            WorkerSignal::Kill => (self.random.millis(0, 100), Exit::Signal(9)),
        };
        self.plan_in(time, Happening::Dies(pid, exit));
    }
}

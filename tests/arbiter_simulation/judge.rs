//! What must hold whatever happens, judged from outside: only from the events that went in and the actions that came
//! out. (What must hold inside, `Arbiter::check_invariants` says.)

use std::collections::{BTreeMap, BTreeSet};

use gunicorn::arbiter::{Action, Arbiter, Event, GenerationId, Pid, Report, Slot, WorkerSignal};

use crate::world::World;

/// A worker that the arbiter has been told of and that has not been reaped.
#[derive(Debug)]
struct Known {
    generation: GenerationId,
    slot: Slot,
    ready: bool,
    /// It has said that it wishes to be replaced.
    resigned: bool,
    told: bool,
    /// It got KILL without having been told anything: the arbiter did not want it, and it has no slot.
    stray: bool,
}

/// The record of one run.
#[derive(Default)]
pub(crate) struct Judge {
    known: BTreeMap<Pid, Known>,
    /// Ready before they were known, and whether they had even resigned.
    early: BTreeMap<Pid, bool>,
    /// Killed before they were known.
    killed: BTreeSet<Pid>,
    built: BTreeSet<GenerationId>,
    barren: BTreeSet<GenerationId>,
    retired: BTreeSet<GenerationId>,
    last_built: u32,
    serving: Option<GenerationId>,
    /// A generation that is neither committed nor retired.
    pub(crate) candidate: Option<GenerationId>,
    /// During a roll: so many workers serve if none dies by itself.
    floor: Option<u32>,
    pub(crate) stopping: bool,
    pub(crate) over: Option<i32>,
    /// What was seen, to know that the simulation is worth something.
    pub(crate) seen: BTreeMap<&'static str, u32>,
}

impl Judge {
    fn see(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// Takes notice of an event, before the arbiter does.
    pub(crate) fn hear(&mut self, event: &Event, world: &World) {
        match event {
            Event::Built { generation, .. } => {
                self.built.insert(*generation);
            }
            Event::ZygoteExited { generation, .. } => {
                self.barren.insert(*generation);
            }
            Event::Forked { generation, slot, pid } if world.processes.contains_key(pid) => {
                let early = self.early.remove(pid);
                let (ready, resigned) = (early.is_some(), early == Some(true));
                let stray = self.killed.contains(pid);
                let known = Known { generation: *generation, slot: *slot, ready, resigned, told: stray, stray };
                self.known.entry(*pid).or_insert(known);
            }
            Event::Forked { .. } => self.see("an exit before its Forked"),
            Event::WorkerReady { pid, .. } => match self.known.get_mut(pid) {
                Some(known) => known.ready = true,
                None if world.processes.contains_key(pid) => {
                    self.early.entry(*pid).or_default();
                    self.see("a WorkerReady before its Forked");
                }
                None => self.see("a WorkerReady after its exit"),
            },
            Event::WorkerResigned { slot, pid } => self.hear_resignation(*slot, *pid, world),
            Event::ChildExited { pid, .. } => {
                self.early.remove(pid);
                self.killed.remove(pid);
                if let Some(gone) = self.known.remove(pid) {
                    self.lose(&gone);
                }
            }
            _ => {}
        }
    }

    fn hear_resignation(&mut self, slot: Slot, pid: Pid, world: &World) {
        let what = match self.known.get_mut(&pid) {
            Some(known) if known.slot != slot => "a resignation that is none",
            Some(known) if known.told => "a resignation of one who leaves",
            Some(known) if known.resigned => "a resignation once more",
            Some(known) => {
                let what = if known.ready { "a resignation" } else { "a resignation before its WorkerReady" };
                (known.ready, known.resigned) = (true, true);
                what
            }
            None if world.processes.get(&pid).is_some_and(|process| process.slot == slot) => {
                self.early.insert(pid, true);
                "a resignation before its Forked"
            }
            None => "a resignation after its exit",
        };
        self.see(what);
    }

    /// A worker that served is lost, and not by an order to leave.
    fn lose(&mut self, worker: &Known) {
        if worker.ready && !worker.told {
            self.floor = self.floor.map(|floor| floor.saturating_sub(1));
        }
    }

    fn serving_workers(&self) -> u32 {
        u32::try_from(self.known.values().filter(|known| known.ready && !known.told).count()).unwrap()
    }

    /// Judges what the arbiter has ordered.
    pub(crate) fn judge(&mut self, actions: &[Action], arbiter: &Arbiter, world: &World) -> Result<(), String> {
        for (place, action) in actions.iter().enumerate() {
            if self.over.is_some() {
                return Err(format!("{action:?} after the exit"));
            }
            self.judge_action(action, arbiter, world).map_err(|wrong| format!("action {place}: {wrong}"))?;
        }
        Ok(())
    }

    fn judge_action(&mut self, action: &Action, arbiter: &Arbiter, world: &World) -> Result<(), String> {
        match action {
            Action::Build(id) => {
                demand(!self.stopping, "a build during a stop")?;
                demand(id.0 > self.last_built, "generations do not count up")?;
                demand(self.candidate.is_none(), "two uncommitted generations")?;
                self.last_built = id.0;
                self.candidate = Some(*id);
            }
            Action::Fork { generation, slot } => self.judge_fork(*generation, *slot)?,
            Action::Kill { pid, signal } => self.judge_kill(*pid, *signal, arbiter, world)?,
            Action::Commit(id) => self.judge_commit(*id)?,
            Action::Retire(id) => {
                demand(self.retired.insert(*id), "retired twice")?;
                demand(self.stopping || self.serving != Some(*id), "the serving generation is retired")?;
                self.candidate = self.candidate.filter(|candidate| candidate != id);
            }
            Action::CloseListeners => {
                demand(!self.stopping, "listeners closed twice")?;
                self.stopping = true;
            }
            Action::Report(report) => self.judge_report(report, world)?,
            Action::Exit(code) => {
                demand(self.known.is_empty(), "the master leaves a worker behind")?;
                self.over = Some(*code);
            }
            Action::ReadDeadlines | Action::ReopenLogs => {}
        }
        Ok(())
    }

    fn judge_fork(&mut self, generation: GenerationId, slot: Slot) -> Result<(), String> {
        demand(!self.stopping, "a fork during a stop")?;
        demand(self.built.contains(&generation), "a fork before the build")?;
        demand(!self.barren.contains(&generation), "a fork by a dead zygote")?;
        demand(!self.retired.contains(&generation), "a fork by a retired generation")?;
        let taken = self.known.values().any(|known| known.slot == slot && !known.stray);
        demand(!taken, "a fork into a slot that is taken")
    }

    fn judge_commit(&mut self, id: GenerationId) -> Result<(), String> {
        demand(self.candidate == Some(id) && self.built.contains(&id), "a commit of what is no candidate")?;
        let serves = |known: &&Known| known.ready && !known.told && known.generation != id;
        let serving = u32::try_from(self.known.values().filter(serves).count()).unwrap();
        if self.serving.is_some() {
            let proven = self.known.values().any(|known| known.generation == id && known.ready && !known.told);
            demand(proven, "a commit without a ready worker")?;
            self.floor = Some(serving);
            self.see("a commit of a reload");
        }
        self.serving = Some(id);
        self.candidate = None;
        Ok(())
    }

    fn judge_kill(&mut self, pid: Pid, signal: WorkerSignal, arbiter: &Arbiter, world: &World) -> Result<(), String> {
        let process = world.processes.get(&pid).ok_or_else(|| format!("{signal:?} to {pid:?}, which was reaped"))?;
        if signal == WorkerSignal::Usr1 {
            return demand(process.booted, "USR1 to a worker that would die of it");
        }
        if signal == WorkerSignal::Kill {
            self.see("a KILL");
        }
        let Some(known) = self.known.get_mut(&pid) else {
            self.killed.insert(pid);
            return demand(signal == WorkerSignal::Kill, "a signal to an unknown worker");
        };
        let (served, resigned, generation) = (known.ready && !known.told, known.resigned, known.generation);
        known.stray |= signal == WorkerSignal::Kill && !known.told;
        known.told = true;
        match signal {
            WorkerSignal::Term if served && resigned && self.serving == Some(generation) && !self.stopping => {
                self.see("a resigned worker that is relieved");
                self.judge_relief(generation, arbiter)
            }
            WorkerSignal::Term if served && !self.stopping => self.judge_leave(arbiter),
            WorkerSignal::Abrt if served => {
                self.floor = self.floor.map(|floor| floor.saturating_sub(1));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A worker that served was told to leave: enough must be left.
    fn judge_leave(&self, arbiter: &Arbiter) -> Result<(), String> {
        let left = self.serving_workers();
        let needed = self.floor.unwrap_or(u32::MAX).min(arbiter.wanted());
        demand(left >= needed, &format!("{left} serving workers are left of {needed}"))
    }

    /// A worker that has resigned was told to leave: its generation alone must serve as if it had never been.
    fn judge_relief(&self, generation: GenerationId, arbiter: &Arbiter) -> Result<(), String> {
        let serves = |known: &&Known| known.ready && !known.told && known.generation == generation;
        let (left, wanted) = (self.known.values().filter(serves).count(), arbiter.wanted());
        demand(left >= wanted as usize, &format!("{left} serving workers are left of {wanted} by a resignation"))
    }

    fn judge_report(&mut self, report: &Report, world: &World) -> Result<(), String> {
        let what = match report {
            Report::Handling(_) => "a signal",
            Report::WorkerTimeout { pid, .. } => {
                let process = world.processes.get(pid).ok_or("a timeout of a worker that was reaped")?;
                let ready = self.known.get(pid).is_some_and(|known| known.ready);
                demand(process.seen_late || !ready, "a timeout of a worker that was in time")?;
                "a timeout"
            }
            Report::WorkerDied { .. } => "a death",
            Report::WorkerEnded { .. } => "an end by itself",
            Report::BootFailed { fatal: true, .. } => "a start that fails by a worker",
            Report::BootFailed { fatal: false, .. } => "a boot that fails",
            Report::NoSlot { .. } => return Err("there is always a slot for a successor".to_owned()),
            Report::BackOff { .. } => "a back-off",
            Report::ReloadCancelled(_) => "a cancelled reload",
            Report::ReloadDone(_) => {
                self.floor = None;
                "a reload"
            }
            Report::ZygoteLost { .. } => "a lost zygote",
            Report::ZygoteSilent(_) => "a silent zygote",
            Report::ShuttingDown => "a shutdown",
        };
        self.see(what);
        Ok(())
    }

    fn is_settled(&self, known: &Known) -> bool {
        known.ready && !known.told && !known.resigned && Some(known.generation) == self.serving
    }

    /// In a calm world, after a while: as many workers as are wanted, all ready, all of the serving generation, and
    /// none that has resigned.
    pub(crate) fn judge_calm(&self, arbiter: &Arbiter, world: &World) -> Result<(), String> {
        let odd: Vec<_> = self.known.iter().filter(|(_, known)| !self.is_settled(known)).collect();
        demand(odd.is_empty(), &format!("not settled: {odd:?}"))?;
        demand(self.candidate.is_none(), "a reload has not come to its end")?;
        let (have, wanted) = (self.serving_workers(), arbiter.wanted());
        demand(have == wanted, &format!("{have} workers serve of {wanted}"))?;
        demand(arbiter.serving() == self.serving, "the arbiter is wrong about who serves")?;
        let hung = self.known.keys().any(|pid| world.processes[pid].hung);
        demand(!hung, "a worker hangs")
    }
}

fn demand(holds: bool, broken: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(broken.to_owned()) }
}

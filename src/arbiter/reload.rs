//! From one generation to the next: build new, commit, or keep the old.
//!
//! 1. HUP: the next generation is built. If that fails, it is retired, and nothing has happened to the old one.
//! 2. One worker of it is forked, into a slot of its own. If it does not become ready, the reload is cancelled
//!    likewise.
//! 3. It is ready: *commit*. From here on there is no way back, since it is known that there is a way forward.
//! 4. The rest is forked at once; for each one that is ready an old one leaves, first those that have resigned. The old
//!    ones that serve and the new ones that serve are together never fewer than served before, unless some die by
//!    themselves.
//! 5. The last old worker is gone: its generation is retired.
//!
//! A HUP during 1 or 2 starts over; later it waits for the end of the reload, unless that makes no progress because the
//! new workers die: then it is what the operator has mended that with, and must not wait. A serving generation that
//! loses its zygote goes the same way, by itself, and keeps its number of workers.

use super::action::{Action, Report};
use super::backoff::BackOff;
use super::event::{GenerationId, Plan};
use super::generation::{Candidate, Generation};
use super::slots::{Why, count};
use super::workers::BOOT_FAILED;
use super::{Arbiter, Phase};
use crate::time::Time;

impl Arbiter {
    /// HUP: asks for the next generation.
    pub(super) fn reload(&mut self) {
        self.reload_wanted = true;
        if self.phase == Phase::Serving {
            self.drop_candidate();
        }
    }

    /// Builds the next generation if there is a reason to and no reason to wait.
    pub(super) fn start_build(&mut self) {
        if self.phase != Phase::Serving || self.generations.candidate.is_some() {
            return;
        }
        if self.reload_wanted && !self.is_rolling_well() {
            self.build(None);
        } else if self.generations.is_barren() && !self.rebuild.blocks(self.now) {
            let wanted = self.generations.serving.as_ref().map(|serving| serving.wanted);
            self.build(wanted);
        }
    }

    /// Builds a generation with the number of workers of its plan or with this one.
    pub(super) fn build(&mut self, wanted: Option<u32>) {
        self.reload_wanted = false;
        let id = self.generations.begin(wanted);
        self.act(Action::Build(id));
    }

    /// Whether workers are just being exchanged, and it goes on.
    fn is_rolling_well(&self) -> bool {
        let stuck = |serving: &Generation| !serving.zygote || serving.backoff.has_failed();
        !self.generations.retiring.is_empty() && !self.generations.serving.as_ref().is_some_and(stuck)
    }

    /// When a zygote that was lost is replaced, if that has to wait.
    pub(super) fn build_due(&self) -> Option<Time> {
        let waits = self.phase == Phase::Serving
            && self.generations.candidate.is_none()
            && self.generations.is_barren()
            && self.rebuild.blocks(self.now);
        waits.then(|| self.rebuild.until())
    }

    /// A generation can fork. The first one serves from here on: there is nothing that it could endanger.
    pub(super) fn built(&mut self, id: GenerationId, plan: Plan) {
        let Some(taken_over) = self.generations.take_building(id) else { return };
        let wanted = taken_over.unwrap_or_else(|| self.workers_of(&plan));
        let generation = Generation { id, plan, wanted, zygote: true, backoff: BackOff::default() };
        if self.generations.serving.is_none() {
            self.generations.serving = Some(generation);
            self.act(Action::Commit(id));
        } else {
            self.generations.candidate = Some(Candidate::Trial(generation));
        }
    }

    /// A generation could not be built. That ends a start, but no service.
    pub(super) fn build_failed(&mut self, id: GenerationId, exit_code: i32) {
        if !self.generations.is_candidate(id) {
            return;
        }
        if self.generations.serving.is_none() {
            self.exit(exit_code);
        } else {
            self.cancel_reload();
        }
    }

    /// Forks the worker by which a generation shows what it is worth.
    pub(super) fn fork_trial(&mut self) {
        if let Some(id) = self.generations.trial().map(|trial| trial.id)
            && !self.pool.has(id)
        {
            self.fork(id);
        }
    }

    /// If this generation is on trial, it has passed.
    pub(super) fn commit(&mut self, id: GenerationId) {
        let Some(generation) = self.generations.take_trial(id) else { return };
        self.capacity = count(self.pool.workers().filter(|(_, worker)| worker.serves() && worker.generation != id));
        let old = self.generations.serving.replace(generation);
        self.generations.retiring.extend(old);
        self.act(Action::Commit(id));
        self.insist(0);
    }

    /// Lets as many old workers go as new ones have come, and retires the generations that have none left.
    pub(super) fn roll(&mut self) {
        if self.generations.retiring.is_empty() {
            return;
        }
        let old = self.pool.dispensable(|worker| self.generations.is_retiring(worker.generation));
        let leaving = old.len().saturating_sub(self.old_workers_needed());
        for pid in old.into_iter().take(leaving) {
            self.tell(pid, Why::Leave);
        }
        self.retire_empty();
    }

    /// How many old workers must stay because there are not enough new ones yet. One that was not ready at the commit
    /// is no loss: it is among the first to leave, and was not counted.
    fn old_workers_needed(&self) -> usize {
        let Some(serving) = &self.generations.serving else { return 0 };
        let new = self.pool.serving(serving.id);
        let needed = if new >= serving.wanted { 0 } else { self.capacity.saturating_sub(new) };
        usize::try_from(needed).unwrap_or(usize::MAX)
    }

    fn retire_empty(&mut self) {
        let pool = &self.pool;
        let empty = self.generations.retiring.extract_if(.., |generation| !pool.has(generation.id));
        let retired: Vec<GenerationId> = empty.map(|generation| generation.id).collect();
        for id in retired {
            self.act(Action::Retire(id));
        }
        if let (true, Some(serving)) = (self.generations.retiring.is_empty(), &self.generations.serving) {
            self.act(Action::Report(Report::ReloadDone(serving.id)));
        }
    }

    /// The candidate has failed: the old generation serves on.
    pub(super) fn cancel_reload(&mut self) {
        let Some(id) = self.drop_candidate() else { return };
        self.act(Action::Report(Report::ReloadCancelled(id)));
        if self.generations.is_barren() {
            self.put_off_rebuild();
        }
    }

    /// Removes the candidate, its orders and its workers.
    fn drop_candidate(&mut self) -> Option<GenerationId> {
        let id = self.generations.candidate.take()?.id();
        self.give_up_orders(id);
        for pid in self.pool.dispensable(|worker| worker.generation == id) {
            self.tell(pid, Why::Leave);
        }
        self.act(Action::Retire(id));
        Some(id)
    }

    /// The zygote of a generation is dead, or as good as dead.
    pub(super) fn lose_zygote(&mut self, id: GenerationId, report: Report) {
        self.give_up_orders(id);
        let is_first = self.generations.serving.is_none();
        if self.generations.is_candidate(id) {
            self.act(Action::Report(report));
            if is_first { self.exit(BOOT_FAILED) } else { self.cancel_reload() }
        } else if self.generations.is_serving(id) {
            self.lose_serving_zygote(report);
        }
    }

    /// The workers serve on; but none of them can be replaced until there is a new generation.
    fn lose_serving_zygote(&mut self, report: Report) {
        let Some(serving) = self.generations.serving.as_mut().filter(|serving| serving.zygote) else { return };
        serving.zygote = false;
        if self.is_stopping() {
            return;
        }
        self.act(Action::Report(report));
        if self.is_starting() {
            self.stop(Why::Leave, BOOT_FAILED);
        } else {
            self.put_off_rebuild();
        }
    }

    fn put_off_rebuild(&mut self) {
        if let Some(delay) = self.rebuild.fail(self.now) {
            self.act(Action::Report(Report::BackOff { delay }));
        }
    }
}

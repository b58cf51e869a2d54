//! What is true after every event: the list in the module documentation of [`super`], as code.
//!
//! Each check is a list of what is wrong, so that a failed simulation says which rule was broken and by whom.

use super::generation::{Candidate, Generation};
use super::recycling::leaves_at_leisure;
use super::slots::{Worker, count};
use super::{Arbiter, Phase};

impl Arbiter {
    /// Checks the invariants.
    ///
    /// # Errors
    /// The first one that does not hold, in words.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.check_places()?;
        self.check_generations()?;
        self.check_strength()?;
        self.check_resigned()?;
        self.check_deadlines()?;
        self.check_stop()
    }

    /// 1 and 2: who is where.
    fn check_places(&self) -> Result<(), String> {
        let mut pids: Vec<_> = self.pool.workers().map(|(_, worker)| worker.pid).collect();
        pids.extend(&self.pool.strays);
        let known = pids.len();
        pids.sort_unstable();
        pids.dedup();
        ensure(pids.len() == known, || "a pid is known twice".to_owned())?;
        for (slot, worker) in self.pool.workers() {
            ensure(slot.0 < self.slots, || format!("{slot:?} does not exist"))?;
            ensure(!worker.stays() || self.is_held(worker), || format!("{worker:?} stays, its generation does not"))?;
        }
        for (slot, order) in self.pool.orders() {
            ensure(slot.0 < self.slots, || format!("{slot:?} does not exist"))?;
            ensure(self.generations.get(order.generation).is_some(), || {
                format!("{order:?} is of a retired generation")
            })?;
        }
        Ok(())
    }

    fn is_held(&self, worker: &Worker) -> bool {
        self.generations.get(worker.generation).is_some()
    }

    /// 3 and 4: the lives of generations.
    fn check_generations(&self) -> Result<(), String> {
        let ids = self.generations.ids();
        ensure(ids.is_sorted_by(|older, newer| older < newer), || format!("a generation is held twice: {ids:?}"))?;
        let candidate = self.generations.candidate.as_ref().map(Candidate::id);
        ensure(candidate.is_none_or(|id| ids.last() == Some(&id)), || "the candidate is not the newest".to_owned())?;
        if let Some(Candidate::Trial(trial)) = &self.generations.candidate {
            let seats = self.pool.manned(trial.id);
            let full = self.pool.free().next().is_none();
            ensure(seats == 1 || (seats == 0 && full), || format!("{seats} workers of {:?} on trial", trial.id))?;
        }
        for retiring in self.generations.retiring.iter().filter(|_| !self.is_stopping()) {
            ensure(self.pool.has(retiring.id), || format!("{:?} has no worker and is not retired", retiring.id))?;
        }
        Ok(())
    }

    /// 5: there are enough workers, or it is known why not.
    fn check_strength(&self) -> Result<(), String> {
        let Some(serving) = self.generations.serving.as_ref().filter(|_| !self.is_stopping()) else {
            return ensure(self.phase != Phase::Serving, || "nobody serves".to_owned());
        };
        let manned = self.pool.manned(serving.id);
        ensure((1..=self.slots).contains(&serving.wanted), || format!("{} workers wanted", serving.wanted))?;
        ensure(manned >= serving.wanted || self.is_excused(serving), || {
            format!("{manned} workers of {} and nothing to wait for", serving.wanted)
        })
    }

    fn is_excused(&self, serving: &Generation) -> bool {
        let rebuilding = self.generations.candidate.is_some() || self.build_due().is_some();
        let full = self.pool.free().next().is_none();
        full || self.fill_due().is_some() || (!serving.zygote && rebuilding)
    }

    /// 9: nobody who has resigned is kept without need, and few take their time to leave.
    fn check_resigned(&self) -> Result<(), String> {
        let resigned = || self.pool.workers().map(|(_, worker)| worker).filter(|worker| worker.resigned);
        ensure(resigned().all(|worker| worker.ready), || "a worker has resigned that was never ready".to_owned())?;
        let Some(serving) = self.generations.serving.as_ref().filter(|_| !self.is_stopping()) else { return Ok(()) };
        let of_it = || resigned().filter(|worker| worker.generation == serving.id);
        let leisurely = count(of_it().filter_map(leaves_at_leisure));
        ensure(leisurely <= serving.wanted, || format!("{leisurely} workers take their time to leave"))?;
        let kept = of_it().any(Worker::stays);
        let strength = self.pool.serving(serving.id);
        ensure(!kept || strength <= serving.wanted, || {
            format!("{strength} workers serve of {}, and one that has resigned is kept", serving.wanted)
        })
    }

    /// 6: everything that is limited has a deadline, and the master never spins.
    fn check_deadlines(&self) -> Result<(), String> {
        let next = self.next_deadline();
        ensure(next.is_none_or(|at| at > self.now), || format!("{next:?} is not after {:?}", self.now))?;
        for (_, worker) in self.pool.workers() {
            let watched = !worker.stays() || worker.timeout.is_none() || worker.check_at.is_some();
            ensure(watched, || format!("nobody looks after {worker:?}"))?;
        }
        let limited = self.pool.orders().next().is_some()
            || self.pool.workers().any(|(_, worker)| worker.told.is_some_and(|told| told.kill_at.is_some()));
        ensure(self.is_over() || !limited || next.is_some(), || "something is limited without a deadline".to_owned())
    }

    /// 7 and 8: the end.
    fn check_stop(&self) -> Result<(), String> {
        if !self.is_stopping() {
            return Ok(());
        }
        let untold = self.pool.workers().any(|(_, worker)| worker.stays());
        let building = self.generations.candidate.is_some();
        ensure(!untold, || "a worker was not told to stop".to_owned())?;
        ensure(!building, || "a generation is built during a stop".to_owned())?;
        ensure(!self.is_over() || self.pool.is_dead(), || "the master leaves a worker behind".to_owned())
    }
}

fn ensure(holds: bool, broken: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(broken()) }
}

//! The number of workers: the serving generation gets as many as are wanted, neither more nor fewer. Those that have
//! resigned come on top until they are replaced ([`super::recycling`]).
//!
//! Nothing here reacts to an event. After each event the pool is compared with what is wanted; so a worker that died, a
//! TTIN and a back-off that is over all end in the same place.

use super::Arbiter;
use super::event::{GenerationId, Plan};
use super::slots::Why;
use crate::time::Time;

impl Arbiter {
    /// TTIN: one worker more.
    pub(super) fn scale_up(&mut self) {
        let most = self.most_workers();
        if let Some(serving) = &mut self.generations.serving {
            serving.wanted = serving.wanted.saturating_add(1).min(most);
        }
    }

    /// TTOU: one worker fewer, but one stays, as in gunicorn.
    pub(super) fn scale_down(&mut self) {
        if let Some(serving) = &mut self.generations.serving {
            serving.wanted = serving.wanted.saturating_sub(1).max(1);
        }
    }

    /// The number of workers that a plan asks for, if it can be had.
    pub(super) fn workers_of(&self, plan: &Plan) -> u32 {
        plan.workers.clamp(1, self.most_workers())
    }

    /// One slot stays free for the first worker of the next generation.
    fn most_workers(&self) -> u32 {
        self.slots.saturating_sub(1).max(1)
    }

    /// Forks the workers that are missing.
    pub(super) fn fill(&mut self) {
        let Some((id, missing)) = self.missing() else { return };
        for _ in 0..missing {
            if !self.fork(id) {
                return;
            }
        }
    }

    /// How many workers are to be forked, and of which generation; `None` when the last ones died so fast that the next
    /// must wait, and when there is no zygote to fork them.
    pub(super) fn missing(&self) -> Option<(GenerationId, u32)> {
        let serving = self.generations.serving.as_ref()?;
        let may_fork = serving.zygote && !serving.backoff.blocks(self.now);
        may_fork.then(|| (serving.id, serving.wanted.saturating_sub(self.pool.manned(serving.id))))
    }

    /// Tells the workers to leave that are too many. Orders do not count: until they are answered nobody is spared.
    pub(super) fn trim(&mut self) {
        let Some(serving) = &self.generations.serving else { return };
        let (id, wanted) = (serving.id, serving.wanted);
        let workers = self.pool.dispensable(|worker| worker.generation == id && !worker.resigned);
        let surplus = workers.len().saturating_sub(usize::try_from(wanted).unwrap_or(usize::MAX));
        for pid in workers.into_iter().take(surplus) {
            self.tell(pid, Why::Leave);
        }
    }

    /// When the missing workers may be forked, if they have to wait for it.
    pub(super) fn fill_due(&self) -> Option<Time> {
        let serving = self.generations.serving.as_ref()?;
        let waits = serving.zygote && serving.backoff.blocks(self.now) && self.pool.manned(serving.id) < serving.wanted;
        (waits && !self.is_stopping()).then(|| serving.backoff.until())
    }
}

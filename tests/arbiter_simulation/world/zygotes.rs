//! Zygotes: they build generations and fork workers, or they do not.

use std::time::Duration;

use gunicorn::arbiter::{Event, Exit, GenerationId, Plan, Slot};

use super::{Happening, Quality, World, Zygote};

impl World {
    pub(super) fn build(&mut self, id: GenerationId) {
        let plan = Plan {
            workers: u32::try_from(self.random.between(1, 6)).unwrap(),
            timeout: (!self.random.chance(10)).then(|| Duration::from_secs(self.random.between(2, 30))),
            graceful_timeout: self.random.millis(0, 10_000),
            recycles: self.random.chance(50),
        };
        // Most services start: else there would be nothing to test.
        let luck = if id == GenerationId(1) { 90 } else { 60 };
        let quality = match self.random.between(1, 100) {
            _ if self.calm => Quality::Good,
            percent if percent <= luck => Quality::Good,
            percent if percent <= 85 || id == GenerationId(1) => Quality::Flaky,
            _ => Quality::Broken,
        };
        self.zygotes.insert(id, Zygote { plan, quality, alive: true, hung: false });
        if !self.fault(if id == GenerationId(1) { 2 } else { 6 }) {
            let delay = self.random.millis(10, 3_000);
            self.plan_in(delay, Happening::BuildEnds(id));
        }
    }

    pub(super) fn build_ends(&mut self, id: GenerationId) {
        let plan = self.zygotes[&id].plan;
        if !self.zygotes[&id].alive {
            return;
        }
        if self.fault(3) {
            self.zygote_dies(id);
        } else if self.fault(if id == GenerationId(1) { 3 } else { 10 }) {
            self.tell(Event::BuildFailed { generation: id, exit_code: 1 });
        } else {
            self.tell(Event::Built { generation: id, plan });
            let life = self.random.millis(0, 400_000);
            if self.fault(25) {
                self.plan_in(life, Happening::ZygoteCrashes(id));
            }
        }
    }

    pub(super) fn zygote_dies(&mut self, id: GenerationId) {
        if let Some(zygote) = self.zygotes.get_mut(&id).filter(|zygote| zygote.alive) {
            zygote.alive = false;
            self.tell(Event::ZygoteExited { generation: id, exit: Exit::Signal(9) });
        }
    }

    pub(super) fn zygote_forks(&mut self, id: GenerationId, slot: Slot) {
        if self.fault(1) {
            self.zygotes.get_mut(&id).unwrap().hung = true;
        }
        if self.zygotes[&id].hung || !self.zygotes[&id].alive {
            return;
        }
        if self.fault(4) {
            self.tell(Event::ForkFailed { generation: id, slot, errno: 11 });
            return;
        }
        let pid = self.free_pid();
        self.spawn(id, slot, pid);
        if self.fault(1) {
            // Its answer is lost with its zygote.
            self.zygote_dies(id);
        } else if self.fault(1) {
            self.plan_in(Duration::from_secs(40), Happening::Deliver(Event::Forked { generation: id, slot, pid }));
        } else {
            self.tell(Event::Forked { generation: id, slot, pid });
        }
    }
}

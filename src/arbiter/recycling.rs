//! Workers that have resigned: each leaves when it is replaced, and not before.
//!
//! A worker that is to be recycled says so and serves on. It does not count as one of those wanted any more, so that
//! [`super::scale`] orders a successor into a slot of its own. When as many serve as are wanted, one is told to leave
//! for each that serves beyond that: however many resign at once, the service is never weaker for it, and where no
//! successor can boot or be forked, they go on. Those of an old generation leave with it, before its others
//! ([`super::reload`]).
//!
//! Who was replaced may take its time to leave, since nobody waits for it: its clients may yet use the connections they
//! keep. It is told once more where somebody does wait: in a stop, in a reload, and when others have resigned so soon
//! after it that more of them leave than are wanted to serve, which would fill the memory.

use super::Arbiter;
use super::action::{Action, Report, WorkerSignal};
use super::event::Pid;
use super::slots::{Told, Why, Worker};
use crate::time::Time;

impl Arbiter {
    /// Lets those go that have resigned, as far as enough serve without them.
    pub(super) fn relieve(&mut self) {
        let Some(serving) = &self.generations.serving else { return };
        let (id, wanted) = (serving.id, size(serving.wanted));
        let surplus = size(self.pool.serving(id)).saturating_sub(wanted);
        let resigned = self.pool.dispensable(|worker| worker.generation == id && worker.resigned);
        for pid in resigned.into_iter().take(surplus) {
            self.tell(pid, Why::Leave);
        }
        self.insist(wanted);
    }

    /// A worker that has resigned leaves before it is replaced if its successor can have no slot but its own: none is
    /// free, and none will be by what is on its way.
    pub(super) fn make_room(&mut self) {
        let Some((id, 1..)) = self.missing() else { return };
        if self.pool.free().next().is_some() || !self.pool.is_settled() {
            return;
        }
        let resigned = self.pool.dispensable(|worker| worker.generation == id && worker.resigned);
        if let Some(pid) = resigned.first().copied() {
            self.act(Action::Report(Report::NoSlot { pid }));
            self.tell(pid, Why::Leave);
        }
    }

    /// Tells those who were replaced and leave to hurry, but for the `most` that were told last.
    pub(super) fn insist(&mut self, most: usize) {
        let mut leaving: Vec<(Time, Pid)> =
            self.pool.workers().filter_map(|(_, worker)| Some((leaves_at_leisure(worker)?, worker.pid))).collect();
        leaving.sort_unstable();
        let surplus = leaving.len().saturating_sub(most);
        for (_, pid) in leaving.into_iter().take(surplus) {
            self.pool
                .workers_mut()
                .filter(|(_, worker)| worker.pid == pid)
                .for_each(|(_, worker)| worker.hurries = true);
            self.act(Action::Kill { pid, signal: WorkerSignal::Term });
        }
    }
}

/// Whether the worker may take its time to leave, and until when.
pub(super) fn leaves_at_leisure(worker: &Worker) -> Option<Time> {
    match worker.told {
        Some(Told { why: Why::Leave, kill_at }) if worker.resigned && !worker.hurries => kill_at,
        _ => None,
    }
}

/// A number of workers.
fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

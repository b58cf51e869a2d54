//! Workers that are past their deadline.
//!
//! Workers write their deadlines into shared memory and tell nobody, so they must be read; but not more often than one
//! can have passed. The next reading is due at the earliest deadline of the last one; a worker that was idle then
//! cannot be late before its whole timeout has passed again. An idle pool is thus looked at once in a timeout.
//!
//! Late is only who a fresh reading shows to be late. The clock alone condemns nobody: a master that was itself stopped
//! for a while reads first. Who is late gets ABRT (it dumps its stack), and KILL [`ABORT_TIME`] later.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Arbiter;
use super::action::{Action, Report};
use super::event::{Pid, Slot};
use super::slots::{Why, Worker};
use crate::time::Time;

/// Time for a worker to write down its stack and die after ABRT; gunicorn's next round comes after a second, too.
pub(super) const ABORT_TIME: Duration = Duration::from_secs(1);

/// A reading that has not come in this time is asked for again.
const READING_TIME: Duration = Duration::from_secs(1);

/// The deadlines that were read.
type Reading = BTreeMap<Slot, Option<Time>>;

impl Arbiter {
    /// Asks for the deadlines if one can have passed.
    pub(super) fn check_heartbeats(&mut self) {
        if self.heartbeat_due().is_some_and(|due| due <= self.now) {
            self.asked = Some(self.now);
            self.act(Action::ReadDeadlines);
        }
    }

    /// When the deadlines must be read next.
    pub(super) fn heartbeat_due(&self) -> Option<Time> {
        let staying = self.pool.workers().map(|(_, worker)| worker).filter(|worker| worker.stays());
        let due = staying.filter_map(|worker| worker.check_at).min()?;
        Some(self.asked.map_or(due, |asked| due.max(asked + READING_TIME)))
    }

    /// The deadlines as they were just read. What was not asked for may be old, and is not believed.
    pub(super) fn deadlines(&mut self, deadlines: Vec<(Slot, Option<Time>)>) {
        let Some(asked) = self.asked.take() else { return };
        let reading: Reading = deadlines.into_iter().collect();
        for (slot, pid) in self.late_workers(&reading, asked) {
            self.act(Action::Report(Report::WorkerTimeout { slot, pid }));
            self.tell(pid, Why::Hung);
            self.trial_hung(pid);
        }
    }

    /// Notes when each worker must be looked at again, and returns those that are late.
    fn late_workers(&mut self, reading: &Reading, asked: Time) -> Vec<(Slot, Pid)> {
        let now = self.now;
        let mut late = Vec::new();
        for (slot, worker) in self.pool.workers_mut() {
            // The slot of a worker that was born since may have been read when another had it.
            if !worker.stays() || worker.born > asked {
                continue;
            }
            let Some(timeout) = worker.timeout else { continue };
            match deadline(worker, timeout, reading.get(&slot).copied().flatten()) {
                // It may have gone on since: late is who was it when the reading was asked for.
                Some(deadline) if deadline <= asked => late.push((slot, worker.pid)),
                // No deadline can be further away than a timeout, whatever the worker has written.
                Some(deadline) => worker.check_at = Some(deadline.min(now + timeout)),
                None => worker.check_at = Some(now + timeout),
            }
        }
        late
    }

    /// A generation whose first worker hangs is not fit to serve.
    fn trial_hung(&mut self, pid: Pid) {
        let trial = self.generations.trial().map(|trial| trial.id);
        let hung = self.pool.workers().any(|(_, worker)| worker.pid == pid && Some(worker.generation) == trial);
        if hung {
            self.cancel_reload();
        }
    }
}

/// The deadline of a worker: the one it has set, or that of its boot if it is not through with it.
fn deadline(worker: &Worker, timeout: Duration, read: Option<Time>) -> Option<Time> {
    read.or_else(|| (!worker.ready).then(|| worker.born + timeout))
}

//! The end of the service.
//!
//! ```text
//!   serving --TERM--> stopping, workers have TERM --INT, QUIT--> stopping, workers have QUIT
//!      |                          |                                        |
//!      '----------INT, QUIT-------|----------------------------------------'
//!                                 '--> no worker lives --> Retire all, Exit
//! ```
//!
//! Who has not gone in its graceful timeout gets KILL. The master exits when the last worker was reaped, never before.
//! The one thing it does not wait for without limit is the answer of a zygote that was told to fork; a worker that
//! comes of it nevertheless sees that the master has gone.

use std::time::Duration;

use super::action::{Action, Report, WorkerSignal};
use super::generation::Candidate;
use super::slots::{Told, Why};
use super::{Arbiter, Phase};
use crate::time::Time;

/// The time that is left to workers when a graceful stop is hastened, as in gunicorn.
const HASTENED_TIME: Duration = Duration::from_secs(2);

/// How long a zygote is waited for that was told to fork and does not answer.
const ORDER_TIME: Duration = Duration::from_secs(5);

/// How everything is being stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stop {
    /// The exit code.
    pub(super) code: i32,
    pub(super) why: Why,
    /// Until when zygotes are waited for that were told to fork.
    pub(super) until: Time,
}

impl Arbiter {
    /// Stops everything: gracefully ([`Why::Leave`]) or quickly ([`Why::Quick`]).
    pub(super) fn stop(&mut self, why: Why, code: i32) {
        if self.is_stopping() {
            return;
        }
        let until = self.now + self.generations.graceful_timeout().min(ORDER_TIME);
        self.phase = Phase::Stopping(Stop { code, why, until });
        self.act(Action::CloseListeners);
        self.drop_build();
        match why {
            Why::Leave => self.insist(0),
            Why::Quick | Why::Hung => self.hasten_workers(self.now + self.generations.graceful_timeout()),
        }
    }

    /// A candidate that is being built is given up. One on trial may have a worker: it ends as an old one does.
    fn drop_build(&mut self) {
        match self.generations.candidate.take() {
            Some(Candidate::Building { id, .. }) => self.act(Action::Retire(id)),
            Some(Candidate::Trial(trial)) => self.generations.retiring.push(trial),
            None => {}
        }
    }

    /// INT or QUIT during a graceful stop.
    pub(super) fn hasten(&mut self, name: &'static str) {
        let Phase::Stopping(stop) = &mut self.phase else { return };
        if stop.why == Why::Quick {
            return;
        }
        let limit = self.now + HASTENED_TIME;
        *stop = Stop { why: Why::Quick, until: stop.until.min(limit), ..*stop };
        self.act(Action::Report(Report::Handling(name)));
        self.hasten_workers(limit);
    }

    fn hasten_workers(&mut self, limit: Time) {
        let mut hastened = Vec::new();
        for (_, worker) in self.pool.workers_mut() {
            if let Some(Told { why: Why::Leave, kill_at: Some(at) }) = worker.told {
                worker.told = Some(Told { why: Why::Quick, kill_at: Some(at.min(limit)) });
                hastened.push(worker.pid);
            }
        }
        for pid in hastened {
            self.act(Action::Kill { pid, signal: WorkerSignal::Quit });
        }
    }

    /// Tells those who have not been told yet, the ones just forked included; exits when nobody is left.
    pub(super) fn carry_on_stopping(&mut self, stop: Stop) {
        for pid in self.pool.dispensable(|_| true) {
            self.tell(pid, stop.why);
        }
        if self.pool.is_empty() || (self.pool.is_dead() && stop.until <= self.now) {
            self.finish(stop.code);
        }
    }

    fn finish(&mut self, code: i32) {
        self.act(Action::Report(Report::ShuttingDown));
        for id in self.generations.ids() {
            self.act(Action::Retire(id));
        }
        self.exit(code);
    }

    /// Ends the master. Nothing happens after it.
    pub(super) fn exit(&mut self, code: i32) {
        self.act(Action::Exit(code));
        self.generations.candidate = None;
        self.phase = Phase::Over;
    }

    /// When a stop gives up waiting for zygotes.
    pub(super) fn stop_due(&self) -> Option<Time> {
        match self.phase {
            Phase::Stopping(stop) if self.pool.is_dead() => Some(stop.until),
            _ => None,
        }
    }
}

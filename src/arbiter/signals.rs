//! What an operator asks for by a signal: each one in a row of [`Arbiter::signal`].
//!
//! What it leads to stands with the subject: [`super::scale`], [`super::reload`], [`super::shutdown`]. USR2 and WINCH
//! will be two more rows.

use super::Arbiter;
use super::action::{Action, Report, WorkerSignal};
use super::event::Signal;
use super::slots::Why;

impl Signal {
    /// Its name, as gunicorn logs it.
    fn name(self) -> &'static str {
        match self {
            Self::Term => "term",
            Self::Int => "int",
            Self::Quit => "quit",
            Self::Hup => "hup",
            Self::Ttin => "ttin",
            Self::Ttou => "ttou",
            Self::Usr1 => "usr1",
        }
    }
}

impl Arbiter {
    /// Does what an operator asks for.
    pub(super) fn signal(&mut self, signal: Signal) {
        if self.is_stopping() {
            return self.signal_while_stopping(signal);
        }
        self.act(Action::Report(Report::Handling(signal.name())));
        match signal {
            Signal::Term => self.stop(Why::Leave, 0),
            Signal::Int | Signal::Quit => self.stop(Why::Quick, 0),
            Signal::Hup => self.reload(),
            Signal::Ttin => self.scale_up(),
            Signal::Ttou => self.scale_down(),
            Signal::Usr1 => self.reopen_logs(),
        }
    }

    /// During a stop only a stronger one is heard.
    fn signal_while_stopping(&mut self, signal: Signal) {
        if matches!(signal, Signal::Int | Signal::Quit) {
            self.hasten(signal.name());
        }
    }

    /// USR1. A worker that does not handle it yet gets it when it does.
    fn reopen_logs(&mut self) {
        self.act(Action::ReopenLogs);
        self.pool.orders_mut().for_each(|order| order.reopen = true);
        let mut ready = Vec::new();
        for (_, worker) in self.pool.workers_mut() {
            worker.reopen = !worker.ready;
            if worker.ready {
                ready.push(worker.pid);
            }
        }
        for pid in ready {
            self.act(Action::Kill { pid, signal: WorkerSignal::Usr1 });
        }
    }
}

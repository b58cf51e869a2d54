//! Performing the arbiter's actions.

use std::rc::Rc;

use super::build::{Builder, Built, Failure, Goal};
use super::listeners::Listener;
use super::pidfile::Pidfile;
use super::protocol::Order;
use super::{Generation, Master, report};
use crate::arbiter::{Action, Event, GenerationId, Pid, Report, Slot, WorkerSignal};
use crate::log;
use crate::settings::Settings;
use crate::sys::{process, title};

impl Master {
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::Build(generation) => self.build(generation),
            Action::Fork { generation, slot } => self.fork(generation, slot),
            Action::Kill { pid, signal } => kill(pid, signal),
            Action::Commit(generation) => self.commit(generation),
            Action::Retire(generation) => self.retire(generation),
            Action::ReadDeadlines => self.read_deadlines(),
            Action::ReopenLogs => self.reopen_logs(),
            Action::CloseListeners => self.close_listeners(),
            Action::Report(told) => self.report(&told),
            Action::Exit(code) => self.exit = Some(code),
        }
    }

    fn report(&self, told: &Report) {
        report::write(told, &self.scoreboard);
        // The end of its link does not end a zygote that hangs.
        if let Report::ZygoteSilent(generation) = told
            && let Some(pid) = self.generations.get(generation).and_then(Generation::zygote_pid)
        {
            kill(Pid(pid), WorkerSignal::Kill);
        }
    }

    fn build(&mut self, generation: GenerationId) {
        match Builder::start(&self.launch, self.listeners(), Goal::Serve) {
            Ok(builder) => drop(self.generations.insert(generation, Generation::Building(Box::new(builder)))),
            Err(failure) => self.build_failed(generation, &failure),
        }
    }

    /// What the generation that serves listens on.
    fn listeners(&self) -> Vec<Rc<Listener>> {
        self.serving_generation().map_or_else(Vec::new, |built| built.listeners.clone())
    }

    fn serving_generation(&self) -> Option<&Built> {
        match self.generations.get(&self.serving?) {
            Some(Generation::Built(built)) => Some(built),
            _ => None,
        }
    }

    fn fork(&mut self, generation: GenerationId, slot: Slot) {
        let told = match self.generations.get(&generation) {
            Some(Generation::Built(built)) => built.zygote.tell(&Order::Fork { slot: slot.0 }, &[]),
            _ => Err(std::io::ErrorKind::NotConnected.into()),
        };
        if let Err(error) = told {
            let errno = error.raw_os_error().unwrap_or(libc::EPIPE);
            self.events.push_back(Event::ForkFailed { generation, slot, errno });
        }
    }

    /// The first generation opens the error log and the pid file before it counts as built: a server that cannot have
    /// them does not start.
    ///
    /// # Errors
    /// Either cannot be had.
    pub(super) fn take_first_settings(&mut self, settings: &Settings) -> Result<(), Failure> {
        open_logs(settings).map_err(Failure::new)?;
        log::info!("Starting gunicorn-rs {}", super::protocol::VERSION);
        self.pidfile = settings.pidfile.as_deref().map(Pidfile::create).transpose().map_err(Failure::new)?;
        Ok(())
    }

    fn commit(&mut self, generation: GenerationId) {
        let former = self.serving.replace(generation);
        let Some(Generation::Built(built)) = self.generations.get(&generation) else { return };
        let settings = built.resolved.settings.clone();
        built.resolved.warnings.iter().for_each(|warning| log::warning!("{warning}"));
        if former.is_some() {
            self.take_next_settings(&settings);
        }
        title::set(&format!("gunicorn: master [{}]", super::protocol::title(&settings)));
        self.close_unused(generation);
        let listening: Vec<String> = self.listeners().iter().map(ToString::to_string).collect();
        log::info!("Listening at: {} ({})", listening.join(","), process::pid());
        log::info!("Using worker: {}", settings.worker_class);
    }

    /// A server that runs keeps its log and pid file when the new ones cannot be had.
    fn take_next_settings(&mut self, settings: &Settings) {
        if let Err(error) = open_logs(settings) {
            log::error!("{error}; the former log stays in use");
        }
        let current = self.pidfile.as_ref().map(Pidfile::path);
        if current != settings.pidfile.as_deref() {
            match settings.pidfile.as_deref().map(Pidfile::create).transpose() {
                Ok(pidfile) => self.pidfile = pidfile,
                Err(error) => log::error!("{error}; the former pid file stays"),
            }
        }
    }

    /// Closes what only older generations listen on.
    fn close_unused(&mut self, serving: GenerationId) {
        let kept = self.listeners();
        for (id, generation) in &mut self.generations {
            if let Generation::Built(built) = generation
                && *id != serving
            {
                let unused = std::mem::take(&mut built.listeners);
                unused.iter().filter(|old| !kept.iter().any(|new| Rc::ptr_eq(old, new))).for_each(|old| old.unlink());
            }
        }
    }

    fn close_listeners(&mut self) {
        for generation in self.generations.values_mut() {
            if let Generation::Built(built) = generation {
                // A zygote that cannot be told is ending, and its listeners with it.
                let _ = built.zygote.tell(&Order::CloseListeners, &[]);
                std::mem::take(&mut built.listeners).iter().for_each(|listener| listener.unlink());
            }
        }
    }

    pub(super) fn retire(&mut self, generation: GenerationId) {
        let retired = self.generations.remove(&generation).and_then(farewell);
        if let Some(pid) = retired {
            self.generations.insert(generation, Generation::Retired(pid));
        }
    }

    fn read_deadlines(&mut self) {
        let deadline = |slot: Slot| self.scoreboard.slot(slot.0).and_then(|cells| cells.deadline());
        let deadlines = self.arbiter.workers().map(|worker| (worker.slot, deadline(worker.slot))).collect();
        // Before everything else: late is only who was late when the arbiter asked.
        self.events.push_front(Event::Deadlines(deadlines));
    }

    fn reopen_logs(&mut self) {
        if let Err(error) = log::error::reopen() {
            log::error!("{error}");
        }
        if let Some(settings) = self.serving_generation().map(|built| built.resolved.settings.clone()) {
            give_logs(&settings);
        }
        for generation in self.generations.values() {
            if let Generation::Built(built) = generation {
                // A zygote that cannot be told is ending: nothing will be forked from it.
                let _ = built.zygote.tell(&Order::ReopenLogs, &[]);
            }
        }
    }
}

/// Lets a zygote end, by the end of its link when it listens to that, else by force; gives its pid.
pub(super) fn farewell(generation: Generation) -> Option<i32> {
    match generation {
        Generation::Building(builder) => builder.zygote().map(|zygote| {
            zygote.kill();
            zygote.pid()
        }),
        Generation::Built(built) => Some(built.zygote.pid()),
        Generation::Retired(pid) => Some(pid),
    }
}

fn open_logs(settings: &Settings) -> Result<(), log::OpenError> {
    log::error::init(&settings.errorlog, settings.loglevel)?;
    give_logs(settings);
    Ok(())
}

/// Lets the workers' user reopen the log.
fn give_logs(settings: &Settings) {
    if let Err(error) = log::error::chown_to(settings.user, settings.group) {
        log::warning!("the error log cannot be given to the workers' user: {error}");
    }
}

fn kill(pid: Pid, signal: WorkerSignal) {
    let number = match signal {
        WorkerSignal::Term => libc::SIGTERM,
        WorkerSignal::Quit => libc::SIGQUIT,
        WorkerSignal::Abrt => libc::SIGABRT,
        WorkerSignal::Kill => libc::SIGKILL,
        WorkerSignal::Usr1 => libc::SIGUSR1,
    };
    if let Err(error) = process::kill(pid.0, number) {
        log::debug!("signal {number} did not reach worker {}: {error}", pid.0);
    }
}

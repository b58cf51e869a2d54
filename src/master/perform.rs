//! Performing the arbiter's actions.

use super::build::{Builder, Built, Failure, Goal};
use super::pidfile::Pidfile;
use super::protocol::Order;
use super::{Generation, Master, ZYGOTE_FAREWELL, report};
use crate::arbiter::{Action, Event, GenerationId, Pid, Slot, WorkerSignal};
use crate::log;
use crate::settings::{self, Settings};
use crate::sys::{clock, process, signals, title};

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
            Action::Report(told) => report::write(&told, &self.scoreboard),
            Action::Exit(code) => self.exit = Some(code),
        }
    }

    fn build(&mut self, generation: GenerationId) {
        match Builder::start(&self.launch, self.listeners.clone(), Goal::Serve) {
            Ok(builder) => drop(self.generations.insert(generation, Generation::Building(Box::new(builder)))),
            Err(failure) => self.build_failed(generation, &failure),
        }
    }

    fn serving_generation(&self) -> Option<&Built> {
        match self.generations.get(&self.serving?) {
            Some(Generation::Built(built)) => Some(built),
            _ => None,
        }
    }

    fn fork(&mut self, generation: GenerationId, slot: Slot) {
        if let Some(cells) = self.scoreboard.slot(slot.0) {
            // What the slot's former worker has left must not be read as the new one's.
            cells.reset(None);
        }
        let told = match self.generations.get_mut(&generation) {
            Some(Generation::Built(built)) => built.fork(slot.0),
            _ => Err(std::io::ErrorKind::NotConnected.into()),
        };
        if let Err(error) = told {
            let errno = error.raw_os_error().unwrap_or_default();
            self.events.push_back(Event::ForkFailed { generation, slot, errno });
        }
    }

    /// The first generation opens the error log and the pid file before it counts as built: a server that cannot have
    /// them does not start.
    ///
    /// # Errors
    /// Either cannot be had.
    pub(super) fn take_first_settings(&mut self, settings: &Settings) -> Result<(), Failure> {
        log::open(settings).map_err(Failure::new)?;
        log::info!("Starting gunicorn-rs {}", super::protocol::VERSION);
        self.pidfile = settings.pidfile.as_deref().map(Pidfile::create).transpose().map_err(Failure::new)?;
        Ok(())
    }

    fn commit(&mut self, generation: GenerationId) {
        let former = self.serving_generation().map(|built| built.resolved.settings.clone());
        let is_reload = self.serving.replace(generation).is_some();
        let Some(Generation::Built(built)) = self.generations.get_mut(&generation) else { return };
        // Those that only older generations have listened on are closed here, and their names removed.
        self.listeners = std::mem::take(&mut built.listeners);
        let settings = built.resolved.settings.clone();
        built.resolved.warnings.iter().for_each(|warning| log::warning!("{warning}"));
        if let Some(former) = former {
            settings::diff(&former, &settings).iter().for_each(|change| log::info!("Setting {change}"));
        }
        if is_reload {
            self.take_next_settings(&settings);
        }
        title::set(&format!("gunicorn: master [{}]", super::protocol::title(&settings)));
        let listening: Vec<String> = self.listeners.iter().map(ToString::to_string).collect();
        log::info!("Listening at: {} ({})", listening.join(","), process::pid());
        // gunicorn's line. The master does not know the application: where that chooses another kind, the worker says
        // so.
        log::info!("Using worker: {}", settings.foreign_class().unwrap_or(settings.worker_kind(false).name()));
    }

    /// A server that runs keeps its log and pid file when the new ones cannot be had.
    fn take_next_settings(&mut self, settings: &Settings) {
        if let Err(error) = log::open(settings) {
            log::error!("{error}; the former log stays in use");
        }
        let current = self.pidfile.as_ref().map(Pidfile::path);
        if current != settings.pidfile.as_deref() {
            match settings.pidfile.as_deref().map(Pidfile::create).transpose() {
                Ok(pidfile) => self.pidfile = pidfile,
                Err(error) => log::error!("{error}; the former pid file stays"),
            }
        } else if let Some(Err(error)) = self.pidfile.as_ref().map(Pidfile::restore) {
            log::error!("{error}");
        }
    }

    fn close_listeners(&mut self) {
        self.listeners.clear();
        for generation in self.generations.values_mut() {
            if let Generation::Built(built) = generation {
                built.listeners.clear();
                // A zygote that cannot be told is ending, and its listeners with it.
                let _ = built.zygote.tell(&Order::CloseListeners, &[]);
            }
        }
    }

    pub(super) fn retire(&mut self, generation: GenerationId) {
        let kill_at = match self.generations.get(&generation) {
            Some(Generation::Retired { kill_at, .. }) => *kill_at,
            _ => Some(clock::now() + ZYGOTE_FAREWELL),
        };
        if let Some(pid) = self.generations.remove(&generation).and_then(farewell) {
            self.generations.insert(generation, Generation::Retired { pid, kill_at });
        }
    }

    fn read_deadlines(&mut self) {
        let deadline = |slot: Slot| self.scoreboard.slot(slot.0).and_then(|cells| cells.deadline());
        let deadlines = self.arbiter.workers().map(|worker| (worker.slot, deadline(worker.slot))).collect();
        // Before everything else: late is only who was late when the arbiter asked.
        self.events.push_front(Event::Deadlines(deadlines));
    }

    fn reopen_logs(&mut self) {
        // Before the workers are told: a file that is new belongs to their user then, and they can open it.
        log::reopen();
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
        Generation::Retired { pid, .. } => Some(pid),
    }
}

fn kill(pid: Pid, signal: WorkerSignal) {
    let number = match signal {
        WorkerSignal::Term => signals::TERM,
        WorkerSignal::Quit => signals::QUIT,
        WorkerSignal::Abrt => signals::ABRT,
        WorkerSignal::Kill => signals::KILL,
        WorkerSignal::Usr1 => signals::USR1,
    };
    if let Err(error) = process::kill(pid.0, number) {
        log::debug!("signal {number} did not reach worker {}: {error}", pid.0);
    }
}

//! The process around the arbiter: its event loop, and everything that performs the arbiter's actions.
//!
//! One thread, no interpreter, no client socket, no sleep. Each turn of the loop collects what has happened as
//! [`Event`]s, gives each to the [`Arbiter`], and performs the [`Action`]s it answers with; what comes of an action
//! is the next event. The master decides nothing by itself.

pub mod build;
mod check;
pub mod interpreter;
pub mod launch;
pub mod listeners;
mod perform;
pub mod pidfile;
pub mod protocol;
mod report;
pub mod signals;
mod zygote;

pub use check::{check_config, print_config};
pub use report::refuse;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use crate::arbiter::{Arbiter, Event, Exit, GenerationId, Pid, Slot};
use crate::scoreboard::SLOTS;
use crate::sys::process::{self, Ended};
use crate::sys::shm::Scoreboard;
use crate::sys::signals::{KILL, Signals};
use crate::sys::{clock, fd, poll};
use crate::time::Time;
use build::{Builder, Built, Failure, Progress, Shared};
use launch::Launch;
use listeners::Listener;
use pidfile::Pidfile;
use protocol::{Answer, WORD_BYTES, Word, decode_words};
use zygote::{Heard, Zygote};

/// How long the zygotes have to end by themselves when the master exits.
const ZYGOTE_FAREWELL: Duration = Duration::from_secs(2);

/// A generation, from the order to build it until its zygote has ended.
#[derive(Debug)]
enum Generation {
    Building(Box<Builder>),
    Built(Box<Built>),
    /// No longer wanted: kept until its zygote has been reaped, which is ended by force if it does not end by itself.
    Retired {
        /// The zygote.
        pid: i32,
        /// When it is killed; `None`: it has been.
        kill_at: Option<Time>,
    },
}

impl Generation {
    fn zygote_pid(&self) -> Option<i32> {
        match self {
            Self::Building(builder) => builder.zygote().map(Zygote::pid),
            Self::Built(built) => Some(built.zygote.pid()),
            Self::Retired { pid, .. } => Some(*pid),
        }
    }
}

/// The master process.
#[derive(Debug)]
pub struct Master {
    arbiter: Arbiter,
    launch: Launch,
    signals: Signals,
    scoreboard: Scoreboard,
    ready: (OwnedFd, OwnedFd),
    /// Workers and zygotes hold the read end; the write end dies with this process, however it dies.
    alive: (OwnedFd, OwnedFd),
    generations: BTreeMap<GenerationId, Generation>,
    serving: Option<GenerationId>,
    /// Kept here, not in the generation that serves: they outlive its zygote.
    listeners: Vec<Rc<Listener>>,
    pidfile: Option<Pidfile>,
    events: VecDeque<Event>,
    exit: Option<i32>,
}

impl Master {
    /// A master that has not started anything yet.
    ///
    /// # Errors
    /// The system calls that make pipes, signals and shared memory.
    pub fn new(launch: Launch) -> io::Result<Self> {
        process::become_subreaper()?;
        Ok(Self {
            arbiter: Arbiter::new(SLOTS),
            launch,
            signals: Signals::collect(&signals::collected())?,
            scoreboard: Scoreboard::create()?,
            ready: fd::pipe(true)?,
            alive: fd::pipe(true)?,
            generations: BTreeMap::new(),
            serving: None,
            listeners: Vec::new(),
            pidfile: None,
            events: VecDeque::from([Event::Started]),
            exit: None,
        })
    }

    /// Serves until a signal or a failed start ends it; gives the exit code.
    ///
    /// # Errors
    /// poll(2)
    pub fn run(mut self) -> io::Result<i32> {
        loop {
            self.handle_events();
            if let Some(code) = self.exit {
                self.say_farewell();
                return Ok(code);
            }
            self.wait()?;
            self.collect();
        }
    }

    fn handle_events(&mut self) {
        while self.exit.is_none() {
            let Some(event) = self.events.pop_front() else { return };
            let actions = self.arbiter.on_event(clock::now(), event);
            for action in actions {
                self.perform(action);
            }
        }
    }

    /// Sleeps until something is to be collected.
    fn wait(&self) -> io::Result<()> {
        let now = clock::now();
        let timeout = self.next_deadline().map(|deadline| deadline.since(now));
        let fds: Vec<BorrowedFd<'_>> = [self.signals.as_fd(), self.ready.0.as_fd()]
            .into_iter()
            .chain(self.generations.values().filter_map(listened_link))
            .collect();
        poll::readable(&fds, timeout).map(drop)
    }

    fn next_deadline(&self) -> Option<Time> {
        let generations = self.generations.values().filter_map(|generation| match generation {
            Generation::Building(builder) => builder.deadline(),
            Generation::Built(_) => None,
            Generation::Retired { kill_at, .. } => *kill_at,
        });
        generations.chain(self.arbiter.next_deadline()).min()
    }

    /// Turns everything that has happened into events. Ended children are collected first and told last: so what they
    /// said before they ended is heard before their end.
    fn collect(&mut self) {
        let ended: Vec<(i32, Ended)> = std::iter::from_fn(process::reap).collect();
        while let Some(signal) = self.signals.next() {
            self.events.extend(signals::meaning(signal).map(Event::Signal));
        }
        self.collect_generations();
        self.collect_words();
        for (pid, ended) in ended {
            self.child_ended(pid, ended);
        }
        if self.arbiter.next_deadline().is_some_and(|deadline| deadline <= clock::now()) {
            self.events.push_back(Event::Timer);
        }
    }

    /// What workers say of themselves. Read in whole words, or the next reading would begin within one.
    fn collect_words(&mut self) {
        let mut buffer = [0; 64 * WORD_BYTES];
        while let Ok(length @ 1..) = fd::read(&self.ready.0, &mut buffer) {
            self.events.extend(decode_words(&buffer[..length]).map(|word| match word {
                Word::Ready { slot, pid } => Event::WorkerReady { slot: Slot(slot), pid: Pid(pid) },
                Word::Resigned { slot, pid } => Event::WorkerResigned { slot: Slot(slot), pid: Pid(pid) },
            }));
        }
    }

    fn collect_generations(&mut self) {
        let ids: Vec<GenerationId> = self.generations.keys().copied().collect();
        for id in ids {
            self.advance_build(id);
            self.hear_zygote(id);
            self.kill_overdue(id);
        }
    }

    /// Ends a retired zygote that has not ended by itself: one that hangs, or waits for a thread of the application.
    fn kill_overdue(&mut self, id: GenerationId) {
        if let Some(Generation::Retired { pid, kill_at }) = self.generations.get_mut(&id)
            && kill_at.is_some_and(|at| at <= clock::now())
        {
            *kill_at = None;
            // It fails only when the zygote has ended after all.
            let _ = process::kill(*pid, KILL);
        }
    }

    /// Does the steps of a build for which an answer or the time has come.
    fn advance_build(&mut self, id: GenerationId) {
        let shared =
            Shared { scoreboard: self.scoreboard.as_fd(), ready: self.ready.1.as_fd(), alive: self.alive.0.as_fd() };
        let Some(Generation::Building(builder)) = self.generations.get_mut(&id) else { return };
        let now = clock::now();
        let progress = if builder.deadline().is_some_and(|deadline| deadline <= now) {
            builder.on_deadline(shared, now)
        } else {
            builder.on_readable(&self.launch)
        };
        self.made_progress(id, progress);
    }

    fn made_progress(&mut self, id: GenerationId, progress: Result<Progress, Failure>) {
        match progress {
            Ok(Progress::Pending) => {}
            Ok(Progress::Settled) => self.go_on_building(id),
            Ok(Progress::Built(built)) => self.generation_built(id, built),
            Err(failure) => self.build_failed(id, &failure),
        }
    }

    /// The settings of a generation are known. A server that starts opens its log and pid file before it binds: another
    /// one that runs must not be disturbed.
    fn go_on_building(&mut self, id: GenerationId) {
        let Some(Generation::Building(mut builder)) = self.generations.remove(&id) else { return };
        let ready = match self.serving {
            Some(_) => Ok(()),
            None => self.take_first_settings(&builder.resolved().settings),
        };
        let progress = ready.and_then(|()| builder.go_on(self.shared(), clock::now()));
        self.generations.insert(id, Generation::Building(builder));
        self.made_progress(id, progress);
    }

    fn shared(&self) -> Shared<'_> {
        Shared { scoreboard: self.scoreboard.as_fd(), ready: self.ready.1.as_fd(), alive: self.alive.0.as_fd() }
    }

    fn generation_built(&mut self, generation: GenerationId, built: Box<Built>) {
        let plan = signals::plan(&built.resolved.settings);
        self.generations.insert(generation, Generation::Built(built));
        self.events.push_back(Event::Built { generation, plan });
    }

    fn build_failed(&mut self, generation: GenerationId, failure: &Failure) {
        report::build_failure(failure, self.serving.is_some());
        self.retire(generation);
        self.events.push_back(Event::BuildFailed { generation, exit_code: failure.exit_code });
    }

    fn hear_zygote(&mut self, generation: GenerationId) {
        while let Some(Generation::Built(built)) = self.generations.get_mut(&generation) {
            match built.hear() {
                Heard::Silence => return,
                Heard::Answer(Answer::Forked { slot, pid }) => {
                    self.events.push_back(Event::Forked { generation, slot: Slot(slot), pid: Pid(pid) });
                }
                Heard::Answer(Answer::ForkFailed { slot, errno }) => {
                    let error = io::Error::from_raw_os_error(errno);
                    crate::log::error!("A worker could not be forked: {error}");
                    self.events.push_back(Event::ForkFailed { generation, slot: Slot(slot), errno });
                }
                // Whatever else a zygote says now, it cannot be relied on any more; its end is told when it is reaped.
                Heard::Answer(_) | Heard::End(_) => {
                    built.zygote.kill();
                    return self.retire(generation);
                }
            }
        }
    }

    fn child_ended(&mut self, pid: i32, ended: Ended) {
        let exit = match ended {
            Ended::Code(code) => Exit::Code(code),
            Ended::Signal(signal) => Exit::Signal(signal),
        };
        let of = |generation: &Generation| generation.zygote_pid() == Some(pid);
        let zygote = self.generations.iter().find(|(_, generation)| of(generation)).map(|(id, _)| *id);
        match zygote {
            None => self.events.push_back(Event::ChildExited { pid: Pid(pid), exit }),
            Some(generation) => self.zygote_ended(generation, exit),
        }
    }

    fn zygote_ended(&mut self, generation: GenerationId, exit: Exit) {
        match self.generations.remove(&generation) {
            Some(Generation::Building(_)) => {
                let failure = Failure::new(format!("the interpreter {} while it was starting", report::ended(exit)));
                report::build_failure(&failure, self.serving.is_some());
                self.events.push_back(Event::BuildFailed { generation, exit_code: failure.exit_code });
            }
            _ => self.events.push_back(Event::ZygoteExited { generation, exit }),
        }
    }

    /// Gives the zygotes a moment to run their exit handlers, then ends them.
    fn say_farewell(&mut self) {
        let generations = std::mem::take(&mut self.generations);
        let mut zygotes: Vec<i32> = generations.into_values().filter_map(perform::farewell).collect();
        let deadline = clock::now() + ZYGOTE_FAREWELL;
        loop {
            while let Some((pid, _)) = process::reap() {
                zygotes.retain(|zygote| *zygote != pid);
            }
            let now = clock::now();
            if zygotes.is_empty() || now >= deadline {
                break;
            }
            if poll::readable(&[self.signals.as_fd()], Some(deadline.since(now))).is_err() {
                break;
            }
            // An operator who insists is not kept waiting.
            if std::iter::from_fn(|| self.signals.next()).any(signals::is_quick) {
                break;
            }
        }
        for pid in zygotes {
            // It fails only when the zygote has ended after all.
            let _ = process::kill(pid, KILL);
        }
    }
}

/// The link to wait for: a retired zygote has nothing to say.
fn listened_link(generation: &Generation) -> Option<BorrowedFd<'_>> {
    match generation {
        Generation::Building(builder) => builder.zygote().map(Zygote::as_fd),
        Generation::Built(built) => Some(built.zygote.as_fd()),
        Generation::Retired { .. } => None,
    }
}

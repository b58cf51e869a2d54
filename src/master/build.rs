//! Building a generation: from the command line to a zygote that can fork.
//!
//! The steps are: find the interpreter, start the zygote, have it execute the config, merge the layers, bind what is
//! not bound yet, have it load the application. Each step starts when the answer of the one before is here; a step that
//! fails ends the build, and nothing that serves is touched. The master drives it: it waits for [`Builder::zygote`] to
//! become readable and for [`Builder::deadline`].

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Duration;

use super::launch::{Config, Launch};
use super::listeners::{self, Listener};
use super::protocol::{Answer, Load, Order, PythonConfig, VERSION};
use super::zygote::{Heard, Zygote};
use crate::settings::{ConfigSource, LogTarget, Resolved};
use crate::time::Time;

/// How often an address that is in use is tried again.
const BIND_TRIES: u32 = 5;
/// Time between two tries.
const BIND_PAUSE: Duration = Duration::from_secs(1);

/// What the workers of every generation share.
#[derive(Debug, Clone, Copy)]
pub struct Shared<'a> {
    /// The scoreboard's memory.
    pub scoreboard: BorrowedFd<'a>,
    /// Write end of the pipe on which workers say that they are ready.
    pub ready: BorrowedFd<'a>,
    /// Read end of the pipe that ends with the master.
    pub alive: BorrowedFd<'a>,
}

/// A generation that can fork.
#[derive(Debug)]
pub struct Built {
    /// Its zygote.
    pub zygote: Zygote,
    /// Its settings, and where they came from.
    pub resolved: Resolved,
    /// What it listens on, until it serves; then the master has them.
    pub listeners: Vec<Rc<Listener>>,
    orders: ForkOrders,
}

/// Orders to fork: so many are under way that neither end of the link can be full of them.
#[derive(Debug, Default)]
struct ForkOrders {
    waiting: VecDeque<u32>,
    under_way: usize,
}

/// Most orders to fork that a zygote has not answered.
const ORDERS_UNDER_WAY: usize = 32;

impl Built {
    /// Has the zygote fork a worker for the slot.
    ///
    /// # Errors
    /// The zygote has gone.
    pub fn fork(&mut self, slot: u32) -> io::Result<()> {
        self.orders.waiting.push_back(slot);
        self.send_orders()
    }

    /// Reads one answer, if there is one.
    pub fn hear(&mut self) -> Heard {
        let heard = self.zygote.hear();
        if let Heard::Answer(Answer::Forked { .. } | Answer::ForkFailed { .. }) = heard {
            self.orders.under_way = self.orders.under_way.saturating_sub(1);
            if let Err(error) = self.send_orders() {
                return Heard::End(error.to_string());
            }
        }
        heard
    }

    fn send_orders(&mut self) -> io::Result<()> {
        while self.orders.under_way < ORDERS_UNDER_WAY
            && let Some(slot) = self.orders.waiting.pop_front()
        {
            self.zygote.tell(&Order::Fork { slot }, &[])?;
            self.orders.under_way += 1;
        }
        Ok(())
    }
}

/// Why a generation could not be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Exit code for a master that cannot start without it.
    pub exit_code: i32,
    /// For the operator; may have several lines.
    pub message: String,
}

impl Failure {
    /// A failure for which gunicorn exits with 1.
    pub fn new(message: impl ToString) -> Self {
        Self { exit_code: 1, message: message.to_string() }
    }
}

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Until workers can be forked.
    Serve,
    /// Until config and application are known to load (`--check-config`); nothing is bound.
    Check,
    /// Until the settings are known (`--print-config`).
    Settings,
}

/// What a step led to.
#[derive(Debug)]
pub enum Progress {
    /// Wait for the next answer or the deadline.
    Pending,
    /// The settings are known; call [`Builder::go_on`].
    Settled,
    /// It is through.
    Built(Box<Built>),
}

#[derive(Debug)]
enum Step {
    AwaitHello,
    AwaitConfig,
    Settled,
    Bind { tries: u32, next: Time },
    AwaitLoaded,
    Done,
}

/// A generation that is being built.
#[derive(Debug)]
pub struct Builder {
    goal: Goal,
    argv: Vec<String>,
    config: Config,
    zygote: Option<Zygote>,
    /// Without what a Python config says until that has been read.
    resolved: Resolved,
    existing: Vec<Rc<Listener>>,
    listeners: Vec<Rc<Listener>>,
    step: Step,
}

impl Builder {
    /// Starts to build; `existing` are the listeners that may be shared.
    ///
    /// # Errors
    /// A setting is wrong, or there is no interpreter.
    pub fn start(launch: &Launch, existing: Vec<Rc<Listener>>, goal: Goal) -> Result<Self, Failure> {
        let config = launch.find_config()?;
        let resolved = launch.resolve(&config)?;
        let interpreter = launch.places.find(resolved.settings.python.as_deref()).map_err(Failure::new)?;
        let zygote = Zygote::start(&launch.places, &interpreter, &launch.argv)
            .map_err(|error| Failure::new(format!("cannot run the interpreter {}: {error}", interpreter.display())))?;
        Ok(Self {
            goal,
            argv: launch.argv.clone(),
            config,
            zygote: Some(zygote),
            resolved,
            existing,
            listeners: Vec::new(),
            step: Step::AwaitHello,
        })
    }

    /// The zygote, until the generation is built.
    pub fn zygote(&self) -> Option<&Zygote> {
        self.zygote.as_ref()
    }

    /// When to call [`Builder::on_deadline`].
    pub fn deadline(&self) -> Option<Time> {
        match self.step {
            Step::Bind { next, .. } => Some(next),
            _ => None,
        }
    }

    /// The link is readable: takes one answer and does the next step.
    ///
    /// # Errors
    /// The build is over.
    pub fn on_readable(&mut self, launch: &Launch) -> Result<Progress, Failure> {
        let heard = self.zygote.as_ref().map(Zygote::hear);
        match (heard, &self.step) {
            (Some(Heard::Answer(Answer::Failed { exit_code, message })), _) => Err(Failure { exit_code, message }),
            (Some(Heard::Answer(Answer::Hello { version, origin })), Step::AwaitHello) => {
                check_version(&version, &origin)?;
                self.read_config()
            }
            (Some(Heard::Answer(Answer::Config { values: defined })), Step::AwaitConfig) => {
                if let Config::Python(_, values) = &mut self.config {
                    *values = Some(defined);
                }
                self.resolved = launch.resolve(&self.config)?;
                self.settle()
            }
            (Some(Heard::Answer(Answer::Loaded)), Step::AwaitLoaded) => self.finish(),
            (Some(Heard::Answer(answer)), _) => Err(Failure::new(format!("the zygote said {answer:?} out of turn"))),
            (Some(Heard::Silence), _) => Ok(Progress::Pending),
            (Some(Heard::End(why)), _) => Err(Failure::new(why)),
            (None, _) => Err(Failure::new("there is no zygote")),
        }
    }

    /// The deadline has passed: tries the addresses again.
    ///
    /// # Errors
    /// The build is over.
    pub fn on_deadline(&mut self, shared: Shared<'_>, now: Time) -> Result<Progress, Failure> {
        match self.step {
            Step::Bind { tries, next } if next <= now => self.bind(tries, shared, now),
            _ => Ok(Progress::Pending),
        }
    }

    /// The settings, as far as they are known.
    pub fn resolved(&self) -> &Resolved {
        &self.resolved
    }

    /// Binds, and goes on to load the application; to be called once the settings are known.
    ///
    /// # Errors
    /// The build is over.
    pub fn go_on(&mut self, shared: Shared<'_>, now: Time) -> Result<Progress, Failure> {
        match self.goal {
            Goal::Serve => self.bind(0, shared, now),
            Goal::Check => self.load(shared),
            Goal::Settings => self.finish(),
        }
    }

    fn read_config(&mut self) -> Result<Progress, Failure> {
        let Config::Python(source, _) = &self.config else { return self.settle() };
        let config = match source {
            ConfigSource::Module(name) => PythonConfig::Module(name.clone()),
            ConfigSource::Python(path) | ConfigSource::Toml(path) => PythonConfig::File(path.clone()),
        };
        self.tell(&Order::ReadConfig { config, chdir: self.resolved.settings.chdir.clone() }, &[])?;
        self.step = Step::AwaitConfig;
        Ok(Progress::Pending)
    }

    fn settle(&mut self) -> Result<Progress, Failure> {
        if self.goal != Goal::Settings {
            self.resolved.application().map_err(Failure::new)?;
        }
        self.step = Step::Settled;
        Ok(Progress::Settled)
    }

    fn bind(&mut self, tries: u32, shared: Shared<'_>, now: Time) -> Result<Progress, Failure> {
        let settings = &self.resolved.settings;
        match listeners::open_all(settings, &self.existing) {
            Ok(listeners) => {
                self.listeners = listeners;
                self.load(shared)
            }
            Err(error) if error.is_in_use() && tries < BIND_TRIES => {
                crate::log::error!("{error}; trying again in {} s", BIND_PAUSE.as_secs());
                self.step = Step::Bind { tries: tries + 1, next: now + BIND_PAUSE };
                Ok(Progress::Pending)
            }
            Err(error) => Err(Failure::new(error)),
        }
    }

    fn load(&mut self, shared: Shared<'_>) -> Result<Progress, Failure> {
        let mut settings = self.resolved.settings.clone();
        if self.goal == Goal::Check {
            // Nothing is left behind by a check.
            (settings.errorlog, settings.accesslog, settings.capture_output) = (LogTarget::Standard, None, false);
        }
        let preload = settings.preload_app || self.goal == Goal::Check;
        let order = Order::Load(Box::new(Load { settings, preload, argv: self.argv.clone() }));
        let mut files = vec![shared.scoreboard, shared.ready, shared.alive];
        files.extend(self.listeners.iter().map(|listener| listener.as_fd()));
        self.tell(&order, &files)?;
        self.step = Step::AwaitLoaded;
        Ok(Progress::Pending)
    }

    fn finish(&mut self) -> Result<Progress, Failure> {
        self.step = Step::Done;
        let zygote = self.zygote.take().ok_or_else(|| Failure::new("the generation was finished twice"))?;
        let (resolved, listeners) = (self.resolved.clone(), std::mem::take(&mut self.listeners));
        Ok(Progress::Built(Box::new(Built { zygote, resolved, listeners, orders: ForkOrders::default() })))
    }

    fn tell(&self, order: &Order, files: &[BorrowedFd<'_>]) -> Result<(), Failure> {
        let told = self.zygote.as_ref().map(|zygote| zygote.tell(order, files));
        match told {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(Failure::new(format!("the zygote cannot be told what to do: {error}"))),
            None => Err(Failure::new("there is no zygote")),
        }
    }
}

fn check_version(version: &str, origin: &str) -> Result<(), Failure> {
    match version == VERSION {
        true => Ok(()),
        false => Err(Failure::new(format!(
            "{origin} is version {version}, but gunicorn-rs is version {VERSION}: install the same version of both"
        ))),
    }
}

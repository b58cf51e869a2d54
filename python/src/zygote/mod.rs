//! The zygote: obeys the master's orders, one after the other, and forks workers from what it has loaded.
//!
//! It runs no application code but what the config and `--preload` ask for, starts no thread, and touches no client. It
//! ends when its link ends.

mod load;

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use pyo3::prelude::*;

use crate::boot::{self, Seat};
use crate::glue::CONFIG;
use crate::{ffi, signals};
use gunicorn::log;
use gunicorn::master::protocol::{Answer, Order, PythonConfig, VERSION};
use gunicorn::sys::fork::{self, Forked};
use gunicorn::sys::link::{self, Link};
use gunicorn::sys::parent;
use gunicorn::sys::signals::KILL;
pub(crate) use load::{Loaded, load_app};

/// Most that a config may define, in bytes of JSON: it must fit into one message, written anew.
const CONFIG_BYTES: usize = link::MESSAGE_BYTES / 2;

/// Why an order could not be followed, in words for the operator.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit_code: i32,
    pub(crate) message: String,
}

/// What the loop does after an order.
enum Next {
    Listen,
    /// This is a worker now, for this slot, held back until a byte can be read.
    Work(u32, OwnedFd),
}

struct Zygote {
    link: Link,
    /// Its pid: not that of this process's parent where `python3` is a script that starts the interpreter (pyenv's is).
    master: i32,
    loaded: Option<Loaded>,
    /// How many workers it has been told to fork.
    forks: u32,
}

/// Serves the master until the link ends; gives the exit code of this process, which may have become a worker.
pub(crate) fn run(py: Python<'_>, link: i32, master: i32) -> i32 {
    match Zygote::start(py, link, master).and_then(|zygote| zygote.serve(py)) {
        Ok(code) => code,
        Err(error) => {
            log::error!("the zygote has lost the master: {error}");
            1
        }
    }
}

impl Zygote {
    fn start(py: Python<'_>, link: i32, master: i32) -> io::Result<Self> {
        parent::signal_on_parent_death(KILL)?;
        signals::disregard(py).map_err(|error| io::Error::other(error.to_string()))?;
        let zygote = Self { link: Link::inherited(link)?, master, loaded: None, forks: 0 };
        let origin = module_file(py).unwrap_or_else(|| "the package gunicorn_rs".to_owned());
        zygote.answer(&Answer::Hello { version: VERSION.to_owned(), origin })?;
        Ok(zygote)
    }

    fn serve(mut self, py: Python<'_>) -> io::Result<i32> {
        loop {
            let received = py.detach(|| self.link.receive());
            match received {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => drop(py.check_signals()),
                Err(error) => return Err(error),
                Ok(None) => return Ok(0),
                Ok(Some((message, files))) => {
                    let order = serde_json::from_slice(&message)?;
                    match self.follow(py, order, files) {
                        Ok(Next::Listen) => {}
                        Ok(Next::Work(slot, go)) => return Ok(self.work(py, slot, go)),
                        Err(failure) => return self.give_up(failure),
                    }
                }
            }
        }
    }

    fn follow(&mut self, py: Python<'_>, order: Order, files: Vec<OwnedFd>) -> Result<Next, Failure> {
        match order {
            Order::ReadConfig { config, chdir } => self.read_config(py, &config, &chdir)?,
            Order::Load(order) => {
                self.loaded = Some(load::load(py, *order, files)?);
                self.send(&Answer::Loaded)?;
            }
            Order::Fork { slot } => return self.fork(py, slot),
            Order::CloseListeners => self.loaded.iter_mut().for_each(Loaded::close_listeners),
            Order::ReopenLogs => load::reopen_logs(py, self.loaded.as_ref()),
        }
        Ok(Next::Listen)
    }

    fn read_config(&self, py: Python<'_>, config: &PythonConfig, chdir: &Path) -> Result<(), Failure> {
        let settings: HashSet<&str> = gunicorn::settings::all().map(|setting| setting.name).collect();
        let described = CONFIG.module(py).and_then(|module| {
            module.call_method1("enter", (chdir.as_os_str(),))?;
            let described = match config {
                PythonConfig::File(path) => module.call_method1("read_file", (path.as_os_str(), settings)),
                PythonConfig::Module(name) => module.call_method1("read_module", (name, settings)),
            }?;
            described.extract::<String>()
        });
        let values = described.map_err(|error| config_failure(config, &traceback(py, &error)))?;
        if values.len() > CONFIG_BYTES {
            return Err(config_failure(config, &too_much(values.len())));
        }
        let values = serde_json::from_str(&values).map_err(|error| Failure {
            exit_code: 1,
            message: format!("the config's values cannot be read: {error}"),
        })?;
        self.send(&Answer::Config { values })
    }

    /// Forks through the interpreter's own calls, so that the application's at-fork handlers run.
    fn fork(&mut self, py: Python<'_>, slot: u32) -> Result<Next, Failure> {
        self.forks += 1;
        ffi::before_fork(py);
        let forked = fork::fork_orphan();
        match forked {
            Ok((Forked::Orphan(go), _)) => {
                ffi::after_fork_in_child(py);
                Ok(Next::Work(slot, go))
            }
            Ok((Forked::Parent(pid), held)) => {
                ffi::after_fork_in_parent(py);
                self.send(&Answer::Forked { slot, pid })?;
                held.release();
                Ok(Next::Listen)
            }
            Err(errno) => {
                ffi::after_fork_in_parent(py);
                self.send(&Answer::ForkFailed { slot, errno }).map(|()| Next::Listen)
            }
        }
    }

    /// The rest of this process's life, as a worker.
    fn work(self, py: Python<'_>, slot: u32, go: OwnedFd) -> i32 {
        let Self { link, master, loaded, forks } = self;
        drop(link);
        match loaded {
            Some(loaded) if fork::await_release(go) => boot::run(py, loaded, Seat { slot, master, age: forks }),
            _ => 0,
        }
    }

    fn give_up(&self, failure: Failure) -> io::Result<i32> {
        let Failure { exit_code, mut message } = failure;
        // A traceback of a deep recursion can be longer than a message may be; its end says what happened.
        let longest = link::MESSAGE_BYTES / 8;
        if message.len() > longest {
            let mut cut = message.len() - longest;
            while !message.is_char_boundary(cut) {
                cut += 1;
            }
            message = format!("...{}", &message[cut..]);
        }
        self.answer(&Answer::Failed { exit_code, message })?;
        Ok(exit_code)
    }

    fn send(&self, answer: &Answer) -> Result<(), Failure> {
        self.answer(answer)
            .map_err(|error| Failure { exit_code: 1, message: format!("the master cannot be told: {error}") })
    }

    fn answer(&self, answer: &Answer) -> io::Result<()> {
        self.link.send(&serde_json::to_vec(answer)?, &[])
    }
}

fn config_failure(config: &PythonConfig, why: &str) -> Failure {
    let name = match config {
        PythonConfig::File(path) => path.display().to_string(),
        PythonConfig::Module(name) => format!("python:{name}"),
    };
    Failure { exit_code: 1, message: format!("Failed to read config file: {name}\n{why}") }
}

fn too_much(bytes: usize) -> String {
    format!(
        "It defines too much: {bytes} bytes of names and values, where {CONFIG_BYTES} are the most. \
         Names that start with an underscore do not count."
    )
}

/// The traceback as the interpreter prints it.
pub(crate) fn traceback(py: Python<'_>, error: &PyErr) -> String {
    let format = || -> PyResult<String> {
        let lines = py.import("traceback")?.call_method1("format_exception", (error.value(py),))?;
        "".into_pyobject(py)?.call_method1("join", (lines,))?.extract()
    };
    format().unwrap_or_else(|_| error.to_string())
}

fn module_file(py: Python<'_>) -> Option<String> {
    py.import("gunicorn_rs._core").ok()?.getattr("__file__").ok()?.extract().ok()
}

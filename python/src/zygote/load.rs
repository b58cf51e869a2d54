//! What a generation has in common: settings, listeners, and, with `--preload`, the application.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use pyo3::prelude::*;

use super::Failure;
use crate::glue::{APPS, SHARED};
use crate::wsgi::SERVER_SOFTWARE;
use crate::{foreign, green, logging, tornado};
use gunicorn::log;
use gunicorn::master::protocol::{self, Load};
use gunicorn::settings::{Bind, Settings, WorkerKind};
use gunicorn::sys::eventfd;
use gunicorn::sys::shm::Scoreboard;
use gunicorn::sys::{fd, title};

/// Everything that a worker inherits.
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    pub(crate) scoreboard: Scoreboard,
    /// Write end of the pipe on which a worker says that it is ready.
    pub(crate) ready: OwnedFd,
    /// Ends with the master.
    pub(crate) alive: OwnedFd,
    pub(crate) listeners: Vec<OwnedFd>,
    /// An eventfd with which the workers wake each other for connections. Even a pool of one can grow (TTIN).
    pub(crate) baton: OwnedFd,
    /// The application, when it was preloaded.
    pub(crate) app: Option<Py<PyAny>>,
    /// The class of another package that is the workers', and what they share of it.
    pub(crate) foreign: Option<Py<PyAny>>,
}

impl Loaded {
    pub(super) fn close_listeners(&mut self) {
        self.listeners.clear();
    }
}

pub(super) fn load(py: Python<'_>, order: Load, files: Vec<OwnedFd>) -> Result<Loaded, Failure> {
    let mut files = files.into_iter();
    let (Some(scoreboard), Some(ready), Some(alive)) = (files.next(), files.next(), files.next()) else {
        return Err(failure("the master's files did not arrive"));
    };
    let scoreboard = Scoreboard::map(scoreboard).map_err(|error| failure(&format!("no scoreboard: {error}")))?;
    open_logs(py, &order.settings)?;
    title::set(&format!("gunicorn: zygote [{}]", protocol::title(&order.settings)));
    prepare(py, &order).map_err(|error| failure(&super::traceback(py, &error)))?;
    let foreign = load_kind(py, &order.settings)?;
    let app = if order.preload { Some(load_app(py, &order.settings)?) } else { None };
    SHARED
        .module(py)
        .and_then(|module| module.call_method0("freeze"))
        .map_err(|error| failure(&super::traceback(py, &error)))?;
    let listeners: Vec<OwnedFd> = files.collect();
    close_inherited(&order.settings, &listeners);
    let baton = eventfd::create().map_err(|error| failure(&format!("no eventfd: {error}")))?;
    Ok(Loaded { settings: order.settings, scoreboard, ready, alive, listeners, baton, app, foreign })
}

/// What a kind needs of the user's packages; before the application, which some of them prepare the interpreter for.
fn load_kind(py: Python<'_>, settings: &Settings) -> Result<Option<Py<PyAny>>, Failure> {
    match settings.worker_kind(false) {
        WorkerKind::Foreign => foreign::load(py, settings).map(Some),
        WorkerKind::Tornado => tornado::load(py).map(|()| None),
        kind if kind.is_green() => green::prepare(py, kind).map(|()| None),
        _ => Ok(None),
    }
}

/// Closes what the master has inherited, and this process from it, to listen on (`fd://N`): a worker must be able to
/// close its listeners. A zygote that was started by a reload has not inherited it.
fn close_inherited(settings: &Settings, listeners: &[OwnedFd]) {
    for bind in &settings.bind {
        if let Bind::Fd(number) = bind
            && !listeners.iter().any(|listener| listener.as_raw_fd() == *number)
        {
            // An error means that the number is not open, or no longer since it was closed for an earlier listener.
            listeners.iter().for_each(|listener| drop(fd::close_other(*number, listener.as_fd())));
        }
    }
}

/// The logs are opened here, before privileges are dropped and before the application can be in the way.
fn open_logs(py: Python<'_>, settings: &Settings) -> Result<(), Failure> {
    log::open(settings).map_err(|error| failure(&error.to_string()))?;
    logging::install(py, settings.loglevel).map_err(|error| failure(&super::traceback(py, &error)))
}

pub(super) fn reopen_logs(py: Python<'_>, loaded: Option<&Loaded>) {
    log::reopen();
    if let Some(foreign) = loaded.and_then(|loaded| loaded.foreign.as_ref()) {
        foreign::reopen_logs(py, foreign);
    }
}

fn prepare(py: Python<'_>, order: &Load) -> PyResult<()> {
    let settings = &order.settings;
    let pythonpath: Vec<&OsStr> = settings.pythonpath.iter().map(|path| path.as_os_str()).collect();
    let arguments = (&order.argv, settings.chdir.as_os_str(), pythonpath, &settings.raw_env, SERVER_SOFTWARE);
    SHARED.module(py)?.call_method0("load")?;
    APPS.module(py)?.call_method1("prepare", arguments).map(drop)
}

/// Imports the application.
pub(crate) fn load_app(py: Python<'_>, settings: &Settings) -> Result<Py<PyAny>, Failure> {
    let name = settings.wsgi_app.as_deref().unwrap_or_default();
    let load = || APPS.module(py)?.call_method1("load", (name,));
    load().map(Bound::unbind).map_err(|error| explain(py, &error))
}

fn explain(py: Python<'_>, error: &PyErr) -> Failure {
    let explained = APPS.module(py).and_then(|module| module.call_method1("explain", (error.value(py),))?.extract());
    let (exit_code, message) = explained.unwrap_or_else(|_| (3, error.to_string()));
    Failure { exit_code, message }
}

fn failure(message: &str) -> Failure {
    Failure { exit_code: 1, message: message.to_owned() }
}

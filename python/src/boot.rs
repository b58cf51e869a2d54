//! From a fork to a worker that serves. The order of the steps is the point: what needs privileges comes before they
//! are dropped, what can fail comes before the worker calls itself ready.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use pyo3::prelude::*;

use crate::asgi::{self, Asgi};
use crate::glue::THREADS;
use crate::green;
use crate::zygote::{self, Loaded};
use crate::{foreign, serve, signals, tornado};
use gunicorn::log;
use gunicorn::master::protocol::{self, encode_ready};
use gunicorn::scoreboard::SlotCells;
use gunicorn::settings::{Settings, WorkerKind};
use gunicorn::sys::{self, clock, fd, parent, process, title, users};
use gunicorn::worker::control::Stop;

/// gunicorn's exit code of a worker that failed before it could serve.
const BOOT_FAILED: i32 = 3;

/// What the steps of the boot have made.
pub(crate) struct Worker {
    pub(crate) loaded: Loaded,
    pub(crate) app: Application,
    pub(crate) slot: u32,
    pub(crate) cells: &'static SlotCells,
    /// Becomes readable when a signal has arrived.
    pub(crate) wake: OwnedFd,
}

/// A worker's place in the pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seat {
    pub(crate) slot: u32,
    /// The master's pid.
    pub(crate) master: i32,
    /// Which worker of its zygote it is, from 1 on.
    pub(crate) age: u32,
}

/// The application, as its worker kind takes it.
pub(crate) enum Application {
    /// Called on threads.
    Wsgi(Py<PyAny>, WorkerKind),
    /// On an event loop, started up.
    Asgi(Asgi),
    /// By tornado.
    Tornado(Py<PyAny>),
}

/// Boots the worker of a slot and serves; gives the exit code.
pub(crate) fn run(py: Python<'_>, loaded: Loaded, seat: Seat) -> i32 {
    let served = match loaded.foreign {
        Some(_) => foreign::run(py, loaded, seat),
        None => boot(py, loaded, seat).map(|worker| serve::serve(py, worker)),
    };
    let is_told = signals::CONTROL.stopping() == Stop::Quick;
    // What ends anyhow is not to be ended by an exception.
    signals::CONTROL.stop(Stop::Quick);
    if let Err(error) = signals::disregard_for_good(py) {
        log::error!("{}", zygote::traceback(py, &error).trim_end());
    }
    match served {
        Ok(ended) => {
            log::info!("Worker exiting (pid: {})", process::pid());
            if ended.stuck > 0 {
                log::warning!("Worker (pid:{}) leaves {} requests unanswered", process::pid(), ended.stuck);
                leave_at_once(py, ended.code);
            }
            ended.code
        }
        // Told to end while it was booting: the interrupted import is no failure.
        Err(_) if is_told => 0,
        Err(failure) => {
            log::error!("{}", failure.message.trim_end());
            log::info!("Worker exiting (pid: {})", process::pid());
            failure.exit_code
        }
    }
}

/// The worker has its slot, and follows its master.
pub(crate) fn take_seat(loaded: &Loaded, seat: Seat) -> Result<&'static SlotCells, zygote::Failure> {
    let cells = loaded.scoreboard.slot(seat.slot).ok_or_else(|| failed("claim its slot", "no such slot"))?;
    let settings = &loaded.settings;
    cells.reset(settings.timeout.map(|timeout| clock::now() + timeout));
    title::set(&format!("gunicorn: worker [{}]", protocol::title(settings)));
    follow_master(settings.graceful_timeout, seat.master).map_err(|error| failed("follow the master", error))?;
    Ok(cells)
}

fn boot(py: Python<'_>, mut loaded: Loaded, seat: Seat) -> Result<Worker, zygote::Failure> {
    let cells = take_seat(&loaded, seat)?;
    let settings = loaded.settings.clone();
    let wake = listen_to_signals(py)?;
    log::info!("Booting worker with pid: {}", process::pid());
    // First, since the user to become may not be allowed to read the interpreter's library.
    prepare_interpreter(py)?;
    drop_privileges(&settings)?;
    let kind = settings.worker_kind(false);
    if kind.is_green() {
        green::renew(py, kind).map_err(|error| failed("make a hub", zygote::traceback(py, &error)))?;
    }
    // Again: the kernel has forgotten it if the user or group has changed.
    follow_master(settings.graceful_timeout, seat.master).map_err(|error| failed("follow the master", error))?;
    if settings.worker_kind(false) == WorkerKind::Tornado {
        tornado::make_loop(py).map_err(|error| failed("make its loop", zygote::traceback(py, &error)))?;
    }
    let app = match loaded.app.take() {
        Some(app) => app,
        None => zygote::load_app(py, &settings)?,
    };
    let app = prepare_application(py, app, &settings)?;
    cells.set_deadline(settings.timeout.map(|timeout| clock::now() + timeout));
    cells.set_ready();
    tell_ready(&loaded.ready, seat.slot).map_err(|error| failed("tell the master", error))?;
    Ok(Worker { loaded, app, slot: seat.slot, cells, wake })
}

/// How many threads the interpreter would wait for at its end.
pub(crate) fn busy_threads(py: Python<'_>) -> usize {
    let count = || THREADS.module(py)?.call_method0("busy")?.extract();
    count().unwrap_or_else(|error: PyErr| {
        log::error!("{}", zygote::traceback(py, &error).trim_end());
        0
    })
}

/// Ends the process though threads are still in the application, which an orderly end of the interpreter would wait for
/// or crash on. What the application has registered to run at the end runs.
fn leave_at_once(py: Python<'_>, code: i32) -> ! {
    let run = |module: &str, name: &str| py.import(module)?.call_method0(name).map(drop);
    let flush = |stream: &str| py.import("sys")?.getattr(stream)?.call_method0("flush").map(drop);
    for done in [run("atexit", "_run_exitfuncs"), flush("stdout"), flush("stderr")] {
        if let Err(error) = done {
            log::error!("{}", zygote::traceback(py, &error).trim_end());
        }
    }
    process::exit_at_once(code)
}

/// Chooses the kind where the user has not; an ASGI application starts up before its worker is ready.
fn prepare_application(py: Python<'_>, app: Py<PyAny>, settings: &Settings) -> Result<Application, zygote::Failure> {
    let raised = |error: PyErr| failed("prepare the application", zygote::traceback(py, &error));
    let is_async = settings.worker_class.is_none() && asgi::is_async(py, &app).map_err(raised)?;
    match settings.worker_kind(is_async) {
        WorkerKind::Asgi => {
            if let Some(class) = settings.stands_in_for() {
                log::info!("Using gunicorn-rs' own asgi worker in place of {class}");
            } else if is_async {
                log::info!("Using worker: asgi, since the application is an async callable");
            }
            asgi::set_up(py, app, settings).map(Application::Asgi).map_err(|error| zygote::Failure {
                exit_code: BOOT_FAILED,
                message: format!("The application cannot start up: {}", asgi::explain(py, &error)),
            })
        }
        WorkerKind::Tornado => Ok(Application::Tornado(app)),
        kind => Ok(Application::Wsgi(app, kind)),
    }
}

/// Not for longer than a request may take to finish does a worker live without its master.
pub(crate) fn follow_master(grace: Duration, master: i32) -> io::Result<()> {
    parent::outlive_parent_by(grace)?;
    if !parent::is_orphaned(master) {
        return Ok(());
    }
    // Nobody else will say so.
    parent::mourn_parent();
    Err(io::Error::new(io::ErrorKind::BrokenPipe, "the master has gone"))
}

fn listen_to_signals(py: Python<'_>) -> Result<OwnedFd, zygote::Failure> {
    let (wake, signalled) = fd::pipe(true).map_err(|error| failed("make a pipe", error))?;
    signals::install_for_worker(py, signalled)
        .map_err(|error| failed("install its signals", zygote::traceback(py, &error)))?;
    sys::signals::unblock().map_err(|error| failed("unblock its signals", error))?;
    // The interpreter's signal handler writes to it for as long as the process lives, which it must always be able to.
    std::mem::forget(fd::duplicate(wake.as_raw_fd()).map_err(|error| failed("keep a pipe", error))?);
    Ok(wake)
}

/// Until a class of another package installs its own signals.
pub(crate) fn listen_for_class(py: Python<'_>) -> Result<(), zygote::Failure> {
    signals::install_until_class(py).map_err(|error| failed("install its signals", zygote::traceback(py, &error)))?;
    sys::signals::unblock().map_err(|error| failed("unblock its signals", error))
}

fn drop_privileges(settings: &Settings) -> Result<(), zygote::Failure> {
    process::set_umask(settings.umask);
    users::become_user(settings.user, settings.group).map_err(|error| failed("become its user and group", error))
}

/// Random numbers of its own, and a dump of all threads' stacks into the error log when it is aborted or crashes.
pub(crate) fn prepare_interpreter(py: Python<'_>) -> Result<(), zygote::Failure> {
    let prepare = || -> PyResult<()> {
        py.import("random")?.call_method0("seed")?;
        let options = pyo3::types::PyDict::new(py);
        options.set_item("file", log::error::fd())?;
        options.set_item("all_threads", true)?;
        py.import("faulthandler")?.call_method("enable", (), Some(&options)).map(drop)
    };
    prepare().map_err(|error| failed("prepare the interpreter", zygote::traceback(py, &error)))
}

/// The worker of the slot serves.
pub(crate) fn tell_ready(ready: &OwnedFd, slot: u32) -> io::Result<()> {
    let pid = u32::try_from(process::pid()).unwrap_or_default();
    fd::write(ready, &encode_ready(slot, pid)).map(drop)
}

pub(crate) fn failed(step: &str, why: impl std::fmt::Display) -> zygote::Failure {
    zygote::Failure { exit_code: BOOT_FAILED, message: format!("Worker could not {step}: {why}") }
}

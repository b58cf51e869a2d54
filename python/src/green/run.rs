//! What is done for the green kinds: in the zygote, when a worker boots, and while it serves.

use std::time::Duration;

use gunicorn::log;
use gunicorn::reactor::Reactor;
use gunicorn::settings::WorkerKind;
use gunicorn::worker::{BROKEN, WorkerContext};
use pyo3::prelude::*;

use super::engine::Engine;
use crate::ffi;
use crate::glue::GREEN;
use crate::guest::{Guest, Host};
use crate::wsgi::{WsgiApp, WsgiConfig};
use crate::zygote::{self, Failure};

/// What requests that do not end leave of `graceful_timeout` to the end of their greenlets.
const RESERVE: Duration = Duration::from_secs(1);

/// In the zygote, before the application: loads the library, and has it patch the standard library.
///
/// # Errors
/// The library is not installed, or cannot be loaded.
pub(crate) fn prepare(py: Python<'_>, kind: WorkerKind) -> Result<(), Failure> {
    let prepare = || GREEN.module(py)?.call_method1("prepare", (kind.name(),))?.extract::<Option<String>>();
    let complaint = prepare().unwrap_or_else(|error| Some(zygote::traceback(py, &error)));
    complaint.map_or(Ok(()), |message| Err(Failure { exit_code: 1, message }))
}

/// In a worker that has been forked, before the application: gives it a hub of its own.
///
/// # Errors
/// Those of the library.
pub(crate) fn renew(py: Python<'_>, kind: WorkerKind) -> PyResult<()> {
    GREEN.module(py)?.call_method1("renew", (kind.name(),)).map(drop)
}

/// Serves until the worker is told to end; gives the exit code.
pub(crate) fn run(
    py: Python<'_>,
    app: Py<PyAny>,
    kind: WorkerKind,
    config: &WsgiConfig,
    reactor: Reactor,
    context: WorkerContext<'static>,
    write_timeout: Duration,
) -> i32 {
    ffi::keep_frames(py);
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&reactor);
    let guest = Guest::new(reactor, context, RESERVE);
    match try_run(py, app, kind, config, guest, descriptor, write_timeout) {
        Ok(code) => code,
        Err(error) if error.is_instance_of::<pyo3::exceptions::PySystemExit>(py) => 0,
        Err(error) => {
            log::critical!("Worker {}", zygote::traceback(py, &error).trim_end());
            BROKEN
        }
    }
}

fn try_run(
    py: Python<'_>,
    app: Py<PyAny>,
    kind: WorkerKind,
    config: &WsgiConfig,
    guest: Guest,
    descriptor: i32,
    write_timeout: Duration,
) -> PyResult<i32> {
    let runner = GREEN.module(py)?.call_method1("Runner", (kind.name(), app.clone_ref(py)))?;
    let app = WsgiApp::new(py, app, config, Some(runner.clone().unbind()))?;
    let engine = Bound::new(py, Engine::new(guest, app, write_timeout))?;
    runner.setattr("engine", &engine)?;
    Engine::join(&engine, &runner.getattr("hub")?, &runner)?;
    let served = runner.call_method1("serve", (descriptor,));
    engine.get().guest().finish();
    served.map(|_| engine.get().guest().exit_code())
}

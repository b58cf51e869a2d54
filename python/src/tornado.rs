//! The tornado kind: an application on tornado's own HTTP server and loop (`_tornado.py`), over the listeners that the
//! worker has inherited. Tornado reads, parses and writes; what makes it a worker of ours is its [`Member`].

use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::time::Duration;

use gunicorn::log;
use gunicorn::settings::Settings;
use gunicorn::worker::BROKEN;
use gunicorn::worker::control::Stop;
use pyo3::exceptions::{PyModuleNotFoundError, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::boot::Worker;
use crate::glue::TORNADO;
use crate::member::Member;
use crate::serve;
use crate::signals::CONTROL;
use crate::zygote::{self, Failure};

/// What requests that do not end leave of `graceful_timeout` to their own last steps, or a quarter of it if that is
/// less.
const LAST_STEPS: Duration = Duration::from_secs(1);

/// The exit codes by which a worker says that it, or its application, could not boot.
const BOOT_CODES: [i32; 2] = [3, 4];

/// Imports tornado, for all workers of a zygote.
///
/// # Errors
/// It is not installed, or broken.
pub(crate) fn load(py: Python<'_>) -> Result<(), Failure> {
    let failure = |message| Failure { exit_code: 1, message };
    TORNADO.module(py).map(drop).map_err(|error| match is_missing(py, &error) {
        true => failure(missing(py)),
        false => failure(format!("tornado cannot be used\n{}", zygote::traceback(py, &error))),
    })
}

fn is_missing(py: Python<'_>, error: &PyErr) -> bool {
    let name = || error.value(py).getattr("name")?.extract::<String>();
    error.is_instance_of::<PyModuleNotFoundError>(py) && name().is_ok_and(|name| name == "tornado")
}

fn missing(py: Python<'_>) -> String {
    let executable = || py.import("sys")?.getattr("executable")?.extract::<String>();
    let python = executable().unwrap_or_else(|_| "python3".to_owned());
    format!("worker_class tornado needs the package tornado, which is not installed: {python} -m pip install tornado")
}

/// Makes the loop of this process; an application that is imported after it may use it.
///
/// # Errors
/// Those of asyncio.
pub(crate) fn make_loop(py: Python<'_>) -> PyResult<()> {
    TORNADO.module(py)?.call_method0("make_loop").map(drop)
}

/// Serves until the worker is told to end; gives the exit code.
pub(crate) fn serve(py: Python<'_>, worker: Worker, app: &Py<PyAny>) -> i32 {
    match try_serve(py, worker, app) {
        Ok(code) => code,
        Err(error) => {
            log::critical!("Worker {}", zygote::traceback(py, &error).trim_end());
            BROKEN
        }
    }
}

fn try_serve(py: Python<'_>, worker: Worker, app: &Py<PyAny>) -> PyResult<i32> {
    let Worker { loaded, slot, cells, wake, .. } = worker;
    let settings = loaded.settings;
    let mut context = serve::context(&settings, settings.timeout, cells, loaded.ready, slot);
    context.graceful_timeout -= LAST_STEPS.min(context.graceful_timeout / 4);
    let member = Bound::new(py, Member::new(&context))?;
    let descriptors: Vec<RawFd> = loaded.listeners.into_iter().map(IntoRawFd::into_raw_fd).collect();
    let arguments = (app, &member, descriptors, wake.as_raw_fd(), loaded.alive.as_raw_fd(), options(py, &settings)?);
    let served = TORNADO.module(py)?.call_method1("serve", arguments);
    // By a signal, whose exception it is then.
    let is_told = CONTROL.stopping() == Stop::Quick;
    member.get().finish();
    match served {
        Err(error) if error.is_instance_of::<PySystemExit>(py) => Ok(if is_told { 0 } else { exit(py, &error) }),
        served => served?.extract(),
    }
}

/// The exit code that the application has asked for, where a master would not misread it.
fn exit(py: Python<'_>, error: &PyErr) -> i32 {
    log::error!("Worker {}", zygote::traceback(py, error).trim_end());
    let asked = error.value(py).getattr("code");
    let code = asked.and_then(|code| if code.is_none() { Ok(0) } else { code.extract::<i32>() }).unwrap_or(1) & 0xff;
    if BOOT_CODES.contains(&code) { BROKEN } else { code }
}

/// What tornado's server is told: nothing but how long it may keep connections, and only where the user has said so.
fn options<'py>(py: Python<'py>, settings: &Settings) -> PyResult<Bound<'py, PyDict>> {
    let options = PyDict::new(py);
    match settings.keepalive {
        Some(Duration::ZERO) => options.set_item("no_keep_alive", true)?,
        Some(time) => options.set_item("idle_connection_timeout", time.as_secs())?,
        None => {}
    }
    Ok(options)
}

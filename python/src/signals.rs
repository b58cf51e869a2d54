//! Signals in the interpreter's processes.
//!
//! They are installed through Python's own `signal` module, as gunicorn does: an application that sets its
//! own handlers replaces ours, and what the interpreter expects of its signals stays true.

use std::os::fd::RawFd;

use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;

use gunicorn::worker::control::{Control, Stop};

/// What this worker has been told.
pub(crate) static CONTROL: Control = Control::new();

/// What a terminal or an operator sends to a whole process group, and what the master alone acts on.
const DISREGARDED: [&str; 8] = ["SIGINT", "SIGQUIT", "SIGHUP", "SIGTTIN", "SIGTTOU", "SIGUSR1", "SIGUSR2", "SIGWINCH"];

#[pyfunction]
fn do_nothing(_signal: i32, _frame: &Bound<'_, PyAny>) {}

#[pyfunction]
fn stop_gracefully(_signal: i32, _frame: &Bound<'_, PyAny>) {
    CONTROL.stop(Stop::Graceful);
}

#[pyfunction]
fn stop_quickly(_signal: i32, _frame: &Bound<'_, PyAny>) -> PyResult<()> {
    CONTROL.stop(Stop::Quick);
    Err(PySystemExit::new_err(0))
}

#[pyfunction]
fn reopen_logs(_signal: i32, _frame: &Bound<'_, PyAny>) {
    CONTROL.reopen_logs();
}

/// Makes this process deaf to what the master acts on. A handler that does nothing, unlike `SIG_IGN`, is
/// not inherited by programs that the config or the application runs.
pub(crate) fn disregard(py: Python<'_>) -> PyResult<()> {
    let module = py.import("signal")?;
    let nothing = wrap_pyfunction!(do_nothing, py)?;
    DISREGARDED.iter().try_for_each(|name| install(&module, name, nothing.as_any()))
}

/// The signals of a worker; each also writes a byte to `wake`, which ends a wait.
pub(crate) fn install_for_worker(py: Python<'_>, wake: RawFd) -> PyResult<()> {
    let module = py.import("signal")?;
    let default = module.getattr("SIG_DFL")?;
    for name in ["SIGHUP", "SIGTTIN", "SIGTTOU"] {
        install(&module, name, &default)?;
    }
    install(&module, "SIGTERM", wrap_pyfunction!(stop_gracefully, py)?.as_any())?;
    install(&module, "SIGINT", wrap_pyfunction!(stop_quickly, py)?.as_any())?;
    install(&module, "SIGQUIT", wrap_pyfunction!(stop_quickly, py)?.as_any())?;
    install(&module, "SIGUSR1", wrap_pyfunction!(reopen_logs, py)?.as_any())?;
    // These two must not make a system call of the application fail.
    for name in ["SIGTERM", "SIGUSR1"] {
        module.call_method1("siginterrupt", (module.getattr(name)?, false))?;
    }
    let options = pyo3::types::PyDict::new(py);
    options.set_item("warn_on_full_buffer", false)?;
    module.call_method("set_wakeup_fd", (wake,), Some(&options)).map(drop)
}

fn install(module: &Bound<'_, PyModule>, name: &str, handler: &Bound<'_, PyAny>) -> PyResult<()> {
    module.call_method1("signal", (module.getattr(name)?, handler)).map(drop)
}

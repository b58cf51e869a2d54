//! Signals in the interpreter's processes.
//!
//! They are installed through Python's own `signal` module, as gunicorn does: an application that sets its
//! own handlers replaces ours, and what the interpreter expects of its signals stays true.

use std::os::fd::RawFd;

use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;

use gunicorn::sys::signals::{self, GROUP, INT, QUIT, TERM, USR1};
use gunicorn::worker::control::{Control, Stop};

/// What this worker has been told.
pub(crate) static CONTROL: Control = Control::new();

#[pyfunction]
fn do_nothing(_signal: i32, _frame: &Bound<'_, PyAny>) {}

#[pyfunction]
fn stop_gracefully(_signal: i32, _frame: &Bound<'_, PyAny>) {
    CONTROL.stop(Stop::Graceful);
}

#[pyfunction]
fn stop_quickly(_signal: i32, _frame: &Bound<'_, PyAny>) -> PyResult<()> {
    // Once is enough, and INT to the process group is often followed by the master's QUIT: a second exception would
    // hit the interpreter while it ends.
    match CONTROL.stop(Stop::Quick) {
        true => Err(PySystemExit::new_err(0)),
        false => Ok(()),
    }
}

#[pyfunction]
fn reopen_logs(_signal: i32, _frame: &Bound<'_, PyAny>) {
    CONTROL.reopen_logs();
}

/// Makes this process deaf to what the master acts on. A handler that does nothing, unlike `SIG_IGN`, is
/// not inherited by programs that the config or the application runs. The zygote was started with these signals
/// blocked, so that none comes before this.
pub(crate) fn disregard(py: Python<'_>) -> PyResult<()> {
    let module = py.import("signal")?;
    let nothing = wrap_pyfunction!(do_nothing, py)?;
    GROUP.iter().try_for_each(|number| install(&module, *number, nothing.as_any()))?;
    Ok(signals::unblock()?)
}

/// The signals of a worker; each also writes a byte to `wake`, which ends a wait. It stays deaf to the rest, as the
/// zygote was.
pub(crate) fn install_for_worker(py: Python<'_>, wake: RawFd) -> PyResult<()> {
    let module = py.import("signal")?;
    install(&module, TERM, wrap_pyfunction!(stop_gracefully, py)?.as_any())?;
    install(&module, INT, wrap_pyfunction!(stop_quickly, py)?.as_any())?;
    install(&module, QUIT, wrap_pyfunction!(stop_quickly, py)?.as_any())?;
    install(&module, USR1, wrap_pyfunction!(reopen_logs, py)?.as_any())?;
    // These two must not make a system call of the application fail.
    for number in [TERM, USR1] {
        module.call_method1("siginterrupt", (number, false))?;
    }
    let options = pyo3::types::PyDict::new(py);
    options.set_item("warn_on_full_buffer", false)?;
    module.call_method("set_wakeup_fd", (wake,), Some(&options)).map(drop)
}

fn install(module: &Bound<'_, PyModule>, number: i32, handler: &Bound<'_, PyAny>) -> PyResult<()> {
    module.call_method1("signal", (number, handler)).map(drop)
}

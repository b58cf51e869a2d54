//! Signals in the interpreter's processes.
//!
//! They are installed through Python's own `signal` module, as gunicorn does: an application that sets its
//! own handlers replaces ours, and what the interpreter expects of its signals stays true.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;

use gunicorn::log;
use gunicorn::sys::fd;
use gunicorn::sys::signals::{self, GROUP, HUP, INT, QUIT, TERM, TTIN, TTOU, USR1, USR2, WINCH};
use gunicorn::worker::control::{Control, Stop};

/// What this worker has been told.
pub(crate) static CONTROL: Control = Control::new();

/// The end of a pipe, written to when a signal has arrived. Kept as long as the process lives: the interpreter's signal
/// handler writes to it too.
static WAKE: OnceLock<OwnedFd> = OnceLock::new();

/// Whether INT or QUIT has come.
static HURRIES: AtomicBool = AtomicBool::new(false);

/// Whether an operator has asked for a quick end. A worker that has ended by itself tells itself to stop, too.
pub(crate) fn is_hurried() -> bool {
    HURRIES.load(Ordering::Relaxed)
}

/// Ends the wait of whoever watches the pipe. The interpreter's own handler has done so, unless an event loop has put
/// its own descriptor in the place of ours: uvloop does for as long as it runs, asyncio once a signal is added to it.
fn wake() {
    if let Some(pipe) = WAKE.get() {
        // A pipe that is full will end the wait as well.
        let _ = fd::write(pipe, b"\0");
    }
}

#[pyfunction]
fn do_nothing(_signal: i32, _frame: &Bound<'_, PyAny>) {}

#[pyfunction]
fn stop_gracefully(_signal: i32, _frame: &Bound<'_, PyAny>) {
    CONTROL.stop(Stop::Graceful);
    wake();
}

#[pyfunction]
fn stop_quickly(_signal: i32, _frame: &Bound<'_, PyAny>) -> PyResult<()> {
    // Once is enough, and INT to the process group is often followed by the master's QUIT: a second exception would
    // hit the interpreter while it ends.
    let is_news = CONTROL.stop(Stop::Quick);
    HURRIES.store(true, Ordering::Relaxed);
    wake();
    match is_news {
        true => Err(PySystemExit::new_err(0)),
        false => Ok(()),
    }
}

#[pyfunction]
fn reopen_logs(_signal: i32, _frame: &Bound<'_, PyAny>) {
    CONTROL.reopen_logs();
    wake();
}

#[pyfunction]
fn reopen_logs_now(_signal: i32, _frame: &Bound<'_, PyAny>) {
    log::reopen();
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
pub(crate) fn install_for_worker(py: Python<'_>, wake: OwnedFd) -> PyResult<()> {
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
    module.call_method("set_wakeup_fd", (WAKE.get_or_init(|| wake).as_raw_fd(),), Some(&options)).map(drop)
}

/// The signals of a worker that has no client yet and whose class will install its own: until then it has nothing to
/// finish, and each order to end is one to end at once.
pub(crate) fn install_until_class(py: Python<'_>) -> PyResult<()> {
    let module = py.import("signal")?;
    let quickly = wrap_pyfunction!(stop_quickly, py)?;
    [TERM, INT, QUIT].iter().try_for_each(|number| install(&module, *number, quickly.as_any()))?;
    install(&module, USR1, wrap_pyfunction!(reopen_logs_now, py)?.as_any())
}

/// Makes a process that ends deaf to what an operator sends to all workers, a rotation of the logs for one: event loops
/// and the interpreter put the signals that they handle back to killing the process when they end. Those that are
/// ignored they leave alone.
pub(crate) fn disregard_for_good(py: Python<'_>) -> PyResult<()> {
    let module = py.import("signal")?;
    let ignored = module.getattr("SIG_IGN")?;
    [HUP, TTIN, TTOU, USR1, USR2, WINCH].iter().try_for_each(|number| install(&module, *number, &ignored))
}

fn install(module: &Bound<'_, PyModule>, number: i32, handler: &Bound<'_, PyAny>) -> PyResult<()> {
    module.call_method1("signal", (number, handler)).map(drop)
}

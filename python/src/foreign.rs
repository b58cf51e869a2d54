//! Worker classes that were written for gunicorn: they run as they are, with the user's gunicorn package, in a process
//! that we fork, watch and replace.
//!
//! # Theory of operation
//!
//! The zygote loads what all its workers share (`_foreign.py`): gunicorn's `Config`, made of our settings and of what
//! else the Python config defines, the log that it names, and the class. What is wrong with any of them is told before
//! a worker is forked. A worker makes an instance and calls its `init_process`, as gunicorn's arbiter does, and the
//! class does all the rest: privileges, signals, sockets, requests.
//!
//! What the master wants to know it learns by what such classes do. Their heartbeat, `notify`, renews the slot's
//! deadline, and the first one after the class has booted says that the worker is ready. Who counts its requests
//! in `nr` has a successor before it leaves: [`Member`] counts down `max_requests` by it. Who counts in another
//! way ends by itself with exit code 0, and is replaced then.

use std::os::fd::{IntoRawFd, OwnedFd, RawFd};
use std::time::Duration;

use gunicorn::log;
use gunicorn::scoreboard::SlotCells;
use gunicorn::settings::{self, Settings};
use gunicorn::sys::{parent, process, users};
use gunicorn::worker::gthread::Ended;
use pyo3::prelude::*;

use crate::boot::{self, Seat};
use crate::glue::{APPS, CONFIG, FOREIGN};
use crate::member::Member;
use crate::serve;
use crate::zygote::{self, Failure, Loaded};

/// Loads the class, and what its instances share.
///
/// # Errors
/// There is no such class, no gunicorn, or a value that gunicorn does not take.
pub(crate) fn load(py: Python<'_>, settings: &Settings) -> Result<Py<PyAny>, Failure> {
    let load = || {
        let values = serde_json::to_string(&settings::changed(settings)).unwrap_or_default();
        let namespace = CONFIG.module(py)?.getattr("namespace")?;
        let known: Vec<&str> = settings::all().map(|setting| setting.name).collect();
        let arguments = (settings.foreign_class(), values, namespace, known, settings.threads);
        FOREIGN.module(py)?.call_method1("load", arguments)
    };
    load().map(Bound::unbind).map_err(|error| Failure { exit_code: 1, message: explain(py, &error) })
}

fn explain(py: Python<'_>, error: &PyErr) -> String {
    let explain = || FOREIGN.module(py)?.call_method1("explain", (error.value(py),))?.extract();
    explain().unwrap_or_else(|_: PyErr| zygote::traceback(py, error))
}

/// Opens the files of the log that the class has.
pub(crate) fn reopen_logs(py: Python<'_>, foreign: &Py<PyAny>) {
    if let Err(error) = foreign.call_method0(py, "reopen_logs") {
        log::error!("{}", zygote::traceback(py, &error).trim_end());
    }
}

/// Boots the worker and runs the class in it.
///
/// # Errors
/// It fails before the class runs.
pub(crate) fn run(py: Python<'_>, loaded: Loaded, seat: Seat) -> Result<Ended, Failure> {
    let cells = boot::take_seat(&loaded, seat)?;
    boot::listen_for_class(py)?;
    log::info!("Booting worker with pid: {}", process::pid());
    boot::prepare_interpreter(py)?;
    process::set_umask(loaded.settings.umask);
    // The class becomes its user and group, but does not think of these.
    users::give_up_groups(loaded.settings.user, loaded.settings.group)
        .map_err(|error| boot::failed("give up its groups", error))?;
    // It looks at its parent once in half a timeout, or not at all.
    parent::terminate_with_parent();
    let ended = work(py, loaded, seat, cells);
    let (code, is_quick) = ended.map_err(|error| boot::failed("run its class", zygote::traceback(py, &error)))?;
    Ok(Ended { code, stuck: if is_quick { boot::busy_threads(py) } else { 0 } })
}

/// Gives the exit code, and whether threads are not to be waited for.
fn work(py: Python<'_>, loaded: Loaded, seat: Seat, cells: &'static SlotCells) -> PyResult<(i32, bool)> {
    let Loaded { settings, ready, listeners, app, foreign, .. } = loaded;
    let master = Master { ready: ready.try_clone()?, seat, cells, grace: settings.graceful_timeout };
    let member = Bound::new(py, Member::new(&serve::context(&settings, settings.timeout, cells, ready, seat.slot)))?;
    let descriptors: Vec<RawFd> = listeners.into_iter().map(IntoRawFd::into_raw_fd).collect();
    let application = (APPS.module(py)?, settings.wsgi_app.as_deref().unwrap_or_default(), app);
    let arguments = (foreign, &member, Bound::new(py, master)?, descriptors, seat.age, application);
    FOREIGN.module(py)?.call_method1("work", arguments)?.extract()
}

/// The master, as far as a worker has to do with it.
#[pyclass(frozen, module = "gunicorn_rs")]
struct Master {
    ready: OwnedFd,
    seat: Seat,
    cells: &'static SlotCells,
    grace: Duration,
}

#[pymethods]
impl Master {
    /// Has the worker follow its master, which the kernel forgets when the class changes its user.
    fn follow(&self) -> PyResult<()> {
        Ok(boot::follow_master(self.grace, self.seat.master)?)
    }

    /// The worker serves.
    fn hear_ready(&self) -> PyResult<()> {
        self.follow()?;
        self.cells.set_ready();
        Ok(boot::tell_ready(&self.ready, self.seat.slot)?)
    }
}

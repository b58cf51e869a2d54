//! What the application awaits: the awaitable that is ready, and the futures of those who wait.
//!
//! One that is ready gives its value, and `await` goes on.
//!
//! So a task whose client is always ready would never let the loop's others have their turn. Every so often one of its
//! awaitables yields to them first.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use pyo3::intern;
use pyo3::prelude::*;

use super::cycle::gone;

/// How many of one task are ready in a row before it yields.
const ROW: u32 = 16;

/// Counts them.
#[derive(Debug, Default)]
pub(super) struct Row(u32);

impl Row {
    /// Counts one; whether it is to yield.
    pub(super) fn is_over(&mut self) -> bool {
        self.0 = (self.0 + 1) % ROW;
        self.0 == 0
    }
}

/// The Python object. Its value is `None`.
#[pyclass(frozen, name = "Ready", module = "gunicorn_rs")]
pub(super) struct Ready {
    /// The loop's others have their turn first.
    yields: AtomicBool,
}

impl Ready {
    /// One that can be awaited any number of times.
    pub(super) fn nothing() -> Self {
        Self { yields: AtomicBool::new(false) }
    }

    /// One that yields.
    pub(super) fn later() -> Self {
        Self { yields: AtomicBool::new(true) }
    }
}

#[pymethods]
impl Ready {
    fn __await__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    /// The end of the iteration is the value (PEP 380). A bare `None` before it lets the loop go on with others.
    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        if self.yields.load(Relaxed) {
            self.yields.store(false, Relaxed);
            return Ok(Some(py.None()));
        }
        Ok(None)
    }
}

/// Has those go on who wait by these futures, unless they were cancelled.
pub(super) fn wake(py: Python<'_>, futures: &[Py<PyAny>]) -> PyResult<()> {
    for future in futures {
        if !is_done(future.bind(py))? {
            future.bind(py).call_method1(intern!(py, "set_result"), (py.None(),))?;
        }
    }
    Ok(())
}

/// Tells those who wait by these futures that the client has gone.
pub(super) fn fail_all(py: Python<'_>, futures: &[Py<PyAny>]) -> PyResult<()> {
    for future in futures {
        if !is_done(future.bind(py))? {
            future.bind(py).call_method1(intern!(py, "set_exception"), (gone().into_value(py),))?;
        }
    }
    Ok(())
}

/// Whether a future has its result, or its task has been cancelled.
pub(super) fn is_done(future: &Bound<'_, PyAny>) -> PyResult<bool> {
    future.call_method0(intern!(future.py(), "done"))?.is_truthy()
}

/// Those of the futures that somebody still waits by.
pub(super) fn still_waiting(py: Python<'_>, futures: Vec<Py<PyAny>>) -> PyResult<Vec<Py<PyAny>>> {
    let mut waiting = Vec::new();
    for future in futures {
        if !is_done(future.bind(py))? {
            waiting.push(future);
        }
    }
    Ok(waiting)
}

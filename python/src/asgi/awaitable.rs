//! What `send` gives to await: nearly always what is ready, and `await` goes on. And the futures of those who wait.
//!
//! It is a coroutine to whoever asks (`collections.abc.Coroutine`), so that `create_task(send(...))`, `gather` and
//! their like work as with other servers; and so an error is raised where it is awaited.
//!
//! So a task whose client is always ready would never let the loop's others have their turn. Every so often one of its
//! awaitables yields to them first.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use pyo3::exceptions::PyStopIteration;
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

/// What it does when it is awaited.
enum Outcome {
    Now,
    /// The loop's others have their turn first, if they have not had it.
    Later(AtomicBool),
    /// Waits for the future.
    Waits(Py<PyAny>),
    Raises(PyErr),
}

/// The Python object. Its value is `None`.
#[pyclass(frozen, name = "Sending", module = "gunicorn_rs")]
pub(super) struct Sending(Outcome);

impl Sending {
    /// One that is ready, and can be awaited any number of times.
    pub(super) fn nothing() -> Self {
        Self(Outcome::Now)
    }

    /// One that yields.
    pub(super) fn later() -> Self {
        Self(Outcome::Later(AtomicBool::new(true)))
    }

    /// One that is ready when the future is.
    pub(super) fn waits(future: Py<PyAny>) -> Self {
        Self(Outcome::Waits(future))
    }

    /// What was made of a message: an error is raised when it is awaited.
    pub(super) fn of(py: Python<'_>, made: PyResult<Py<PyAny>>) -> PyResult<Py<PyAny>> {
        made.or_else(|error| Ok(Py::new(py, Self(Outcome::Raises(error)))?.into_any()))
    }
}

/// Has the task that steps a coroutine wait for this future, once it is given to it.
///
/// # Errors
/// It is none of asyncio's.
pub(super) fn block_on(future: &Bound<'_, PyAny>) -> PyResult<()> {
    // As the future's own `__await__` does: it tells the task that this is no bare yield.
    future.setattr(intern!(future.py(), "_asyncio_future_blocking"), true)
}

/// What `throw` of a coroutine raises.
pub(super) fn thrown(kind: &Bound<'_, PyAny>, value: Option<&Bound<'_, PyAny>>) -> PyErr {
    PyErr::from_value(value.unwrap_or(kind).clone())
}

#[pymethods]
impl Sending {
    fn __await__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    /// The end of the iteration is the value (PEP 380). A bare `None` before it lets the loop go on with others.
    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        match &self.0 {
            Outcome::Now => Ok(None),
            Outcome::Later(yields) => Ok(yields.swap(false, Relaxed).then(|| py.None())),
            Outcome::Waits(future) if is_done(future.bind(py))? => {
                future.call_method0(py, intern!(py, "result")).map(|_| None)
            }
            Outcome::Waits(future) => {
                block_on(future.bind(py))?;
                Ok(Some(future.clone_ref(py)))
            }
            Outcome::Raises(error) => Err(error.clone_ref(py)),
        }
    }

    fn send(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let _ = value;
        self.__next__(py)?.ok_or_else(|| PyStopIteration::new_err(()))
    }

    #[expect(clippy::unused_self, reason = "a coroutine's method")]
    #[pyo3(signature = (kind, value = None, traceback = None))]
    fn throw(
        &self,
        kind: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let _ = traceback;
        Err(thrown(kind, value))
    }

    #[expect(clippy::unused_self, reason = "a coroutine's method")]
    fn close(&self) {}
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

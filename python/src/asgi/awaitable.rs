//! An awaitable that is ready: `await` takes its value and goes on.

use pyo3::exceptions::PyStopIteration;
use pyo3::prelude::*;

/// The Python object. Its value is taken once.
#[pyclass(frozen, name = "Ready", module = "gunicorn_rs")]
pub(super) struct Ready {
    value: Option<Py<PyAny>>,
}

impl Ready {
    /// One whose value is `None`; it can be awaited any number of times.
    pub(super) fn nothing() -> Self {
        Self { value: None }
    }

    /// One with a value.
    pub(super) fn with(value: Py<PyAny>) -> Self {
        Self { value: Some(value) }
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

    /// The end of the iteration carries the value (PEP 380).
    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        match &self.value {
            None => Ok(None),
            Some(value) => Err(PyStopIteration::new_err((value.clone_ref(py),))),
        }
    }
}

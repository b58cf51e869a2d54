//! `wsgi.errors`: text for the operator.

use pyo3::prelude::*;

/// Writes to what `sys.stderr` is at the time, and at once.
#[derive(Debug)]
#[pyclass(frozen, name = "ErrorStream", module = "gunicorn_rs")]
pub(super) struct ErrorStream;

#[pymethods]
impl ErrorStream {
    fn write(&self, text: &Bound<'_, PyAny>) -> PyResult<()> {
        let stderr = text.py().import("sys")?.getattr("stderr")?;
        stderr.call_method1("write", (text,))?;
        stderr.call_method0("flush")?;
        Ok(())
    }

    fn writelines(&self, lines: &Bound<'_, PyAny>) -> PyResult<()> {
        lines.try_iter()?.try_for_each(|line| self.write(&line?))
    }

    /// Does nothing: nothing is held back.
    fn flush(&self) {}
}

//! `wsgi.errors`: text for the operator.
//!
//! It goes where the error log goes. When that is standard error, it is `sys.stderr` that is written to, which the
//! application may have replaced; when it is a file, text is held until its line is complete, so that lines of
//! several processes do not mix. A line that is not complete when its request ends, or is too long, is ended for it.

use std::sync::{Mutex, PoisonError};

use gunicorn::log;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// Longest text that waits for the end of its line, in bytes.
const LONGEST: usize = 8 * 1024;

/// The Python object.
#[derive(Debug)]
#[pyclass(frozen, name = "ErrorStream", module = "gunicorn_rs")]
pub(super) struct ErrorStream {
    /// Whether the error log is a file.
    is_file: bool,
    /// A line that has only begun.
    begun: Mutex<String>,
}

impl ErrorStream {
    /// For an error log that is a file, or not.
    pub(super) fn new(is_file: bool) -> Self {
        Self { is_file, begun: Mutex::default() }
    }

    /// Adds the text to the line that has begun, and takes out what is then complete.
    fn complete(&self, text: &str) -> String {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.push_str(text);
        let mut end = begun.rfind('\n').map_or(0, |end| end + 1);
        if begun.len() - end >= LONGEST {
            end = begun.len();
        }
        let rest = begun.split_off(end);
        std::mem::replace(&mut *begun, rest)
    }
}

#[pymethods]
impl ErrorStream {
    fn write(&self, text: &Bound<'_, PyString>) -> PyResult<()> {
        if self.is_file {
            append(&self.complete(&text.to_string_lossy()));
            return Ok(());
        }
        let stderr = text.py().import("sys")?.getattr("stderr")?;
        stderr.call_method1("write", (text,))?;
        stderr.call_method0("flush")?;
        Ok(())
    }

    fn writelines(&self, lines: &Bound<'_, PyAny>) -> PyResult<()> {
        lines.try_iter()?.try_for_each(|line| self.write(line?.cast()?))
    }

    /// Ends the line that has begun. Also called at the end of each request.
    pub(super) fn flush(&self) {
        let begun = std::mem::take(&mut *self.begun.lock().unwrap_or_else(PoisonError::into_inner));
        append(&begun);
    }
}

/// Writes to the log file, which ends the line.
fn append(text: &str) {
    if !text.is_empty() {
        log::error::raw(text.as_bytes());
    }
}

//! The server's logs as Python's `logging` sees them: the loggers `gunicorn.error` and `gunicorn.access`.

use std::os::fd::RawFd;

use gunicorn::log;
use gunicorn::settings::LogLevel;
use pyo3::prelude::*;

use crate::glue::LOGGING;

/// Makes the two loggers write to the logs of this process, which must be open.
pub(crate) fn install(py: Python<'_>, level: LogLevel) -> PyResult<()> {
    LOGGING.module(py)?.call_method1("install", (ServerLogs, level.name())).map(drop)
}

/// What the Python glue calls. Text comes whole, line ends included.
#[derive(Debug)]
#[pyclass(frozen, module = "gunicorn_rs")]
struct ServerLogs;

#[pymethods]
impl ServerLogs {
    /// Other threads may run meanwhile: a log can be slow.
    fn log_error(&self, py: Python<'_>, text: &[u8]) {
        py.detach(|| log::error::raw(text));
    }

    fn log_access(&self, py: Python<'_>, text: &[u8]) {
        py.detach(|| log::access::raw(text));
    }

    #[getter]
    fn error_descriptor(&self) -> RawFd {
        log::error::fd()
    }

    /// `None`: there is no access log.
    #[getter]
    fn access_descriptor(&self) -> Option<RawFd> {
        log::access::fd()
    }
}

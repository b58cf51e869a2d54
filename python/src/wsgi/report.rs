//! What the operator is told about requests that went wrong: records for the logger `gunicorn.error`, as under
//! gunicorn, so that whatever listens to that logger (error trackers, say) hears of them with their exception.

use gunicorn::http::Head;
use gunicorn::log;
use gunicorn::net::Address;
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::IntoPyDict;

use crate::zygote;

/// What is to be told: a level of `logging`, a message, and the exception if it is to be shown.
#[derive(Debug)]
pub(crate) struct Record {
    /// By its name as a method of a logger.
    pub(crate) level: &'static str,
    pub(crate) message: String,
    pub(crate) error: Option<PyErr>,
}

impl Record {
    /// Tells the logger.
    pub(crate) fn log(self, py: Python<'_>) {
        record(py, self.level, &self.message, self.error);
    }
}

/// The application failed.
pub(super) fn failure(head: Head<'_>, error: PyErr) -> Record {
    // Neither can forge a line: the codec lets only visible ASCII through.
    let (method, target) = (String::from_utf8_lossy(head.method()), String::from_utf8_lossy(head.target()));
    Record { level: "error", message: format!("Error handling request {method} {target}"), error: Some(error) }
}

/// A request was refused before the application was entered.
pub(super) fn refusal(peer: &Address, reason: &str) -> Record {
    let peer = match peer {
        Address::Inet(peer) => peer.ip().to_string(),
        Address::Unix(_) => String::new(),
    };
    Record { level: "warning", message: format!("Invalid request from ip={peer}: {reason}"), error: None }
}

/// The client did not wait for the whole response.
pub(super) fn gone() -> Record {
    Record { level: "debug", message: "Ignoring EPIPE".to_owned(), error: None }
}

/// The application has answered by the socket, or does not want to answer.
pub(super) fn stopped() -> Record {
    Record { level: "debug", message: "Closing connection.".to_owned(), error: None }
}

/// A Python signal handler, run while the worker was waiting, raised.
pub(super) fn signal_handler(py: Python<'_>, error: PyErr) {
    record(py, "error", "Exception in worker process", Some(error));
}

/// A thread could not be named, and goes without.
pub(super) fn nameless(py: Python<'_>, error: PyErr) {
    record(py, "warning", "A thread has no name", Some(error));
}

fn record(py: Python<'_>, level: &str, message: &str, error: Option<PyErr>) {
    let error = error.map(|error| error.into_value(py).into_bound(py));
    // A logger that fails must not take the request with it, and its failure goes past all loggers.
    if let Err(failed) = try_record(py, level, message, error.as_ref()) {
        for error in error.map(|error| PyErr::from_value(error.into_any())).into_iter().chain([failed]) {
            log::error::raw(zygote::traceback(py, &error).as_bytes());
        }
    }
}

fn try_record(py: Python<'_>, level: &str, message: &str, error: Option<&Bound<'_, PyBaseException>>) -> PyResult<()> {
    let logger = py.import("logging")?.call_method1("getLogger", ("gunicorn.error",))?;
    let keywords = [("exc_info", error)].into_py_dict(py)?;
    logger.call_method(level, ("%s", message), Some(&keywords))?;
    Ok(())
}

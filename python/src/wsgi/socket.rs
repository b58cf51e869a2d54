//! `gunicorn.socket`: the client's connection as a Python socket, made when the application first touches it.
//!
//! It has a descriptor of its own: closing it, or keeping it beyond the request, harms nobody else's connection.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{IntoPyDict, PyString};

use super::response::Response;
use crate::ffi;

/// Seconds that an operation on the socket may take. The descriptor does not block, since the reactor goes on
/// using the connection; a timeout makes Python wait in its stead, and this is as long as for ever.
const PATIENCE: u32 = 24 * 60 * 60;

/// A stand-in that becomes a `socket.socket` when one of its attributes is asked for.
#[pyclass(frozen, name = "ClientSocket", module = "gunicorn_rs")]
pub(super) struct ClientSocket {
    response: Py<Response>,
    socket: PyOnceLock<Py<PyAny>>,
}

impl ClientSocket {
    /// The connection of this response.
    pub(super) fn new(response: Py<Response>) -> Self {
        Self { response, socket: PyOnceLock::new() }
    }

    fn open(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let fd = self.response.get().with(|sending| ffi::duplicate(sending.lend_socket(py)))??;
        let keywords = [("fileno", std::os::fd::IntoRawFd::into_raw_fd(fd))].into_py_dict(py)?;
        let socket = py.import("socket")?.getattr("socket")?.call((), Some(&keywords))?;
        socket.call_method1("settimeout", (PATIENCE,))?;
        Ok(socket.unbind())
    }
}

#[pymethods]
impl ClientSocket {
    fn __getattr__<'py>(&self, py: Python<'py>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        self.socket.get_or_try_init(py, || self.open(py))?.bind(py).getattr(name)
    }
}

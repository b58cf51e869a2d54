//! What `receive` of a WebSocket gives to await: it takes the next message when its task runs, not before, so that a
//! task which is cancelled takes none with it.
//!
//! It is a coroutine to whoever asks (`collections.abc.Coroutine`), so that `create_task(receive())` works as with
//! other servers.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use pyo3::exceptions::PyStopIteration;
use pyo3::intern;
use pyo3::prelude::*;

use super::websocket::Socket;

/// The Python object.
#[pyclass(frozen, name = "Receiving", module = "gunicorn_rs")]
pub(super) struct Receiving {
    socket: Py<Socket>,
    has_begun: AtomicBool,
}

impl Receiving {
    pub(super) fn new(socket: Py<Socket>) -> Self {
        Self { socket, has_begun: AtomicBool::new(false) }
    }
}

#[pymethods]
impl Receiving {
    fn __await__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    /// Ends with the message (PEP 380), or gives the future that its task is to wait for; or `None`, so that the loop's
    /// others have their turn.
    fn __next__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let socket = self.socket.bind(py);
        if !self.has_begun.swap(true, Relaxed) && socket.get().is_end_of_row() {
            return Ok(py.None());
        }
        if let Some(message) = Socket::take_message(socket)? {
            return Err(PyStopIteration::new_err((message,)));
        }
        let future = socket.get().engine().future(py)?.into_bound(py);
        // As the future's own `__await__` does: it tells the task that this is no bare yield.
        future.setattr(intern!(py, "_asyncio_future_blocking"), true)?;
        socket.get().wake_receiver(&future)?;
        Ok(future.unbind())
    }

    fn send(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let _ = value;
        self.__next__(py)
    }

    #[pyo3(signature = (kind, value = None, traceback = None))]
    fn throw(
        &self,
        kind: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let _ = traceback;
        Err(PyErr::from_value(value.unwrap_or(kind).clone()))
    }

    #[expect(clippy::unused_self, reason = "a coroutine's method")]
    fn close(&self) {}
}

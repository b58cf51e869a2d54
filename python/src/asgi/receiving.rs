//! What `receive` gives to await: it takes the next message when its task runs, not before, so that a task which is
//! cancelled takes none with it.
//!
//! It is a coroutine to whoever asks (`collections.abc.Coroutine`), so that `create_task(receive())` works as with
//! other servers.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use pyo3::exceptions::PyStopIteration;
use pyo3::prelude::*;

use super::awaitable::{block_on, thrown};
use super::cycle::Cycle;
use super::websocket::Socket;

/// Where the messages come from.
enum Source {
    Request(Py<Cycle>),
    WebSocket(Py<Socket>),
}

/// The Python object.
#[pyclass(frozen, name = "Receiving", module = "gunicorn_rs")]
pub(super) struct Receiving {
    source: Source,
    has_begun: AtomicBool,
}

impl Receiving {
    pub(super) fn of_request(cycle: Py<Cycle>) -> Self {
        Self { source: Source::Request(cycle), has_begun: AtomicBool::new(false) }
    }

    pub(super) fn of_websocket(socket: Py<Socket>) -> Self {
        Self { source: Source::WebSocket(socket), has_begun: AtomicBool::new(false) }
    }
}

impl Source {
    fn is_end_of_row(&self) -> bool {
        match self {
            Self::Request(cycle) => cycle.get().is_end_of_row(),
            Self::WebSocket(socket) => socket.get().is_end_of_row(),
        }
    }

    fn take_message(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        match self {
            Self::Request(cycle) => cycle.get().take_message(py),
            Self::WebSocket(socket) => Socket::take_message(socket.bind(py)),
        }
    }

    /// A future that is resolved when there is something to take, or may be.
    fn future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Request(cycle) => cycle.get().wait_for_message(py),
            Self::WebSocket(socket) => {
                let future = socket.get().engine().future(py)?.into_bound(py);
                socket.get().wake_receiver(&future)?;
                Ok(future)
            }
        }
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
        if !self.has_begun.swap(true, Relaxed) && self.source.is_end_of_row() {
            return Ok(py.None());
        }
        if let Some(message) = self.source.take_message(py)? {
            return Err(PyStopIteration::new_err((message,)));
        }
        let future = self.source.future(py)?;
        block_on(&future)?;
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
        Err(thrown(kind, value))
    }

    #[expect(clippy::unused_self, reason = "a coroutine's method")]
    fn close(&self) {}
}

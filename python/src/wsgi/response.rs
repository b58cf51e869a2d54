//! What an application is given to answer with: `start_response`, `write` and `wsgi.early_hints`.
//!
//! All three lead to one [`Sending`], which holds the exchange while the application runs. When the request has
//! ended it is gone, and whoever calls them then gets a Python exception.

use std::fs::File;
use std::os::fd::RawFd;

use gunicorn::reactor::{BodyError, Exchange, ResponseError};
use gunicorn::sys::clock;
use gunicorn::time::Time;
use pyo3::exceptions::{
    PyAssertionError, PyBrokenPipeError, PyConnectionResetError, PyOSError, PyRuntimeError, PyTimeoutError,
    PyTypeError, PyValueError,
};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use super::checkout::{Checkout, Unavailable};
use super::head::Head;

/// From this size on, in bytes, a part of the body is not copied into the output buffer.
const LARGE: usize = 16 * 1024;

/// How far a response has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// `start_response` has not been called.
    Waiting,
    /// The application has given the head. It is encoded when the body's length may be known.
    Given,
    /// As `Given`, and the head is encoded. It can be replaced until it has left.
    Encoded,
}

/// A response on its way.
#[derive(Debug)]
pub(crate) struct Sending {
    /// The exchange.
    pub(crate) exchange: Box<Exchange>,
    /// The head, or the memory for one.
    pub(super) head: Head,
    /// How far it has come.
    pub(super) stage: Stage,
    /// Whether the client was found to have gone.
    pub(super) gone: bool,
    /// Whether the application has been given the socket.
    pub(super) is_lent: bool,
    /// By when the client has to take something, or to send something, of one who waits for that without a thread.
    pub(crate) dues: Dues,
}

/// See [`Sending::dues`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Dues {
    pub(crate) write: Option<Time>,
    pub(crate) read: Option<Time>,
}

/// Why a response does not go on.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("the application has not called start_response")]
    NoHead,
    #[error(transparent)]
    Response(#[from] ResponseError),
}

impl From<SendError> for PyErr {
    fn from(error: SendError) -> Self {
        match error {
            SendError::NoHead => PyAssertionError::new_err(error.to_string()),
            SendError::Response(ResponseError::Gone) => PyBrokenPipeError::new_err((EPIPE, error.to_string())),
            SendError::Response(_) => PyValueError::new_err(error.to_string()),
        }
    }
}

/// errno(3) of a connection that the other end has closed; the same number on every Linux.
const EPIPE: i32 = 32;

impl Sending {
    /// Starts the response if that has not been done.
    fn open(&mut self, body_length: Option<u64>) -> Result<(), SendError> {
        match self.stage {
            Stage::Waiting => return Err(SendError::NoHead),
            Stage::Given => self.head.start(&mut self.exchange, body_length)?,
            Stage::Encoded => {}
        }
        self.stage = Stage::Encoded;
        Ok(())
    }

    /// Takes the application's head, instead of an earlier one.
    fn give(&mut self, head: Head) -> Result<(), SendError> {
        self.stage = if head.has_length() {
            head.start(&mut self.exchange, None)?;
            Stage::Encoded
        } else {
            head.check()?;
            Stage::Given
        };
        self.head = head;
        Ok(())
    }

    /// Takes the next step of the response, of `length` bytes: detached from the interpreter if that may write to a
    /// file or wait for the client.
    fn step(
        &mut self,
        py: Python<'_>,
        length: usize,
        step: impl FnOnce(&mut Exchange) -> Result<(), ResponseError> + Send,
    ) -> Result<(), SendError> {
        let exchange = &mut *self.exchange;
        let result = if exchange.may_take_time(length) { py.detach(|| step(exchange)) } else { step(exchange) };
        self.note(result)
    }

    /// Notes it when the client has gone.
    fn note(&mut self, result: Result<(), ResponseError>) -> Result<(), SendError> {
        self.gone |= matches!(result, Err(ResponseError::Gone));
        Ok(result?)
    }

    /// As `note`, for one who is not of this module.
    ///
    /// # Errors
    /// `BrokenPipeError` when the client has gone.
    pub(crate) fn noted<T>(&mut self, result: Result<T, ResponseError>) -> PyResult<T> {
        self.gone |= matches!(result, Err(ResponseError::Gone));
        result.map_err(|error| SendError::from(error).into())
    }

    /// Sends a part of the body.
    fn send(&mut self, part: &Bound<'_, PyBytes>, body_length: Option<u64>) -> Result<(), SendError> {
        self.open(body_length)?;
        let bytes = part.as_bytes();
        if bytes.len() < LARGE {
            return self.step(part.py(), bytes.len(), |exchange| exchange.write(bytes));
        }
        let owned = Box::new(PyBackedBytes::from(part.clone()));
        self.step(part.py(), bytes.len(), |exchange| exchange.write_owned(owned))
    }

    /// Sees to it that what is here is sent while the application makes more (PEP 3333, "Buffering and Streaming").
    fn catch_up(&mut self, py: Python<'_>) -> Result<(), SendError> {
        let exchange = &mut *self.exchange;
        let result = if exchange.is_behind() { py.detach(|| exchange.catch_up()) } else { Ok(()) };
        self.note(result)
    }

    /// Ends the response.
    fn finish(&mut self, py: Python<'_>, body_length: Option<u64>) -> Result<(), SendError> {
        self.open(body_length)?;
        self.step(py, 0, Exchange::finish)
    }

    /// The client's socket, for the application to use itself.
    pub(crate) fn lend_socket(&mut self, py: Python<'_>) -> RawFd {
        self.is_lent = true;
        // That the client has gone the application finds out by itself.
        let _ = self.step(py, 0, Exchange::lend_socket);
        self.exchange.as_raw_fd()
    }
}

/// The Python object behind `write` and `wsgi.early_hints`.
#[derive(Debug)]
#[pyclass(frozen, name = "Response", module = "gunicorn_rs")]
pub(crate) struct Response {
    sending: Checkout<Sending>,
}

impl Response {
    /// A response without a request.
    pub(super) fn new() -> Self {
        Self { sending: Checkout::new() }
    }

    /// Gives it a new request to answer.
    pub(super) fn begin(&self, exchange: Box<Exchange>, head: Head) {
        let dues = Dues::default();
        self.sending.begin(Sending { exchange, head, stage: Stage::Waiting, gone: false, is_lent: false, dues });
    }

    /// Ends the request. Waits for a thread of the application that is just writing.
    pub(super) fn end(&self, py: Python<'_>) -> Sending {
        self.sending.try_end().unwrap_or_else(|| py.detach(|| self.sending.end()))
    }

    /// Lets `work` use the response.
    ///
    /// # Errors
    /// `RuntimeError` when its request has ended, or another thread is writing.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Sending) -> R) -> PyResult<R> {
        self.sending.with(work).map_err(|unavailable| {
            PyRuntimeError::new_err(match unavailable {
                Unavailable::InUse => "another thread is writing this response",
                Unavailable::Ended => "the response was used after its request had ended",
            })
        })
    }

    /// Sends a part of the body. `body_length` is that of the whole body, when it is known.
    ///
    /// # Errors
    /// `BrokenPipeError` when the client has gone; `AssertionError` when there is no head yet.
    pub(crate) fn send(&self, part: &Bound<'_, PyBytes>, body_length: Option<u64>) -> PyResult<()> {
        self.with(|sending| sending.send(part, body_length))??;
        Ok(())
    }

    /// As `send`, of a part that must go now, since the application is going to make the next one: when this returns,
    /// the client has all of it, or is being sent it while the application runs.
    ///
    /// # Errors
    /// As `send`.
    pub(super) fn send_through(&self, part: &Bound<'_, PyBytes>) -> PyResult<()> {
        self.with(|sending| sending.send(part, None).and_then(|()| sending.catch_up(part.py())))??;
        Ok(())
    }

    /// As `send`, of bytes that are the server's.
    ///
    /// # Errors
    /// As `send`.
    pub(super) fn send_copied(&self, py: Python<'_>, bytes: &[u8], body_length: Option<u64>) -> PyResult<()> {
        self.with(|sending| {
            sending.open(body_length)?;
            sending.step(py, bytes.len(), |exchange| exchange.write(bytes))
        })??;
        Ok(())
    }

    /// Sends a body of one part, and ends the response.
    ///
    /// # Errors
    /// As `send`.
    pub(super) fn send_whole(&self, body: &Bound<'_, PyBytes>) -> PyResult<()> {
        self.send(body, Some(body.as_bytes().len() as u64))?;
        self.finish(body.py(), None)
    }

    /// Sends the file's bytes from `offset` on, and tells their number where the application has not.
    ///
    /// # Errors
    /// As `send`.
    pub(super) fn send_file(&self, py: Python<'_>, file: File, offset: u64, length: u64) -> PyResult<()> {
        self.with(|sending| {
            sending.open(Some(length))?;
            let result = py.detach(|| sending.exchange.send_file(file, offset, length));
            sending.note(result)
        })??;
        Ok(())
    }

    /// The next bytes of a request body that is streamed; none at its end.
    ///
    /// # Errors
    /// `ConnectionResetError` when the client has gone, `TimeoutError` when it is too slow, `OSError` when what it
    /// sends is no body.
    pub(super) fn read_body(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        let read = self.with(|sending| {
            let exchange = &mut *sending.exchange;
            py.detach(|| exchange.read_body())
        })?;
        read.map_err(broken)
    }

    /// As `read_body`, for one who waits elsewhere: `None`, nothing has arrived.
    ///
    /// # Errors
    /// As `read_body`.
    pub(super) fn try_body(&self) -> PyResult<Option<Vec<u8>>> {
        self.with(|sending| {
            let (now, due) = (clock::now(), sending.dues.read);
            match sending.exchange.try_body() {
                Ok(None) if due.is_some_and(|due| due <= now) => {
                    sending.dues.read = None;
                    sending.exchange.give_up_body();
                    Err(broken(BodyError::TooSlow))
                }
                Ok(None) => {
                    sending.dues.read = due.or_else(|| Some(sending.exchange.body_due(now)));
                    Ok(None)
                }
                read => {
                    sending.dues.read = None;
                    read.map_err(broken)
                }
            }
        })?
    }

    /// Ends the response.
    ///
    /// # Errors
    /// As `send`.
    pub(crate) fn finish(&self, py: Python<'_>, body_length: Option<u64>) -> PyResult<()> {
        self.with(|sending| sending.finish(py, body_length))??;
        Ok(())
    }
}

#[pymethods]
impl Response {
    /// The `write` callable of PEP 3333.
    fn write(&self, data: &Bound<'_, PyAny>) -> PyResult<()> {
        self.send_through(body_part(data)?)
    }

    /// `gunicorn_rs.client_gone`: whether the client has closed its side of the connection, or has vanished.
    fn client_gone(&self) -> PyResult<bool> {
        self.with(|sending| sending.gone || sending.exchange.is_client_gone())
    }

    /// `wsgi.early_hints`: sends a 103 with these fields, unless the response has started or the client is too old.
    fn early_hints(&self, headers: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut hints = Head::default();
        hints.set_hints(headers)?;
        self.with(|sending| {
            let result = hints.hint(&mut sending.exchange);
            sending.note(result)
        })??;
        Ok(())
    }
}

/// What the application is told of a body that cannot be had.
fn broken(error: BodyError) -> PyErr {
    match error {
        BodyError::Gone => PyConnectionResetError::new_err(error.to_string()),
        BodyError::TooSlow => PyTimeoutError::new_err(error.to_string()),
        BodyError::Protocol(_) => PyOSError::new_err(error.to_string()),
    }
}

/// A part of a body, which must be `bytes`.
///
/// # Errors
/// `TypeError`.
pub(crate) fn body_part<'a, 'py>(part: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyBytes>> {
    part.cast().map_err(|_| match part.get_type().name() {
        Ok(name) => PyTypeError::new_err(format!("a response body is made of bytes, not {name}")),
        Err(error) => error,
    })
}

/// The Python object whose method is `start_response`.
#[derive(Debug)]
#[pyclass(frozen, name = "Start", module = "gunicorn_rs")]
pub(super) struct Start {
    response: Py<Response>,
    write: Py<PyAny>,
}

impl Start {
    /// For this response, of which `write` is the bound method.
    pub(super) fn new(response: Py<Response>, write: Py<PyAny>) -> Self {
        Self { response, write }
    }
}

#[pymethods]
impl Start {
    #[pyo3(signature = (status, headers, exc_info=None))]
    fn start_response(
        &self,
        status: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
        exc_info: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let py = status.py();
        let response = self.response.get();
        let replaces = exc_info.map(|exc_info| exc_info.is_truthy()).transpose()?.unwrap_or(false);
        let (stage, is_sent, mut head) = response.with(|sending| match sending.stage {
            Stage::Waiting => (Stage::Waiting, false, std::mem::take(&mut sending.head)),
            stage => (stage, sending.exchange.is_head_sent(), Head::default()),
        })?;
        match (stage, exc_info) {
            (_, Some(exc_info)) if replaces && is_sent => return Err(raised(exc_info)?),
            (Stage::Given | Stage::Encoded, _) if !replaces => {
                return Err(PyAssertionError::new_err("Response headers already set!"));
            }
            _ => {}
        }
        head.set(status, headers)?;
        response.with(|sending| sending.give(head))??;
        Ok(self.write.clone_ref(py))
    }
}

/// The exception that `exc_info` holds, to be raised as it was.
fn raised(exc_info: &Bound<'_, PyAny>) -> PyResult<PyErr> {
    let (kind, value, traceback): (Bound<'_, PyAny>, Bound<'_, PyAny>, Bound<'_, PyAny>) = exc_info.extract()?;
    let value = if value.is_none() { kind.call0()? } else { value };
    Ok(PyErr::from_value(value.call_method1("with_traceback", (traceback,))?))
}

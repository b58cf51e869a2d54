//! `wsgi.input`: the request's body as a file to read.
//!
//! The body has arrived whole before the application is entered, so that nothing here waits for the client, unless it
//! is streamed: then what is asked for and is not here is waited for. It is gone when the request has ended.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use gunicorn::reactor::RequestBody;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyList};

use super::checkout::{Checkout, Unavailable};
use super::response::Response;

/// How many bytes one who waits elsewhere takes from a client in one go.
const SPOON: usize = 1 << 20;

/// What one who waits elsewhere has to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pending {
    /// The client has yet to send it.
    Client,
    /// The client is fast: first others have their turn.
    Turn,
}

/// What is asked for: as much as there is, up to so many bytes.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Bytes(u64),
    Line(u64),
}

/// The Python object.
#[derive(Debug)]
#[pyclass(frozen, name = "Input", module = "gunicorn_rs")]
pub(crate) struct Input {
    body: Checkout<Body>,
    /// Has the rest of a body that is streamed.
    response: Py<Response>,
}

impl Input {
    /// An input without a request.
    pub(super) fn new(response: Py<Response>) -> Self {
        Self { body: Checkout::new(), response }
    }

    /// Gives it the body of a new request, or what has arrived of one that is still open.
    pub(super) fn begin(&self, body: RequestBody, is_open: bool) {
        self.body.begin(if is_open { Body::open(body) } else { Body::new(body) });
    }

    /// Ends the request: the body is dropped, now or by whoever is just reading it.
    pub(super) fn end(&self) {
        drop(self.body.try_end());
    }

    fn line<'py>(&self, py: Python<'py>, size: u64) -> PyResult<Bound<'py, PyBytes>> {
        self.with(|body| {
            body.fill(|| self.response.get().read_body(py).map(Some), Wanted::Line(size), usize::MAX)?;
            body.read_line(py, size)
        })
    }

    /// As `read`, for one who waits elsewhere.
    ///
    /// # Errors
    /// As `read`.
    pub(crate) fn try_read<'py>(
        &self,
        py: Python<'py>,
        size: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Result<Bound<'py, PyBytes>, Pending>> {
        let size = limit(size)?;
        self.with(|body| match body.fill(|| self.response.get().try_body(), Wanted::Bytes(size), SPOON)? {
            Some(pending) => Ok(Err(pending)),
            None => body.read(py, size).map(Ok),
        })
    }

    /// As `readline`, for one who waits elsewhere.
    ///
    /// # Errors
    /// As `readline`.
    pub(crate) fn try_line<'py>(
        &self,
        py: Python<'py>,
        size: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Result<Bound<'py, PyBytes>, Pending>> {
        let size = limit(size)?;
        self.with(|body| match body.fill(|| self.response.get().try_body(), Wanted::Line(size), SPOON)? {
            Some(pending) => Ok(Err(pending)),
            None => body.read_line(py, size).map(Ok),
        })
    }

    fn with<R>(&self, work: impl FnOnce(&mut Body) -> PyResult<R>) -> PyResult<R> {
        self.body.with(work).map_err(|unavailable| match unavailable {
            Unavailable::InUse => PyRuntimeError::new_err("wsgi.input is being read by another thread"),
            Unavailable::Ended => PyValueError::new_err("wsgi.input was read after its request had ended"),
        })?
    }
}

#[pymethods]
impl Input {
    #[pyo3(signature = (size=None))]
    fn read<'py>(&self, py: Python<'py>, size: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyBytes>> {
        let size = limit(size)?;
        self.with(|body| {
            body.fill(|| self.response.get().read_body(py).map(Some), Wanted::Bytes(size), usize::MAX)?;
            body.read(py, size)
        })
    }

    #[pyo3(signature = (size=None))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyBytes>> {
        let size = limit(size)?;
        self.line(py, size)
    }

    #[pyo3(signature = (hint=None))]
    fn readlines<'py>(&self, py: Python<'py>, hint: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyList>> {
        let enough = match limit(hint)? {
            0 => u64::MAX,
            bytes => bytes,
        };
        let lines = PyList::empty(py);
        let mut total = 0;
        while total < enough {
            let line = self.line(py, u64::MAX)?;
            if line.as_bytes().is_empty() {
                break;
            }
            total += line.as_bytes().len() as u64;
            lines.append(line)?;
        }
        Ok(lines)
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = self.line(py, u64::MAX)?;
        Ok((!line.as_bytes().is_empty()).then_some(line))
    }
}

/// A `size` argument: `None` and negative numbers mean everything.
fn limit(size: Option<&Bound<'_, PyAny>>) -> PyResult<u64> {
    let Some(size) = size.filter(|size| !size.is_none()) else { return Ok(u64::MAX) };
    let Ok(size) = size.cast::<PyInt>() else {
        return Err(PyTypeError::new_err(format!("size must be an int or None, not {}", size.get_type().name()?)));
    };
    // What does not fit is more, or less, than any body.
    Ok(size.extract::<i64>().map_or(u64::MAX, |size| u64::try_from(size).unwrap_or(u64::MAX)))
}

/// What is left of a body.
#[derive(Debug)]
enum Body {
    Memory {
        bytes: Vec<u8>,
        /// What lies before has been read.
        at: usize,
        /// So many bytes from there on have been searched for the end of a line, in vain.
        searched: usize,
        is_open: bool,
    },
    File {
        file: BufReader<File>,
        left: u64,
    },
}

impl Body {
    fn new(body: RequestBody) -> Self {
        match body {
            RequestBody::Memory(bytes) => Self::Memory { bytes, at: 0, searched: 0, is_open: false },
            RequestBody::File(file, left) => Self::File { file: BufReader::new(file), left },
        }
    }

    /// The beginning of a body that is streamed. It is short, wherever it lies.
    fn open(body: RequestBody) -> Self {
        let bytes = match body {
            RequestBody::Memory(bytes) => bytes,
            RequestBody::File(mut file, length) => {
                let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
                // What cannot be read is missed by whoever counts the bytes; the disk has failed.
                let _ = file.read_to_end(&mut bytes);
                bytes
            }
        };
        Self::Memory { bytes, at: 0, searched: 0, is_open: true }
    }

    /// Adds what `next` gives until what is wanted of an open body is here, or the whole rest of it. Says what keeps it
    /// from that: `next` gives no more for now, or has given so much, in bytes, that it is the others' turn.
    fn fill(
        &mut self,
        mut next: impl FnMut() -> PyResult<Option<Vec<u8>>>,
        wanted: Wanted,
        most: usize,
    ) -> PyResult<Option<Pending>> {
        let mut added = 0;
        while self.lacks(wanted) {
            if added >= most {
                return Ok(Some(Pending::Turn));
            }
            let Some(more) = next()? else { return Ok(Some(Pending::Client)) };
            added += more.len();
            self.add(&more);
        }
        Ok(None)
    }

    /// Whether this is not here, and may still come. No byte is searched twice.
    fn lacks(&mut self, wanted: Wanted) -> bool {
        let Self::Memory { bytes, at, searched, is_open: true } = self else { return false };
        let rest = bytes.get(*at..).unwrap_or_default();
        match wanted {
            Wanted::Bytes(size) => (rest.len() as u64) < size,
            Wanted::Line(size) => {
                let new = rest.get(*searched..).unwrap_or_default();
                let is_here = rest.len() as u64 >= size || memchr::memchr(b'\n', new).is_some();
                if !is_here {
                    *searched = rest.len();
                }
                !is_here
            }
        }
    }

    /// Adds what has arrived; nothing is the end.
    fn add(&mut self, more: &[u8]) {
        let Self::Memory { bytes, at, is_open, .. } = self else { return };
        *is_open = !more.is_empty();
        bytes.drain(..std::mem::take(at));
        bytes.extend_from_slice(more);
    }

    fn read<'py>(&mut self, py: Python<'py>, size: u64) -> PyResult<Bound<'py, PyBytes>> {
        match self {
            Self::Memory { bytes, at, searched, .. } => {
                let rest = first(bytes.get(*at..).unwrap_or_default(), size);
                *at += rest.len();
                *searched = searched.saturating_sub(rest.len());
                Ok(PyBytes::new(py, rest))
            }
            Self::File { file, left } => {
                let size = size.min(*left);
                *left -= size;
                PyBytes::new_with(py, usize::try_from(size)?, |buffer| Ok(file.read_exact(buffer)?))
            }
        }
    }

    /// Up to and with the next line feed, at most `size` bytes.
    fn read_line<'py>(&mut self, py: Python<'py>, size: u64) -> PyResult<Bound<'py, PyBytes>> {
        match self {
            Self::Memory { bytes, at, searched, .. } => {
                let rest = first(bytes.get(*at..).unwrap_or_default(), size);
                let line = memchr::memchr(b'\n', rest).map_or(rest, |end| &rest[..=end]);
                *at += line.len();
                *searched = searched.saturating_sub(line.len());
                Ok(PyBytes::new(py, line))
            }
            Self::File { file, left } => Ok(PyBytes::new(py, &read_file_line(file, left, size)?)),
        }
    }
}

/// The first `size` of these bytes, or all if there are fewer.
fn first(bytes: &[u8], size: u64) -> &[u8] {
    usize::try_from(size).ok().and_then(|size| bytes.get(..size)).unwrap_or(bytes)
}

fn read_file_line(file: &mut BufReader<File>, left: &mut u64, size: u64) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    file.take(size.min(*left)).read_until(b'\n', &mut line)?;
    *left -= line.len() as u64;
    Ok(line)
}

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
            body.fill(|| self.response.get().read_body(py).map(Some), line_of(size))?;
            body.read_line(py, size)
        })
    }

    /// As `read`, for one who waits elsewhere: `None`, the client has not sent it yet.
    ///
    /// # Errors
    /// As `read`.
    pub(crate) fn try_read<'py>(
        &self,
        py: Python<'py>,
        size: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let size = limit(size)?;
        self.with(|body| {
            let is_here = body.fill(|| self.response.get().try_body(), |bytes| bytes.len() as u64 >= size)?;
            is_here.then(|| body.read(py, size)).transpose()
        })
    }

    /// As `readline`, for one who waits elsewhere: `None`, the client has not sent it yet.
    ///
    /// # Errors
    /// As `readline`.
    pub(crate) fn try_line<'py>(
        &self,
        py: Python<'py>,
        size: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let size = limit(size)?;
        self.with(|body| {
            let is_here = body.fill(|| self.response.get().try_body(), line_of(size))?;
            is_here.then(|| body.read_line(py, size)).transpose()
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
            body.fill(|| self.response.get().read_body(py).map(Some), |bytes| bytes.len() as u64 >= size)?;
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

/// Whether a line of so many bytes at most is here; of what it has seen it searches no byte twice.
fn line_of(size: u64) -> impl FnMut(&[u8]) -> bool {
    let mut searched = 0;
    move |bytes| {
        let new = bytes.get(std::mem::replace(&mut searched, bytes.len())..).unwrap_or_default();
        bytes.len() as u64 >= size || memchr::memchr(b'\n', new).is_some()
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
    Memory { bytes: Vec<u8>, at: usize, is_open: bool },
    File { file: BufReader<File>, left: u64 },
}

impl Body {
    fn new(body: RequestBody) -> Self {
        match body {
            RequestBody::Memory(bytes) => Self::Memory { bytes, at: 0, is_open: false },
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
        Self::Memory { bytes, at: 0, is_open: true }
    }

    /// Adds what `next` gives until there `is_enough` of an open body, or the whole rest of it; `false`: it gives no
    /// more for now.
    fn fill(
        &mut self,
        mut next: impl FnMut() -> PyResult<Option<Vec<u8>>>,
        mut is_enough: impl FnMut(&[u8]) -> bool,
    ) -> PyResult<bool> {
        let Self::Memory { bytes, at, is_open } = self else { return Ok(true) };
        while *is_open && !is_enough(bytes.get(*at..).unwrap_or_default()) {
            let Some(more) = next()? else { return Ok(false) };
            *is_open = !more.is_empty();
            if *at > 0 {
                bytes.drain(..*at);
                *at = 0;
            }
            bytes.extend_from_slice(&more);
        }
        Ok(true)
    }

    fn read<'py>(&mut self, py: Python<'py>, size: u64) -> PyResult<Bound<'py, PyBytes>> {
        match self {
            Self::Memory { bytes, at, .. } => {
                let rest = first(bytes.get(*at..).unwrap_or_default(), size);
                *at += rest.len();
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
            Self::Memory { bytes, at, .. } => {
                let rest = first(bytes.get(*at..).unwrap_or_default(), size);
                let line = memchr::memchr(b'\n', rest).map_or(rest, |end| &rest[..=end]);
                *at += line.len();
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

//! `wsgi.file_wrapper`: a file as a response body, sent by the kernel where it can be.

use std::fs::File;
use std::io::Seek;

use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use super::response::Response;
use crate::ffi;

/// The Python class that `environ["wsgi.file_wrapper"]` names.
#[derive(Debug)]
#[pyclass(frozen, subclass, name = "FileWrapper", module = "gunicorn_rs")]
pub(crate) struct FileWrapper {
    /// The file-like object.
    #[pyo3(get)]
    filelike: Py<PyAny>,
    /// Bytes to read at a time.
    #[pyo3(get)]
    blksize: Py<PyAny>,
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, blksize=None))]
    fn new(py: Python<'_>, filelike: Py<PyAny>, blksize: Option<Py<PyAny>>) -> PyResult<Self> {
        let blksize = match blksize {
            Some(blksize) => blksize,
            None => BLOCK.into_pyobject(py)?.into_any().unbind(),
        };
        Ok(Self { filelike, blksize })
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let block = self.filelike.bind(py).call_method1("read", (self.blksize.bind(py),))?;
        Ok(block.is_truthy()?.then_some(block))
    }

    /// Lets the collector see cycles through the file.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.filelike)
    }

    /// Closes the file, if it is of the kind that can be closed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.filelike.bind(py).getattr_opt("close")? {
            Some(close) => close.call0().map(drop),
            None => Ok(()),
        }
    }
}

/// Bytes read at a time unless the application says otherwise (as gunicorn's wrapper).
const BLOCK: usize = 8192;

impl FileWrapper {
    /// Sends the rest of the file by `sendfile` if it is a regular one. `false`: it is not, and nothing was sent.
    ///
    /// # Errors
    /// Those of [`Response::send_file`].
    pub(crate) fn send(&self, py: Python<'_>, response: &Response) -> PyResult<bool> {
        let filelike = self.filelike.bind(py);
        let Some(file) = regular_file(filelike) else { return Ok(false) };
        let Ok((offset, size)) = rest_of(filelike, &file) else { return Ok(false) };
        response.send_file(py, file, offset, size.saturating_sub(offset))?;
        Ok(true)
    }
}

/// A second descriptor of the regular file that this object reads, if it does just that.
fn regular_file(filelike: &Bound<'_, PyAny>) -> Option<File> {
    if !is_plain(filelike).unwrap_or(false) {
        return None;
    }
    // A closed file has the method, which raises.
    let fd = filelike.call_method0("fileno").ok()?.extract().ok()?;
    let file = File::from(ffi::duplicate(fd).ok()?);
    file.metadata().ok()?.is_file().then_some(file)
}

/// Whether reading this object gives the bytes of its descriptor: it is an `io.FileIO`, or a buffer around one. Others,
/// `gzip.open()`'s say, have the descriptor of a file that they read something else from.
fn is_plain(filelike: &Bound<'_, PyAny>) -> PyResult<bool> {
    let io = filelike.py().import("io")?;
    let file = io.getattr("FileIO")?;
    let kind = filelike.get_type();
    if kind.is(&io.getattr("BufferedReader")?) || kind.is(&io.getattr("BufferedRandom")?) {
        return Ok(filelike.getattr("raw")?.get_type().is(&file));
    }
    Ok(kind.is(&file))
}

/// From where to send, and the size of the file. A Python file may have read ahead of what it has handed out, so
/// that its own word on the position counts.
fn rest_of(filelike: &Bound<'_, PyAny>, mut file: &File) -> PyResult<(u64, u64)> {
    let offset = match filelike.call_method0("tell").and_then(|offset| offset.extract()) {
        Ok(offset) => offset,
        Err(_) => file.stream_position()?,
    };
    Ok((offset, file.metadata()?.len()))
}

//! Messages between server and application: what an application sends, read, and what it receives, made.

use gunicorn::http::reason_phrase;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyAnyMethods, PyByteArray, PyBytes, PyDict, PyMemoryView, PyString};

use crate::wsgi::{Head, Record};

/// The type of a message.
///
/// # Errors
/// `TypeError`: it has none.
pub(super) fn kind<'py>(message: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    let kind = message.get_item(intern!(message.py(), "type"))?;
    kind.cast_into().map_err(|_| PyTypeError::new_err("the type of an ASGI message is a str"))
}

/// An entry, if it is there and not `None`.
///
/// # Errors
/// Whatever the message raises.
pub(super) fn entry<'py>(
    message: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let found = match message.cast_exact::<PyDict>() {
        Ok(dict) => dict.get_item(name)?,
        Err(_) => match message.contains(name)? {
            true => Some(message.get_item(name)?),
            false => None,
        },
    };
    Ok(found.filter(|value| !value.is_none()))
}

/// A flag; off when it is not there.
///
/// # Errors
/// As [`entry`].
pub(super) fn flag(message: &Bound<'_, PyAny>, name: &Bound<'_, PyString>) -> PyResult<bool> {
    entry(message, name)?.map_or(Ok(false), |value| value.is_truthy())
}

/// The body of a message; empty when it is not there.
///
/// # Errors
/// As [`bytes`].
pub(super) fn body<'py>(message: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let py = message.py();
    Ok(bytes(message, intern!(py, "body"))?.unwrap_or_else(|| PyBytes::new(py, b"")))
}

/// An entry that is made of bytes, if it is there.
///
/// # Errors
/// `TypeError`: it is not.
pub(super) fn bytes<'py>(
    message: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let py = message.py();
    let Some(found) = entry(message, name)? else { return Ok(None) };
    match found.cast_into::<PyBytes>() {
        Ok(bytes) => Ok(Some(bytes)),
        // bytearray and memoryview, which other servers take too. Of a number `bytes` would make so many zeros.
        Err(other) => match other.into_inner() {
            found if found.is_instance_of::<PyByteArray>() || found.is_instance_of::<PyMemoryView>() => {
                Ok(Some(py.get_type::<PyBytes>().call1((found,))?.cast_into()?))
            }
            found => Err(PyTypeError::new_err(format!("{name} is bytes, not {}", found.get_type()))),
        },
    }
}

/// The head of a response.
///
/// # Errors
/// `ValueError`, `TypeError`: it is none.
pub(super) fn head(message: &Bound<'_, PyAny>, head: &mut Head) -> PyResult<()> {
    let py = message.py();
    let status: u16 = match entry(message, intern!(py, "status"))? {
        Some(status) => status.extract().map_err(|_| PyValueError::new_err(format!("{status} is no status code")))?,
        None => return Err(PyRuntimeError::new_err("http.response.start has no status")),
    };
    head.set_fields(status, reason_phrase(status), entry(message, intern!(py, "headers"))?.as_ref())
}

/// `http.request`.
///
/// # Errors
/// `MemoryError`.
pub(super) fn request<'py>(py: Python<'py>, body: &[u8], more: bool) -> PyResult<Bound<'py, PyDict>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "http.request"))?;
    message.set_item(intern!(py, "body"), PyBytes::new(py, body))?;
    message.set_item(intern!(py, "more_body"), more)?;
    Ok(message)
}

/// `http.disconnect`.
///
/// # Errors
/// `MemoryError`.
pub(super) fn disconnect(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "http.disconnect"))?;
    Ok(message)
}

/// A message came in the wrong order.
pub(super) fn unexpected(kind: &Bound<'_, PyString>, what: &str) -> PyErr {
    PyRuntimeError::new_err(format!("unexpected ASGI message '{kind}': {what}"))
}

/// What the operator is told of an exception in the application.
pub(super) fn failure(request: Option<&str>, error: &Bound<'_, PyAny>) -> Record {
    let what = request.map_or_else(|| "after the response".to_owned(), |request| format!("at {request}"));
    let error = Some(PyErr::from_value(error.clone()));
    Record { level: "error", message: format!("Exception in ASGI application {what}"), error }
}

/// What the operator is told of something that the application has done wrong.
pub(super) fn complaint(what: &str) -> Record {
    Record { level: "error", message: format!("ASGI: {what}"), error: None }
}

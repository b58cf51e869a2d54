//! Sends what the application returned.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use super::file::FileWrapper;
use super::response::{Response, body_part};

/// Parts of a list that together have at most this many bytes leave as one.
const JOINED: usize = 64 * 1024;

/// Sends the iterable (a file by the kernel if `sendfile` allows it), ends the response, and closes the iterable
/// whatever happened before.
///
/// # Errors
/// What the application raised, or did wrong; `BrokenPipeError` when the client has gone.
pub(super) fn send(response: &Response, iterable: &Bound<'_, PyAny>, sendfile: bool) -> PyResult<()> {
    let py = iterable.py();
    // Neither a list nor a tuple has a close method.
    if let Ok(list) = iterable.cast_exact::<PyList>() {
        return match list.len() {
            1 => response.send_whole(body_part(&list.get_item(0)?)?),
            _ => send_parts(py, response, &list.iter().collect::<Vec<_>>()),
        };
    }
    if let Ok(tuple) = iterable.cast_exact::<PyTuple>() {
        return send_parts(py, response, &tuple.iter().collect::<Vec<_>>());
    }
    match (send_iterable(response, iterable, sendfile), close(iterable)) {
        (sent, Ok(())) => sent,
        (Ok(()), Err(error)) => Err(error),
        (Err(first), Err(second)) => {
            second.set_context(py, Some(first));
            Err(second)
        }
    }
}

/// As `send`, of the parts of a list or tuple from number `at` on, for one who waits elsewhere. Gives the number to go
/// on with once there is room, `None` when the response has ended.
///
/// # Errors
/// As `send`.
pub(crate) fn send_from(response: &Response, parts: &Bound<'_, PyAny>, at: usize) -> PyResult<Option<usize>> {
    let py = parts.py();
    let parts = match parts.cast::<PyList>() {
        Ok(list) => list.iter().collect::<Vec<_>>(),
        Err(_) => parts.cast::<PyTuple>()?.iter().collect(),
    };
    let parts = parts.iter().map(body_part).collect::<PyResult<Vec<&Bound<'_, PyBytes>>>>()?;
    let length = parts.iter().map(|part| part.as_bytes().len()).sum::<usize>();
    let has_room = || response.with(|sending| sending.exchange.has_room());
    if at == 0 && parts.len() > 1 && length <= JOINED {
        let joined = parts.iter().map(|part| part.as_bytes()).collect::<Vec<_>>().concat();
        response.send_copied(py, &joined, Some(length as u64))?;
        if !has_room()? {
            return Ok(Some(parts.len()));
        }
        return response.finish(py, None).map(|()| None);
    }
    for (number, part) in parts.iter().enumerate().skip(at) {
        response.send(part, Some(length as u64))?;
        if !has_room()? {
            return Ok(Some(number + 1));
        }
    }
    response.finish(py, Some(length as u64)).map(|()| None)
}

/// The whole body is in hand: its length is known, and small parts need not leave one by one.
fn send_parts(py: Python<'_>, response: &Response, parts: &[Bound<'_, PyAny>]) -> PyResult<()> {
    let parts = parts.iter().map(body_part).collect::<PyResult<Vec<&Bound<'_, PyBytes>>>>()?;
    let length = parts.iter().map(|part| part.as_bytes().len()).sum::<usize>();
    if length <= JOINED {
        let joined = parts.iter().map(|part| part.as_bytes()).collect::<Vec<_>>().concat();
        response.send_copied(py, &joined, Some(length as u64))?;
    } else {
        parts.iter().try_for_each(|part| response.send(part, Some(length as u64)))?;
    }
    response.finish(py, None)
}

fn send_iterable(response: &Response, iterable: &Bound<'_, PyAny>, sendfile: bool) -> PyResult<()> {
    let py = iterable.py();
    if sendfile
        && let Ok(file) = iterable.cast::<FileWrapper>()
        && file.get().send(py, response)?
    {
        return response.finish(py, None);
    }
    for part in iterable.try_iter()? {
        let part = part?;
        let part = body_part(&part)?;
        // The head waits for the first byte of the body (PEP 3333).
        if !part.as_bytes().is_empty() {
            response.send_through(part)?;
        }
    }
    // If nothing has been sent by now the body is empty.
    response.finish(py, Some(0))
}

fn close(iterable: &Bound<'_, PyAny>) -> PyResult<()> {
    match iterable.getattr_opt(pyo3::intern!(iterable.py(), "close"))? {
        Some(close) => close.call0().map(drop),
        None => Ok(()),
    }
}

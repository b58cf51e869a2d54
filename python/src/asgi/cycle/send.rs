//! What the application sends of a response.

use std::fs::File;

use gunicorn::reactor::{Exchange, ResponseError};
use pyo3::exceptions::{PyIsADirectoryError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyString;

use super::{Cycle, Inner, Stage, gone};
use crate::asgi::awaitable::Sending;
use crate::asgi::message;
use crate::wsgi::Head;

/// Parts from this size on are sent without being copied, in bytes.
const LARGE: usize = 32 * 1024;

/// What `send` gives to await.
enum Outcome {
    Now,
    /// Wait until the output is sent.
    Drain,
    /// The response is complete.
    Complete,
}

impl Cycle {
    fn start(&self, py: Python<'_>, message: &Bound<'_, PyAny>, kind: &Bound<'_, PyString>) -> PyResult<Outcome> {
        let mut head = self.engine.get().take_head();
        message::head(message, &mut head)?;
        let trailers = message::flag(message, intern!(py, "trailers"))?;
        if head.has_length() {
            let outcome = self.step(kind, |inner, exchange| {
                head.start(exchange, None)?;
                inner.stage = Stage::Encoded { trailers };
                Ok(Outcome::Now)
            })?;
            self.engine.get().keep_head(head);
            return Ok(outcome);
        }
        head.check().map_err(|error| PyValueError::new_err(error.to_string()))?;
        let mut inner = self.lock();
        inner.head = head;
        inner.stage = Stage::Given { trailers };
        Ok(Outcome::Now)
    }

    fn send_body(&self, py: Python<'_>, message: &Bound<'_, PyAny>, kind: &Bound<'_, PyString>) -> PyResult<Outcome> {
        let body = message::body(message)?;
        let more = message::flag(message, intern!(py, "more_body"))?;
        let length = body.as_bytes().len();
        let owned = (length >= LARGE).then(|| Box::new(PyBackedBytes::from(body.clone())));
        self.step(kind, |inner, exchange| {
            let trailers = inner.open(exchange, (!more).then_some(length as u64))?;
            match owned {
                Some(owned) => exchange.write_owned(owned)?,
                None if length > 0 => exchange.write(body.as_bytes())?,
                // The head does not wait for a part that has bytes.
                None => {}
            }
            inner.stage = if more { Stage::Streaming { trailers } } else { Stage::Trailers };
            if more || trailers {
                return Ok(if exchange.is_flushed() { Outcome::Now } else { Outcome::Drain });
            }
            exchange.finish()?;
            Ok(Outcome::Complete)
        })
    }

    fn send_path(&self, message: &Bound<'_, PyAny>, kind: &Bound<'_, PyString>) -> PyResult<Outcome> {
        let py = message.py();
        let path: std::path::PathBuf = message.get_item(intern!(py, "path"))?.extract()?;
        if !path.is_absolute() {
            return Err(PyValueError::new_err(format!("the path of {kind} must be absolute: {}", path.display())));
        }
        let file = py.detach(|| File::open(&path))?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(PyIsADirectoryError::new_err(format!("{kind} cannot send a directory: {}", path.display())));
        }
        let length = metadata.len();
        self.step(kind, |inner, exchange| {
            inner.open(exchange, Some(length))?;
            exchange.send_file(file, 0, length)?;
            exchange.finish()?;
            Ok(Outcome::Complete)
        })
    }

    fn send_trailers(&self, message: &Bound<'_, PyAny>, kind: &Bound<'_, PyString>) -> PyResult<Outcome> {
        let py = message.py();
        let mut fields = Head::default();
        fields.set_fields(200, "", message::entry(message, intern!(py, "headers"))?.as_ref())?;
        fields.check().map_err(|error| PyValueError::new_err(error.to_string()))?;
        let more = message::flag(message, intern!(py, "more_trailers"))?;
        if self.lock().stage != Stage::Trailers {
            return Err(message::unexpected(kind, "the body is not complete, or no trailers were announced"));
        }
        self.step(kind, |inner, exchange| {
            inner.trailers.extend(fields.owned_fields());
            if more {
                return Ok(Outcome::Now);
            }
            let trailers = std::mem::take(&mut inner.trailers);
            let fields: Vec<(&[u8], &[u8])> = trailers.iter().map(|(name, value)| (&**name, &**value)).collect();
            exchange.finish_with(&fields)?;
            Ok(Outcome::Complete)
        })
    }

    fn send_hint(&self, message: &Bound<'_, PyAny>, kind: &Bound<'_, PyString>) -> PyResult<Outcome> {
        let py = message.py();
        let links: Vec<Vec<u8>> = match message::entry(message, intern!(py, "links"))? {
            Some(links) => links.try_iter()?.map(|link| link?.extract()).collect::<PyResult<_>>()?,
            None => Vec::new(),
        };
        if !matches!(self.lock().stage, Stage::Waiting | Stage::Given { .. } | Stage::Encoded { .. }) {
            return Err(message::unexpected(kind, "the response has been sent in part"));
        }
        self.step(kind, |_, exchange| {
            let fields: Vec<(&[u8], &[u8])> = links.iter().map(|link| (&b"Link"[..], &**link)).collect();
            exchange.early_hints(&fields)?;
            Ok(Outcome::Now)
        })
    }

    /// Takes a step of the response.
    fn step(
        &self,
        kind: &Bound<'_, PyString>,
        step: impl FnOnce(&mut Inner, &mut Exchange) -> Result<Outcome, ResponseError>,
    ) -> PyResult<Outcome> {
        let mut inner = self.lock();
        let Some(mut exchange) = inner.exchange.take() else {
            return Err(message::unexpected(kind, "the response is complete"));
        };
        let outcome = step(&mut inner, &mut exchange);
        inner.exchange = Some(exchange);
        outcome.map_err(|error| match error {
            ResponseError::Gone => {
                inner.is_gone = true;
                gone()
            }
            error => PyValueError::new_err(error.to_string()),
        })
    }

    pub(super) fn send_message(&self, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let kind = message::kind(message)?;
        self.send_as(py, message, &kind, kind.to_str()?)
    }

    /// Does what a message of the type `name` says; an application that refuses a WebSocket calls it by another one,
    /// `kind`.
    pub(in crate::asgi) fn send_as(
        &self,
        py: Python<'_>,
        message: &Bound<'_, PyAny>,
        kind: &Bound<'_, PyString>,
        name: &str,
    ) -> PyResult<Py<PyAny>> {
        let stage = match &*self.lock() {
            Inner { exchange: None, is_gone: true, .. } => return Err(gone()),
            Inner { stage, .. } => *stage,
        };
        let outcome = match (name, stage) {
            ("http.response.body", Stage::Waiting) => {
                return Err(message::unexpected(kind, "http.response.start has to come first"));
            }
            ("http.response.body", Stage::Trailers) => return Err(message::unexpected(kind, "the body is complete")),
            ("http.response.body", _) => self.send_body(py, message, kind)?,
            ("http.response.start", Stage::Waiting) => self.start(py, message, kind)?,
            ("http.response.start", _) => return Err(message::unexpected(kind, "the response has been started")),
            ("http.response.pathsend", Stage::Given { .. } | Stage::Encoded { .. }) => self.send_path(message, kind)?,
            ("http.response.pathsend", _) => return Err(message::unexpected(kind, "it follows http.response.start")),
            ("http.response.trailers", _) => self.send_trailers(message, kind)?,
            ("http.response.early_hint", _) => self.send_hint(message, kind)?,
            _ => return Err(message::unexpected(kind, "a response has none of this type")),
        };
        match outcome {
            Outcome::Now if self.lock().row.is_over() => Ok(Py::new(py, Sending::later())?.into_any()),
            Outcome::Now => Ok(self.engine.get().nothing(py)),
            Outcome::Drain => self.drain(py),
            Outcome::Complete => {
                self.complete(py)?;
                Ok(self.engine.get().nothing(py))
            }
        }
    }
}

//! What the application sends over an open WebSocket, and how it ends it.

use gunicorn::sys::clock;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::{Effects, Socket, State};
use crate::asgi::awaitable::Sending;
use crate::asgi::cycle::gone;
use crate::asgi::live::{Failure, Message, News};
use crate::asgi::message;

impl Socket {
    /// Does what a message says; gives what is to be awaited.
    pub(super) fn send_any(slf: &Bound<'_, Self>, message: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let kind = message::kind(message)?;
        let name = kind.to_str()?;
        match name {
            "websocket.send" => return Self::send_message(slf, message, &kind),
            "websocket.accept" => Self::accept(slf, message, &kind)?,
            "websocket.close" => Self::close(slf, message, &kind)?,
            "websocket.http.response.start" | "websocket.http.response.body" => {
                let is_denied = matches!(slf.get().lock().state, State::Denying(_));
                if name.ends_with("body") && !is_denied {
                    return Err(message::unexpected(&kind, "websocket.http.response.start has to come first"));
                }
                let cycle = slf.get().deny(py, &kind)?;
                return cycle.get().send_as(py, message, &kind, name.trim_start_matches("websocket."));
            }
            _ => return Err(message::unexpected(&kind, "a WebSocket has none of this type")),
        }
        Ok(slf.get().engine.get().nothing(py))
    }

    pub(super) fn send_message(
        slf: &Bound<'_, Self>,
        message: &Bound<'_, PyAny>,
        kind: &Bound<'_, PyString>,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let payload = match message::entry(message, intern!(py, "text"))? {
            Some(text) => Message::Text(text.extract()?),
            None => match message::bytes(message, intern!(py, "bytes"))? {
                Some(bytes) => Message::Binary(bytes.into()),
                None => return Err(PyValueError::new_err(format!("{kind} has neither text nor bytes"))),
            },
        };
        let (sent, is_flushed) = {
            let mut inner = slf.get().lock();
            let is_closed_by_us = inner.is_closed_by_us;
            match &mut inner.state {
                State::Open(live) => (live.send(clock::now(), payload), live.is_flushed()),
                State::Opening(_) => return Err(message::unexpected(kind, "websocket.accept has to come first")),
                State::Denying(_) => return Err(message::unexpected(kind, "the handshake has been refused")),
                State::Over if is_closed_by_us => return Err(message::unexpected(kind, "the WebSocket is closed")),
                State::Over => return Err(gone()),
            }
        };
        match sent {
            Ok(()) if is_flushed && slf.get().is_end_of_row() => Ok(Py::new(py, Sending::later())?.into_any()),
            Ok(()) if is_flushed => Ok(slf.get().engine.get().nothing(py)),
            Ok(()) => Self::drain(slf),
            Err(failure) => Err(Self::failed(slf, failure, kind)?),
        }
    }

    /// Waits for the client to take what is here.
    pub(super) fn drain(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let engine = slf.get().engine.get();
        let future = engine.future(slf.py())?;
        {
            let mut inner = slf.get().lock();
            if let State::Open(live) = &mut inner.state {
                engine.attend_upgraded(live.upgraded());
            }
            inner.sending.push(future.clone_ref(slf.py()));
        }
        // It may have been taken before the poll was asked.
        Self::drive(slf, false)?;
        Ok(Py::new(slf.py(), Sending::waits(future))?.into_any())
    }

    /// What a failure is to the application. One that means the client's end has its consequences.
    pub(super) fn failed(slf: &Bound<'_, Self>, failure: Failure, kind: &Bound<'_, PyString>) -> PyResult<PyErr> {
        let effects = {
            let mut inner = slf.get().lock();
            match failure {
                Failure::Code(code) => return Ok(PyValueError::new_err(format!("invalid close code {code}"))),
                Failure::Closed if inner.is_closed_by_us => {
                    return Ok(message::unexpected(kind, "websocket.close has been sent"));
                }
                Failure::Closed => return Ok(gone()),
                Failure::Gone => {
                    let mut effects = Effects::default();
                    inner.note(News::Broken, &mut effects);
                    effects
                }
            }
        };
        Self::perform(slf, effects)?;
        Ok(gone())
    }

    pub(super) fn close(slf: &Bound<'_, Self>, message: &Bound<'_, PyAny>, kind: &Bound<'_, PyString>) -> PyResult<()> {
        let py = slf.py();
        let code = message::entry(message, intern!(py, "code"))?.map_or(Ok(1000), |code| code.extract::<u16>())?;
        let reason: Option<String> = match message::entry(message, intern!(py, "reason"))? {
            Some(reason) => Some(reason.extract()?),
            None => None,
        };
        let is_opening = match &slf.get().lock().state {
            State::Opening(_) => true,
            State::Denying(_) => return Err(message::unexpected(kind, "the handshake has been refused")),
            State::Open(_) | State::Over => false,
        };
        if is_opening {
            return slf.get().refuse(py, 403);
        }
        match slf.get().begin_to_close(code, reason.as_deref().unwrap_or_default()) {
            Ok(()) => Self::drive(slf, false),
            Err(failure) => Err(Self::failed(slf, failure, kind)?),
        }
    }

    pub(super) fn begin_to_close(&self, code: u16, reason: &str) -> Result<(), Failure> {
        let mut inner = self.lock();
        let State::Open(live) = &mut inner.state else { return Err(Failure::Closed) };
        live.close(clock::now(), code, reason)?;
        inner.is_closed_by_us = true;
        inner.waiting = None;
        Ok(())
    }

    /// The application is through: a WebSocket that is open is closed, one that waits for an answer refused.
    pub(super) fn conclude(slf: &Bound<'_, Self>, status: u16, code: u16) -> PyResult<()> {
        slf.get().lock().is_through = true;
        slf.get().refuse(slf.py(), status)?;
        match slf.get().begin_to_close(code, "") {
            Ok(()) | Err(Failure::Closed | Failure::Code(_)) => Self::drive(slf, false),
            Err(failure) => Self::failed(slf, failure, intern!(slf.py(), "websocket.close")).map(drop),
        }
    }
}

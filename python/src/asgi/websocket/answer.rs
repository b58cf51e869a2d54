//! How the handshake is answered: accepted, refused, or by a response of the application's own.

use gunicorn::http::ResponseError;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::{ABNORMAL, Opening, Socket, State};
use crate::asgi::awaitable::is_done;
use crate::asgi::cycle::{Cycle, gone};
use crate::asgi::message;
use crate::wsgi::Head;

impl Socket {
    pub(super) fn accept(
        slf: &Bound<'_, Self>,
        message: &Bound<'_, PyAny>,
        kind: &Bound<'_, PyString>,
    ) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let subprotocol: Option<String> = match message::entry(message, intern!(py, "subprotocol"))? {
            Some(name) => Some(name.extract()?),
            None => None,
        };
        let mut head = Head::default();
        head.set_fields(101, "", message::entry(message, intern!(py, "headers"))?.as_ref())?;
        let fields = head.owned_fields();
        let fields: Vec<(&[u8], &[u8])> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        this.switch(kind, subprotocol.as_deref(), &fields)?;
        Self::drive(slf, false)
    }

    pub(super) fn switch(
        &self,
        kind: &Bound<'_, PyString>,
        subprotocol: Option<&str>,
        fields: &[(&[u8], &[u8])],
    ) -> PyResult<()> {
        let mut inner = self.lock();
        let is_gone = inner.ended.is_some();
        match &mut inner.state {
            State::Opening(_) if is_gone => return Err(gone()),
            State::Opening(opening) => {
                let Opening { exchange, handshake, .. } = &mut **opening;
                let sent = exchange.switch_to_websocket(handshake, subprotocol.map(str::as_bytes), fields);
                sent.map_err(|error| match error {
                    ResponseError::Gone => gone(),
                    error => PyValueError::new_err(error.to_string()),
                })?;
            }
            _ => return Err(message::unexpected(kind, "the handshake has been answered")),
        }
        if let State::Opening(opening) = std::mem::replace(&mut inner.state, State::Over) {
            let Opening { exchange, handshake, began, lane } = *opening;
            let live = self.engine.get().upgrade(exchange, handshake.deflate(), began, lane);
            inner.state = State::Open(Box::new(live));
        }
        Ok(())
    }

    /// Answers the handshake with this status, if it has not been answered.
    pub(super) fn refuse(&self, py: Python<'_>, status: u16) -> PyResult<()> {
        let mut inner = self.lock();
        let State::Opening(_) = &inner.state else { return Ok(()) };
        let State::Opening(opening) = std::mem::replace(&mut inner.state, State::Over) else { return Ok(()) };
        let Opening { mut exchange, began, lane, .. } = *opening;
        match inner.ended.is_some() {
            true => exchange.abort(),
            false => exchange.refuse(status, ""),
        }
        inner.ended.get_or_insert((ABNORMAL, "".into()));
        inner.is_closed_by_us = true;
        let receivers = std::mem::take(&mut inner.receiving);
        drop(inner);
        self.engine.get().complete(py, exchange, began, lane);
        for future in receivers {
            if !is_done(future.bind(py))? {
                future.call_method1(py, intern!(py, "set_result"), (py.None(),))?;
            }
        }
        Ok(())
    }

    /// The application answers the handshake as it would answer a request: from now on by a cycle.
    pub(super) fn deny(&self, py: Python<'_>, kind: &Bound<'_, PyString>) -> PyResult<Py<Cycle>> {
        let mut inner = self.lock();
        match &inner.state {
            State::Denying(cycle) => return Ok(cycle.clone_ref(py)),
            State::Opening(_) if inner.ended.is_some() => return Err(gone()),
            State::Opening(_) => {}
            State::Open(_) | State::Over => return Err(message::unexpected(kind, "the handshake has been answered")),
        }
        let State::Opening(opening) = std::mem::replace(&mut inner.state, State::Over) else { return Err(gone()) };
        drop(inner);
        let Opening { exchange, began, lane, .. } = *opening;
        let cycle = Py::new(py, Cycle::new(exchange, self.engine.clone_ref(py), began, lane))?;
        let mut inner = self.lock();
        inner.state = State::Denying(cycle.clone_ref(py));
        inner.ended.get_or_insert((ABNORMAL, "".into()));
        Ok(cycle)
    }
}

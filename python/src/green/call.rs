//! One request in its greenlet: what `_green.py` begins, fails and ends.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gunicorn::reactor::Exchange;
use gunicorn::time::Time;
use pyo3::prelude::*;

use super::engine::Engine;
use crate::guest::Host;
use crate::wsgi::{self, Instead, Kit, Record, Refused};

/// Where the exchange is.
enum Stage {
    /// Not begun.
    Fresh(Box<Exchange>),
    /// Lent to the objects of the application.
    Lent(Kit),
    /// Back, since it failed.
    Failed(Box<Exchange>, Instead),
    /// With the reactor.
    Ended,
}

/// The Python object.
#[pyclass(frozen, name = "Call", module = "gunicorn_rs")]
pub(super) struct Call {
    engine: Py<Engine>,
    stage: Mutex<Stage>,
    began: Time,
    lane: Option<usize>,
}

/// Level, message and exception of a record of the log.
type Told = (&'static str, String, Option<Py<PyAny>>);

/// What the application is called with, and who waits for the client; or why it is not.
type Begun = (Option<Py<PyAny>>, Option<Py<PyAny>>, Option<Py<PyAny>>, Option<Told>);

impl Call {
    pub(super) fn new(exchange: Box<Exchange>, engine: Py<Engine>, began: Time, lane: Option<usize>) -> Self {
        Self { engine, stage: Mutex::new(Stage::Fresh(exchange)), began, lane }
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Stage {
        std::mem::replace(&mut *self.lock(), Stage::Ended)
    }

    fn set(&self, stage: Stage) {
        *self.lock() = stage;
    }

    /// A fork that comes this far has nothing to do with the client.
    fn give_back(&self, py: Python<'_>, mut exchange: Box<Exchange>, instead: Option<&Instead>) {
        let engine = self.engine.get();
        if engine.guest().has_left() {
            // Dropped, it would shut the connection down.
            return std::mem::forget(exchange);
        }
        if let Some(instead) = instead {
            instead.give(&mut exchange);
        }
        let place = exchange.place();
        engine.guest().complete(py, exchange, self.began, self.lane);
        // Who waits for the client now, a greenlet that the request has left behind, waits in vain.
        engine.wake_or_complain(py, place);
    }

    /// Takes the exchange back from the application; nobody has it any more if it has ended.
    fn recall(&self, py: Python<'_>) -> Option<wsgi::Sending> {
        match self.take() {
            Stage::Lent(kit) => Some(self.engine.get().app.end(py, kit)),
            Stage::Fresh(exchange) => {
                self.set(Stage::Failed(exchange, Instead::Page(500, String::new())));
                None
            }
            other => {
                self.set(other);
                None
            }
        }
    }
}

#[pymethods]
impl Call {
    /// Makes what the application is called with.
    fn begin(&self, py: Python<'_>) -> Begun {
        let Stage::Fresh(exchange) = self.take() else { return (None, None, None, None) };
        match self.engine.get().app.begin(py, exchange) {
            Ok((kit, environ)) => {
                let (start_response, client) = kit.for_greenlet(py);
                self.set(Stage::Lent(kit));
                (Some(environ.into_any().unbind()), Some(start_response), client, None)
            }
            Err(refused) => {
                let Refused { exchange, record, instead } = *refused;
                self.set(Stage::Failed(exchange, instead));
                (None, None, None, Some(told(py, record)))
            }
        }
    }

    /// The application has raised; gives what is to be told of it.
    fn fail(&self, py: Python<'_>, error: &Bound<'_, PyAny>) -> Option<Told> {
        let sending = self.recall(py)?;
        let (record, instead) = wsgi::fail(py, &sending, PyErr::from_value(error.clone()));
        self.set(Stage::Failed(sending.exchange, instead));
        Some(told(py, record))
    }

    /// The application has been ended, or has answered by the socket.
    fn abandon(&self, py: Python<'_>) {
        if let Some(sending) = self.recall(py) {
            self.set(Stage::Failed(sending.exchange, Instead::Nothing));
        }
    }

    /// The request is over: the exchange goes back to the reactor.
    fn end(&self, py: Python<'_>) {
        let sending = self.recall(py);
        match (self.take(), sending) {
            (_, Some(sending)) => self.give_back(py, sending.exchange, None),
            (Stage::Failed(exchange, instead), None) => self.give_back(py, exchange, Some(&instead)),
            (_, None) => {}
        }
    }
}

impl Drop for Call {
    /// A greenlet that is killed before it has begun, or that could not be made, ends nothing: its request fails here.
    /// Nobody drops one with a lock in hand.
    fn drop(&mut self) {
        let (exchange, instead) = match self.take() {
            Stage::Fresh(exchange) => (exchange, Instead::Page(500, String::new())),
            Stage::Failed(exchange, instead) => (exchange, instead),
            Stage::Lent(_) | Stage::Ended => return,
        };
        if self.engine.get().guest().has_left() {
            return std::mem::forget(exchange);
        }
        // Without an interpreter there is no reactor that would take it back.
        let mut exchange = Some(exchange);
        Python::try_attach(|py| exchange.take().map(|exchange| self.give_back(py, exchange, Some(&instead))));
    }
}

fn told(py: Python<'_>, record: Record) -> Told {
    (record.level, record.message, record.error.map(|error| error.into_value(py).into_any()))
}

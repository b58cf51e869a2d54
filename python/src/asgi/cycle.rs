//! One request and its response: the Python object behind `receive` and `send`.

mod receive;
mod send;

use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gunicorn::reactor::{Attention, Exchange, RequestBody, ResponseError};
use gunicorn::sys::clock;
use gunicorn::time::Time;
use pyo3::exceptions::{PyConnectionResetError, PyOSError};
use pyo3::prelude::*;

use super::awaitable::{Row, Sending, fail_all, wake};
use super::engine::Engine;
use super::message;
use super::receiving::Receiving;
use crate::wsgi::Head;

/// How far the response has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was sent by the application.
    Waiting,
    /// Its head; whether trailers are to come.
    Given { trailers: bool },
    /// As `Given`, and the head is encoded, since the length of the body is in it.
    Encoded { trailers: bool },
    /// Its head has left, or may have.
    Streaming { trailers: bool },
    /// Only trailers are missing.
    Trailers,
    /// It is complete, or was given up.
    Done,
}

/// What `receive` has still to give.
#[derive(Debug)]
enum Incoming {
    /// All that has arrived, and nothing was asked for yet.
    Fresh(RequestBody),
    /// What arrives.
    Open,
    /// Nothing but the end.
    Read,
}

struct Inner {
    exchange: Option<Box<Exchange>>,
    /// The head that is not encoded yet.
    head: Head,
    stage: Stage,
    incoming: Incoming,
    trailers: Vec<(Vec<u8>, Vec<u8>)>,
    /// A message that has arrived for who waits, and that nobody has taken.
    arrived: Option<Py<PyAny>>,
    /// The futures that wait in `receive`.
    receiving: Vec<Py<PyAny>>,
    /// The futures that wait in `send`.
    sending: Vec<Py<PyAny>>,
    is_gone: bool,
    /// When a client that sends nothing more of its body, or takes nothing, has had its time.
    body_due: Option<Time>,
    write_due: Option<Time>,
    row: Row,
    began: Time,
    lane: Option<usize>,
}

/// The Python object.
#[pyclass(frozen, name = "Cycle", module = "gunicorn_rs")]
pub(super) struct Cycle {
    inner: Mutex<Inner>,
    engine: Py<Engine>,
}

impl Cycle {
    pub(super) fn new(mut exchange: Box<Exchange>, engine: Py<Engine>, began: Time, lane: Option<usize>) -> Self {
        let incoming = Incoming::Fresh(exchange.take_body());
        let inner = Inner {
            exchange: Some(exchange),
            head: Head::default(),
            stage: Stage::Waiting,
            incoming,
            trailers: Vec::new(),
            arrived: None,
            receiving: Vec::new(),
            body_due: None,
            write_due: None,
            sending: Vec::new(),
            is_gone: false,
            row: Row::default(),
            began,
            lane,
        };
        Self { inner: Mutex::new(inner), engine }
    }

    /// Held for moments, and never while Python code runs.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the reactor tell of the client's socket, if the exchange is not over.
    pub(super) fn attend(&self) -> Option<Attention> {
        let mut inner = self.lock();
        let exchange = inner.exchange.as_mut()?;
        self.engine.get().attend(exchange);
        Some(self.engine.get().attention_to(exchange))
    }

    /// The reactor has told of it. Whether the client has gone just now.
    pub(super) fn notice(&self, py: Python<'_>, attention: Attention) -> PyResult<bool> {
        if attention.is_due {
            self.lose_patience(py)?;
        }
        self.go_on_receiving(py)?;
        self.go_on_sending(py)?;
        if attention.hung_up { self.note_end(py) } else { Ok(false) }
    }

    /// A body that pauses, or a reader that takes nothing, has had its time.
    fn lose_patience(&self, py: Python<'_>) -> PyResult<()> {
        let now = clock::now();
        let (is_sending, is_receiving) = {
            let inner = self.lock();
            let is_late = |due: Option<Time>| due.is_some_and(|due| due <= now);
            (is_late(inner.write_due), is_late(inner.body_due))
        };
        if is_sending {
            if let Some(exchange) = &mut self.lock().exchange {
                // It is an error by definition.
                let _ = exchange.lose();
            }
            self.note_lost(py)?;
        } else if is_receiving && self.is_anybody_receiving(py)? {
            if let Some(exchange) = &mut self.lock().exchange {
                exchange.give_up_body();
            }
            self.go_on_receiving(py)?;
        }
        self.lock().body_due.take_if(|due| *due <= now);
        self.set_deadline();
        Ok(())
    }

    /// Resolves `send`, if the output is sent.
    fn go_on_sending(&self, py: Python<'_>) -> PyResult<()> {
        let moved = match &mut *self.lock() {
            Inner { exchange: Some(exchange), sending, .. } if !sending.is_empty() => {
                exchange.try_flush().map(|moved| (moved, exchange.is_flushed()))
            }
            _ => return Ok(()),
        };
        match moved {
            Ok((moved, false)) => {
                self.await_reader(moved > 0);
                Ok(())
            }
            Ok((_, true)) => {
                let sending = {
                    let mut inner = self.lock();
                    inner.write_due = None;
                    std::mem::take(&mut inner.sending)
                };
                self.set_deadline();
                wake(py, &sending)
            }
            Err(_) => self.note_lost(py),
        }
    }

    /// The client sends no more: whoever listens is told that it has gone. Whether that is news of a request that goes
    /// on. It may still read (RFC 9293, section 3.6), which only a write can tell.
    fn note_end(&self, py: Python<'_>) -> PyResult<bool> {
        let (receiving, is_news) = {
            let mut inner = self.lock();
            let is_news = !std::mem::replace(&mut inner.is_gone, true) && inner.exchange.is_some();
            (std::mem::take(&mut inner.receiving), is_news)
        };
        wake(py, &receiving)?;
        Ok(is_news)
    }

    /// Nothing can be sent to the client: whoever waits is told.
    fn note_lost(&self, py: Python<'_>) -> PyResult<()> {
        self.note_end(py)?;
        let sending = std::mem::take(&mut self.lock().sending);
        fail_all(py, &sending)
    }

    /// What `receive` is to give now; `None`: it has to wait.
    fn next_message(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let next = self.lock().next_of_body();
        match next {
            Next::Part(body, more) => Ok(Some(message::request(py, &body, more)?.into_any().unbind())),
            Next::Wait => Ok(None),
            Next::Disconnect => Ok(Some(message::disconnect(py)?.into_any().unbind())),
            Next::Refuse(status) => {
                self.refuse(py, status)?;
                Ok(Some(message::disconnect(py)?.into_any().unbind()))
            }
        }
    }

    /// Has the client answered with this status, if nothing has been, and ends the exchange.
    fn refuse(&self, py: Python<'_>, status: u16) -> PyResult<()> {
        let mut inner = self.lock();
        inner.stage = Stage::Done;
        let exchange = inner.exchange.take();
        drop(inner);
        let (receiving, sending) = self.take_waiting();
        if let Some(mut exchange) = exchange {
            exchange.refuse(status, "");
            self.give_back(py, exchange);
        }
        wake(py, &receiving)?;
        fail_all(py, &sending)
    }

    /// The exchange is over: it goes back to the reactor.
    fn give_back(&self, py: Python<'_>, exchange: Box<Exchange>) {
        let (began, lane) = {
            let mut inner = self.lock();
            (inner.began, inner.lane.take())
        };
        self.engine.get().complete(py, exchange, began, lane);
    }

    fn complete(&self, py: Python<'_>) -> PyResult<()> {
        let exchange = {
            let mut inner = self.lock();
            inner.stage = Stage::Done;
            inner.exchange.take()
        };
        let (receiving, sending) = self.take_waiting();
        if let Some(exchange) = exchange {
            self.give_back(py, exchange);
        }
        // To an application that still listens the end of the response is that of the client.
        wake(py, &receiving)?;
        wake(py, &sending)
    }

    fn future(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.engine.get().future(py)
    }

    /// Has the reactor tell of it when the next of its times is over.
    fn set_deadline(&self) {
        let inner = self.lock();
        if let Some(exchange) = &inner.exchange {
            let due = [inner.body_due, inner.write_due].into_iter().flatten().min();
            self.engine.get().set_deadline(exchange.place(), due);
        }
    }

    /// Gives the client its time to take something, anew if it `has_moved`.
    fn await_reader(&self, has_moved: bool) {
        let due = clock::now() + self.engine.get().write_timeout();
        {
            let mut inner = self.lock();
            inner.write_due = if has_moved { Some(due) } else { inner.write_due.or(Some(due)) };
        }
        self.set_deadline();
    }

    /// Waits for the client to take what is here.
    fn drain(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let future = self.future(py)?;
        let mut inner = self.lock();
        if let Some(exchange) = &mut inner.exchange {
            self.engine.get().attend(exchange);
        }
        inner.sending.push(future.clone_ref(py));
        drop(inner);
        self.await_reader(false);
        // It may have been taken before the poll was asked.
        self.go_on_sending(py)?;
        self.engine.get().schedule(py)?;
        Ok(Py::new(py, Sending::waits(future))?.into_any())
    }

    /// The application is through: what it left undone is done for it.
    fn conclude(&self, py: Python<'_>) -> PyResult<()> {
        let (mut exchange, is_gone) = {
            let mut inner = self.lock();
            inner.stage = Stage::Done;
            let Some(exchange) = inner.exchange.take() else { return Ok(()) };
            (exchange, inner.is_gone)
        };
        let (receiving, sending) = self.take_waiting();
        match is_gone || exchange.is_head_sent() {
            true => exchange.abort(),
            false => exchange.refuse(500, ""),
        }
        self.give_back(py, exchange);
        wake(py, &receiving)?;
        fail_all(py, &sending)
    }

    /// Who waits in `receive` and in `send`.
    fn take_waiting(&self) -> (Vec<Py<PyAny>>, Vec<Py<PyAny>>) {
        let mut inner = self.lock();
        (std::mem::take(&mut inner.receiving), std::mem::take(&mut inner.sending))
    }
}

/// What has been found for `receive`.
enum Next {
    Part(Vec<u8>, bool),
    Wait,
    Disconnect,
    /// The body is none: the client is told by this status.
    Refuse(u16),
}

impl Inner {
    fn next_of_body(&mut self) -> Next {
        let Some(exchange) = self.exchange.as_mut() else { return Next::Disconnect };
        match std::mem::replace(&mut self.incoming, Incoming::Read) {
            Incoming::Fresh(body) => {
                let more = exchange.is_body_open();
                if more {
                    self.incoming = Incoming::Open;
                }
                Next::Part(bytes_of(body), more)
            }
            Incoming::Open => match exchange.try_body() {
                Ok(Some(body)) => {
                    let more = exchange.is_body_open();
                    if more {
                        self.incoming = Incoming::Open;
                    }
                    Next::Part(body, more)
                }
                Ok(None) => {
                    self.incoming = Incoming::Open;
                    Next::Wait
                }
                Err(error) => {
                    self.is_gone = true;
                    Next::Refuse(error.status())
                }
            },
            // A body that has arrived is given although its sender has gone.
            Incoming::Read if self.is_gone => Next::Disconnect,
            Incoming::Read => Next::Wait,
        }
    }

    /// Starts the response if that has not been done; whether trailers are to come.
    fn open(&mut self, exchange: &mut Exchange, body_length: Option<u64>) -> Result<bool, ResponseError> {
        match self.stage {
            Stage::Given { trailers } => {
                self.head.start(exchange, body_length.filter(|_| !trailers))?;
                Ok(trailers)
            }
            Stage::Encoded { trailers } | Stage::Streaming { trailers } => Ok(trailers),
            Stage::Waiting | Stage::Trailers | Stage::Done => Err(ResponseError::Status("none was given".to_owned())),
        }
    }
}

#[pymethods]
impl Cycle {
    /// Whether the response is not complete: a client that goes is news to its application.
    fn is_open(&self) -> bool {
        self.lock().exchange.is_some()
    }

    fn receive(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let receiving = Receiving::of_request(slf.clone().unbind());
        Ok(Py::new(slf.py(), receiving)?.into_any())
    }

    /// Gives what is to be awaited: a coroutine.
    fn send(&self, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        Sending::of(py, self.send_message(py, message))
    }

    /// The application has returned.
    pub(super) fn end(&self, py: Python<'_>) -> PyResult<()> {
        let complaint = {
            let inner = self.lock();
            match (&inner.exchange, inner.is_gone, inner.stage) {
                (None, ..) => return Ok(()),
                (_, true, _) => None,
                (_, _, Stage::Waiting) => Some("the application has returned without starting the response"),
                _ => Some("the application has returned without completing the response"),
            }
        };
        if let Some(complaint) = complaint {
            message::complaint(complaint).log(py);
        }
        self.conclude(py)
    }

    /// The application has raised.
    pub(super) fn fail(&self, py: Python<'_>, error: &Bound<'_, PyAny>) -> PyResult<()> {
        let (is_gone, request) = {
            let inner = self.lock();
            let request = inner.exchange.as_ref().map(|exchange| {
                let head = exchange.head();
                format!("{} {}", head.method().escape_ascii(), head.target().escape_ascii())
            });
            (inner.is_gone, request)
        };
        if !(is_gone && error.is_instance_of::<PyOSError>()) {
            message::failure(request.as_deref(), error).log(py);
        }
        self.conclude(py)
    }
}

/// All of a body that has arrived.
fn bytes_of(body: RequestBody) -> Vec<u8> {
    match body {
        RequestBody::Memory(bytes) => bytes,
        RequestBody::File(mut file, length) => {
            let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
            // What cannot be read is missed by whoever counts the bytes; the disk has failed.
            let _ = file.read_to_end(&mut bytes);
            bytes
        }
    }
}

pub(super) fn gone() -> PyErr {
    PyConnectionResetError::new_err("the client has gone")
}

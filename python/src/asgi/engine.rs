//! The reactor on an event loop: what the loop calls, and what it is asked for.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gunicorn::http::ws;
use gunicorn::reactor::{Attention, Exchange};
use gunicorn::time::Time;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use super::awaitable::Ready;
use super::clients::Client;
use super::scope::Scopes;
use crate::guest::{Guest, Host, State};

/// Bound methods of the loop and the runner.
struct Calls {
    call_later: Py<PyAny>,
    create_future: Py<PyAny>,
    start: Py<PyAny>,
    cancel: Py<PyAny>,
    settle: Py<PyAny>,
    log: Py<PyAny>,
}

/// What the engine keeps to.
pub(super) struct Terms {
    pub(super) graceful_timeout: Duration,
    pub(super) write_timeout: Duration,
    pub(super) disconnect_grace: Duration,
    pub(super) websocket: ws::Options,
    /// `None`: messages are not compressed.
    pub(super) deflate: Option<ws::DeflateOptions>,
}

/// The Python object.
#[pyclass(frozen, name = "Engine", module = "gunicorn_rs")]
pub(super) struct Engine {
    guest: Guest,
    pub(super) terms: Terms,
    pub(super) scopes: Scopes,
    calls: PyOnceLock<Calls>,
    nothing: Py<PyAny>,
    /// Clients that are told of, by the places of their connections.
    pub(super) attended: Mutex<HashMap<usize, Client>>,
    /// Those whose application has been started in this turn.
    pub(super) fresh: Mutex<Vec<Client>>,
    /// What WebSockets read into.
    pub(super) buffer: Mutex<Vec<u8>>,
}

impl Engine {
    pub(super) fn new(py: Python<'_>, guest: Guest, scopes: Scopes, terms: Terms) -> PyResult<Self> {
        Ok(Self {
            guest,
            terms,
            scopes,
            calls: PyOnceLock::new(),
            nothing: Py::new(py, Ready::nothing())?.into_any(),
            attended: Mutex::default(),
            fresh: Mutex::default(),
            buffer: Mutex::default(),
        })
    }

    /// Tells it the loop and the runner.
    pub(super) fn join(
        engine: &Bound<'_, Self>,
        event_loop: &Bound<'_, PyAny>,
        runner: &Bound<'_, PyAny>,
        log: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let of = |object: &Bound<'_, PyAny>, name: &str| object.getattr(name).map(Bound::unbind);
        let calls = Calls {
            call_later: of(event_loop, "call_later")?,
            create_future: of(event_loop, "create_future")?,
            start: of(runner, "start")?,
            cancel: of(runner, "cancel")?,
            settle: of(engine, "settle")?,
            log: log.clone().unbind(),
        };
        // It is told once.
        let _ = engine.get().calls.set(engine.py(), calls);
        Guest::join(engine, event_loop)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.guest.state()
    }

    fn calls<'a>(&'a self, py: Python<'_>) -> PyResult<&'a Calls> {
        self.calls.get(py).ok_or_else(|| pyo3::exceptions::PyRuntimeError::new_err("the engine has no loop yet"))
    }

    /// An awaitable that is ready, without a value.
    pub(super) fn nothing(&self, py: Python<'_>) -> Py<PyAny> {
        self.nothing.clone_ref(py)
    }

    /// A new future of the loop.
    pub(super) fn future(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.calls(py)?.create_future.call0(py)
    }

    /// How long a client may take nothing.
    pub(super) fn write_timeout(&self) -> Duration {
        self.terms.write_timeout
    }

    /// Has the reactor tell of the exchange's socket.
    pub(super) fn attend(&self, exchange: &mut Exchange) {
        self.guest.attend(exchange);
    }

    /// What is known of it by now.
    pub(super) fn attention_to(&self, exchange: &Exchange) -> Attention {
        self.state().reactor.attention_to(exchange)
    }

    /// Sets or clears the time by which it is to tell of it in any case.
    pub(super) fn set_deadline(&self, place: usize, deadline: Option<Time>) {
        self.state().reactor.set_deadline(place, deadline);
    }

    /// Takes an exchange back, which may let the next request of its connection in.
    pub(super) fn complete(&self, py: Python<'_>, exchange: Box<Exchange>, began: Time, lane: Option<usize>) {
        let place = exchange.place();
        self.guest.complete(py, exchange, began, lane);
        self.detach(place);
    }

    /// Sees to it that the loop calls `turn` in time.
    pub(super) fn schedule(&self, py: Python<'_>) -> PyResult<()> {
        self.guest.schedule(py)
    }

    /// The scoreboard shows a request.
    pub(super) fn note_beginning(&self, exchange: &Exchange, began: Time, lane: Option<usize>) {
        self.guest.note_beginning(exchange, began, lane);
    }

    /// The response is complete, or as complete as it gets.
    pub(super) fn note_end(&self, exchange: &Exchange, took: Duration, lane: Option<usize>) {
        self.guest.note_end(exchange, took, lane);
    }

    /// Starts the application; whether it is through already.
    pub(super) fn start(&self, client: &Bound<'_, PyAny>, scope: Bound<'_, PyDict>) -> PyResult<bool> {
        let py = client.py();
        let (receive, send) = (client.getattr(intern!(py, "receive"))?, client.getattr(intern!(py, "send"))?);
        self.calls(py)?.start.bind(py).call1((client, scope, receive, send))?.is_truthy()
    }

    /// Has the client watched when its application has taken its first step.
    pub(super) fn remember(&self, client: Client) {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner).push(client);
    }

    /// What was at this place is over.
    pub(super) fn forget(&self, py: Python<'_>, place: usize) {
        self.detach(place);
        self.guest.schedule_or_complain(py);
    }

    fn detach(&self, place: usize) {
        let client = self.attended.lock().unwrap_or_else(PoisonError::into_inner).remove(&place);
        drop(client);
    }

    /// Cancels the application of a client that has gone, after its grace.
    pub(super) fn cancel_later(&self, client: &Bound<'_, PyAny>) -> PyResult<()> {
        let calls = self.calls(client.py())?;
        let grace = self.terms.disconnect_grace.as_secs_f64();
        calls.call_later.call1(client.py(), (grace, &calls.cancel, client)).map(drop)
    }

    /// Tells the operator of an exception in the application.
    pub(super) fn report(&self, py: Python<'_>, request: Option<&str>, error: &Bound<'_, PyAny>) -> PyResult<()> {
        let what = request.map_or_else(|| "after the response".to_owned(), |request| format!("at {request}"));
        let keywords = [("exc_info", error)];
        let keywords = pyo3::types::IntoPyDict::into_py_dict(keywords, py)?;
        let log = self.calls(py)?.log.bind(py);
        log.call_method("error", ("Exception in ASGI application %s", what), Some(&keywords)).map(drop)
    }

    /// Tells the operator of something that the application has done wrong.
    pub(super) fn complain(&self, py: Python<'_>, what: &str) -> PyResult<()> {
        self.calls(py)?.log.bind(py).call_method1("error", ("ASGI: %s", what)).map(drop)
    }

    /// Whether the worker has begun to stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.guest.is_stopping()
    }

    /// The exit code, once the loop has been stopped.
    pub(super) fn exit_code(&self) -> i32 {
        self.guest.exit_code()
    }

    /// The loop has ended: the rest of the process's life has a deadline too.
    pub(super) fn finish(&self) {
        self.guest.finish();
    }
}

impl Host for Engine {
    fn guest(&self) -> &Guest {
        &self.guest
    }

    fn begin(slf: &Bound<'_, Self>, exchange: Box<Exchange>, lane: Option<usize>) -> PyResult<()> {
        Self::begin(slf, exchange, lane)
    }

    fn tell(slf: &Bound<'_, Self>, news: Attention) -> PyResult<()> {
        slf.get().tell(slf.py(), news)
    }

    /// The applications that were started take their first step before the loop comes to `settle`.
    fn turned(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let is_any_fresh = !this.fresh.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if is_any_fresh { this.guest.call_soon(py, &this.calls(py)?.settle) } else { Ok(()) }
    }

    fn begin_to_stop(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.get().say_farewell(slf.py())
    }
}

#[pymethods]
impl Engine {
    /// The reactor's poll is readable.
    fn turn(slf: &Bound<'_, Self>) -> PyResult<()> {
        Guest::turn(slf)
    }

    /// The time for which `turn` was wanted has come.
    fn alarm(slf: &Bound<'_, Self>) -> PyResult<()> {
        Guest::alarm(slf)
    }

    /// There was something to do at once.
    fn soon(slf: &Bound<'_, Self>) -> PyResult<()> {
        Guest::soon(slf)
    }

    /// The applications that were started have taken their first step: the clients of those that go on are watched.
    fn settle(&self, py: Python<'_>) -> PyResult<()> {
        self.watch_fresh(py)
    }

    /// Shows that the loop runs, and has itself called again.
    fn beat(&self, py: Python<'_>) -> PyResult<()> {
        self.guest.beat(py)
    }

    /// Whether the worker ends in order.
    fn is_graceful(&self) -> bool {
        self.guest.is_graceful()
    }

    /// Seconds that requests and background work have left in a graceful stop.
    fn grace_left(&self) -> f64 {
        self.guest.grace_left()
    }

    /// Seconds that the lifespan has left.
    fn last_left(&self) -> f64 {
        self.guest.last_left()
    }
}

//! The reactor on an event loop: what the loop calls, and what it is asked for.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gunicorn::http::ws;
use gunicorn::log;
use gunicorn::reactor::{Attention, Exchange};
use gunicorn::time::Time;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use super::awaitable::Sending;
use super::calls::Calls;
use super::clients::Client;
use super::hungry::Hungry;
use super::scope::Scopes;
use crate::guest::{Guest, Host, State};
use crate::wsgi::Head;
use crate::zygote;

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
    /// The memory of a response head.
    head: Mutex<Head>,
    /// What WebSockets read into.
    pub(super) buffer: Mutex<Vec<u8>>,
    pub(super) hungry: Hungry,
}

impl Engine {
    pub(super) fn new(py: Python<'_>, guest: Guest, scopes: Scopes, terms: Terms) -> PyResult<Self> {
        Ok(Self {
            guest,
            terms,
            scopes,
            calls: PyOnceLock::new(),
            nothing: Py::new(py, Sending::nothing())?.into_any(),
            attended: Mutex::default(),
            fresh: Mutex::default(),
            head: Mutex::default(),
            buffer: Mutex::default(),
            hungry: Hungry::default(),
        })
    }

    /// Tells it the loop and the runner.
    pub(super) fn join(
        engine: &Bound<'_, Self>,
        event_loop: &Bound<'_, PyAny>,
        runner: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let calls = Calls::of(engine, event_loop, runner)?;
        // It is told once.
        let _ = engine.get().calls.set(engine.py(), calls);
        Guest::join(engine, runner)
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

    /// Memory for a response head.
    pub(super) fn take_head(&self) -> Head {
        std::mem::take(&mut *self.head.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps the memory of a head that is done with, if it is not large.
    pub(super) fn keep_head(&self, head: Head) {
        if head.is_small() {
            *self.head.lock().unwrap_or_else(PoisonError::into_inner) = head;
        }
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
        if let Err(error) = self.hungry.tell(py, self) {
            log::error!("{}", zygote::traceback(py, &error).trim_end());
        }
    }

    /// Sees to it that the loop calls `turn` in time.
    pub(super) fn schedule(&self, py: Python<'_>) -> PyResult<()> {
        self.guest.schedule(py)
    }

    /// Has the loop call `turn` before it waits.
    pub(super) fn turn_soon(&self, py: Python<'_>) -> PyResult<()> {
        self.guest.turn_soon(py)
    }

    /// The scoreboard shows a request.
    pub(super) fn note_beginning(&self, exchange: &Exchange, began: Time, lane: Option<usize>) {
        self.guest.note_beginning(exchange, began, lane);
    }

    /// The response is complete, or as complete as it gets.
    pub(super) fn note_end(&self, exchange: &Exchange, began: Time, lane: Option<usize>) {
        self.guest.note_end(exchange, began, lane);
    }

    /// Starts the application; whether it is through already.
    pub(super) fn start(&self, client: &Bound<'_, PyAny>, scope: Bound<'_, PyDict>) -> PyResult<bool> {
        self.calls(client.py())?.start(client, scope)
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
    fn turned(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let (py, this) = (slf.py(), slf.get());
        let held = this.state().reactor.memory_held();
        this.hungry.drive(py, held);
        let is_any_fresh = !this.fresh.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if is_any_fresh {
            this.guest.call_soon(py, &this.calls(py)?.settle)?;
        }
        Ok(is_any_fresh)
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
        let watched = self.watch_fresh(py);
        self.guest.settle(py).and(watched)
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

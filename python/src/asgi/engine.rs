//! The reactor on an event loop: what the loop calls, and what it is asked for.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gunicorn::http::ws;
use gunicorn::log;
use gunicorn::reactor::{Attention, Exchange, Reactor};
use gunicorn::scoreboard::{LANES, SlotCells};
use gunicorn::sys::clock;
use gunicorn::time::Time;
use gunicorn::worker::control::{Control, Stop};
use gunicorn::worker::lifecycle::{Course, Lifecycle};
use gunicorn::worker::{AccessLog, BROKEN};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use super::awaitable::Sending;
use super::clients::Client;
use super::hungry::Hungry;
use super::scope::Scopes;
use crate::zygote;

/// Turns in a row before the loop's other callbacks are let run.
const TURNS: u32 = 4;

/// What requests that do not end leave of `graceful_timeout` to the shut-down of the lifespan, or a quarter of it if
/// that is less.
const LIFESPAN_RESERVE: Duration = Duration::from_secs(2);

/// What is used for moments only, and never while Python code runs.
pub(super) struct State {
    pub(super) reactor: Reactor,
    lifecycle: Lifecycle<'static>,
    /// Lanes of the scoreboard that no request has.
    lanes: Vec<usize>,
    /// When the loop is to call `alarm`, and what it has given for that.
    timer: Option<(Time, Py<PyAny>)>,
    /// It is to call `soon` when it comes to that.
    is_soon: bool,
    exit_code: Option<i32>,
    /// The loop has been told to stop: when it runs again, it is for what comes after.
    is_over: bool,
    /// Once the worker is to stop: when requests and background work are ended;
    end: Option<Time>,
    /// and when the lifespan is.
    last: Option<Time>,
}

/// Bound methods of the loop and the runner.
struct Calls {
    call_soon: Py<PyAny>,
    call_later: Py<PyAny>,
    create_future: Py<PyAny>,
    stop: Py<PyAny>,
    start: Py<PyAny>,
    cancel: Py<PyAny>,
    alarm: Py<PyAny>,
    soon: Py<PyAny>,
    log: Py<PyAny>,
}

/// What the engine keeps to.
pub(super) struct Terms {
    pub(super) control: &'static Control,
    pub(super) slot: &'static SlotCells,
    pub(super) timeout: Option<Duration>,
    pub(super) graceful_timeout: Duration,
    pub(super) write_timeout: Duration,
    pub(super) disconnect_grace: Duration,
    pub(super) websocket: ws::Options,
    /// `None`: messages are not compressed.
    pub(super) deflate: Option<ws::DeflateOptions>,
    pub(super) access_log: Option<Box<dyn AccessLog>>,
}

/// The Python object.
#[pyclass(frozen, name = "Engine", module = "gunicorn_rs")]
pub(super) struct Engine {
    state: Mutex<State>,
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
    pub(super) hungry: Hungry,
}

impl State {
    /// The time, as far as anybody here has looked: the clock that costs nothing lags behind.
    fn now(&self) -> Time {
        clock::recently().max(self.reactor.now())
    }
}

impl Engine {
    pub(super) fn new(
        py: Python<'_>,
        reactor: Reactor,
        lifecycle: Lifecycle<'static>,
        scopes: Scopes,
        terms: Terms,
    ) -> PyResult<Self> {
        let state = State {
            reactor,
            lifecycle,
            lanes: (0..LANES).rev().collect(),
            timer: None,
            is_soon: false,
            exit_code: None,
            is_over: false,
            end: None,
            last: None,
        };
        Ok(Self {
            state: Mutex::new(state),
            terms,
            scopes,
            calls: PyOnceLock::new(),
            nothing: Py::new(py, Sending::nothing())?.into_any(),
            attended: Mutex::default(),
            fresh: Mutex::default(),
            buffer: Mutex::default(),
            hungry: Hungry::default(),
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
            call_soon: of(event_loop, "call_soon")?,
            call_later: of(event_loop, "call_later")?,
            create_future: of(event_loop, "create_future")?,
            stop: of(event_loop, "stop")?,
            start: of(runner, "start")?,
            cancel: of(runner, "cancel")?,
            alarm: of(engine, "alarm")?,
            soon: of(engine, "soon")?,
            log: log.clone().unbind(),
        };
        // It is told once.
        let _ = engine.get().calls.set(engine.py(), calls);
        Ok(())
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        if let Err(error) = self.state().reactor.attend(exchange) {
            log::error!("Cannot watch a connection: {error}");
        }
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
        self.note_end(&exchange, clock::now() - began, lane);
        self.state().reactor.complete(exchange);
        self.forget(py, place);
    }

    /// Sees to it that the loop calls `turn` in time.
    pub(super) fn schedule(&self, py: Python<'_>) -> PyResult<()> {
        let (due, now) = {
            let state = self.state();
            let now = state.now();
            // Whoever was the last client of a worker that stops, the loop is to hear of it.
            let is_done = state.end.is_some() && state.exit_code.is_none() && state.reactor.is_empty();
            let end = state.end.filter(|_| state.exit_code.is_none());
            let deadline = [state.reactor.next_deadline(), end, is_done.then_some(now)].into_iter().flatten().min();
            let Some(due) = deadline else { return Ok(()) };
            if due > now && state.timer.as_ref().is_some_and(|(timer, _)| *timer <= due) {
                return Ok(());
            }
            (due, now)
        };
        if due <= now {
            return self.turn_soon(py);
        }
        let calls = self.calls(py)?;
        let timer = calls.call_later.call1(py, ((due - now).as_secs_f64(), &calls.alarm))?;
        let replaced = self.state().timer.replace((due, timer));
        replaced.map_or(Ok(()), |(_, timer)| timer.call_method0(py, intern!(py, "cancel")).map(drop))
    }

    /// Has the loop call `turn` before it waits.
    pub(super) fn turn_soon(&self, py: Python<'_>) -> PyResult<()> {
        if std::mem::replace(&mut self.state().is_soon, true) {
            return Ok(());
        }
        let calls = self.calls(py)?;
        calls.call_soon.call1(py, (&calls.soon,)).map(drop)
    }

    /// One turn of the reactor: requests are begun, and exchanges told of. Whether another turn is due.
    fn turn_once(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let (py, this) = (slf.py(), slf.get());
        let attention = {
            let mut state = this.state();
            match state.reactor.turn(Some(Duration::ZERO)) {
                Ok(woken) => state.lifecycle.note(woken),
                Err(error) => {
                    log::critical!("The worker cannot wait for its clients: {error}");
                    state.exit_code = Some(BROKEN);
                }
            }
            (0..state.reactor.take_accepted()).for_each(|_| this.terms.slot.count_connection());
            state.reactor.take_attention()
        };
        for news in attention {
            // It is told once: what goes wrong with one client must not cost the others theirs.
            if let Err(error) = this.tell(py, news) {
                log::error!("{}", zygote::traceback(py, &error).trim_end());
            }
        }
        loop {
            let next = {
                let mut state = this.state();
                let exchange = state.reactor.next_exchange();
                exchange.map(|mut exchange| {
                    if state.lifecycle.count_request() {
                        exchange.close_after();
                    }
                    (exchange, state.lanes.pop())
                })
            };
            let Some((exchange, lane)) = next else { break };
            Self::begin(slf, exchange, lane)?;
        }
        let held = this.state().reactor.memory_held();
        this.hungry.drive(py, held)?;
        this.follow_course(py)?;
        let state = this.state();
        Ok(state.exit_code.is_none() && state.reactor.next_deadline().is_some_and(|due| due <= state.now()))
    }

    /// The scoreboard shows a request.
    pub(super) fn note_beginning(&self, exchange: &Exchange, began: Time, lane: Option<usize>) {
        if let Some(lane) = lane.and_then(|lane| self.terms.slot.lane(lane)) {
            let head = exchange.head();
            lane.begin_request(began, head.method(), head.target());
        }
    }

    /// The response is complete, or as complete as it gets: the logs and the scoreboard are told.
    pub(super) fn note_end(&self, exchange: &Exchange, took: Duration, lane: Option<usize>) {
        if let Some(log) = &self.terms.access_log {
            log.log(exchange, took);
        }
        if let Some(lane) = lane {
            self.terms.slot.lane(lane).into_iter().for_each(|lane| lane.end_request(exchange.sent().1));
            self.state().lanes.push(lane);
        }
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
        let client = self.attended.lock().unwrap_or_else(PoisonError::into_inner).remove(&place);
        drop(client);
        if let Err(error) = self.schedule(py) {
            log::error!("{}", zygote::traceback(py, &error).trim_end());
        }
    }

    /// Cancels the application of a client that has gone, after its grace.
    pub(super) fn cancel_later(&self, client: &Bound<'_, PyAny>) -> PyResult<()> {
        let calls = self.calls(client.py())?;
        let grace = self.terms.disconnect_grace.as_secs_f64();
        calls.call_later.call1(client.py(), (grace, &calls.cancel, client)).map(drop)
    }

    /// Follows what the worker has been told.
    fn follow_course(&self, py: Python<'_>) -> PyResult<()> {
        let (is_over, begins_to_stop) = {
            let mut state = self.state();
            let begins_to_stop = self.terms.control.stopping() == Stop::Graceful && state.end.is_none();
            if begins_to_stop {
                let (now, grace) = (clock::now(), self.terms.graceful_timeout);
                let reserve = LIFESPAN_RESERVE.min(grace / 4);
                state.end = Some(now + (grace - reserve));
                state.last = Some(now + (grace - reserve / 4));
            }
            if state.end.is_some_and(|end| end <= clock::now()) {
                state.exit_code.get_or_insert(0);
            }
            let State { reactor, lifecycle, .. } = &mut *state;
            if let Course::Exit(code) = lifecycle.course(reactor) {
                state.exit_code.get_or_insert(code);
            }
            let is_over = state.exit_code.is_some() && !std::mem::replace(&mut state.is_over, true);
            (is_over, begins_to_stop)
        };
        if begins_to_stop {
            self.say_farewell(py)?;
        }
        if is_over {
            self.calls(py)?.stop.call0(py)?;
        }
        if self.terms.control.take_reopen() {
            log::reopen();
        }
        Ok(())
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

    fn left_until(&self, end: Option<Time>) -> f64 {
        end.map_or(self.terms.graceful_timeout, |end| end - clock::now()).as_secs_f64()
    }

    /// Whether the worker has begun to stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.state().end.is_some()
    }

    /// The exit code, once the loop has been stopped.
    pub(super) fn exit_code(&self) -> i32 {
        self.state().exit_code.unwrap_or(0)
    }

    /// The loop has ended: the rest of the process's life has a deadline too.
    pub(super) fn finish(&self) {
        self.state().lifecycle.finish();
    }
}

#[pymethods]
impl Engine {
    /// The reactor's poll is readable.
    fn turn(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let mut again = true;
        for _ in 0..TURNS {
            again = Self::turn_once(slf)?;
            if !again {
                break;
            }
        }
        if !this.fresh.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            let settle = slf.getattr(intern!(py, "settle"))?;
            this.calls(py)?.call_soon.call1(py, (settle,))?;
        }
        if again {
            let turn = slf.getattr(intern!(py, "turn"))?;
            this.calls(py)?.call_soon.call1(py, (turn,))?;
            return Ok(());
        }
        this.schedule(py)
    }

    /// The time for which `turn` was wanted has come.
    fn alarm(slf: &Bound<'_, Self>) -> PyResult<()> {
        let timer = slf.get().state().timer.take();
        drop(timer);
        Self::turn(slf)
    }

    /// There was something to do at once.
    fn soon(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.get().state().is_soon = false;
        Self::turn(slf)
    }

    /// The applications that were started have taken their first step: the clients of those that go on are watched.
    fn settle(&self, py: Python<'_>) -> PyResult<()> {
        self.watch_fresh(py)
    }

    /// Shows that the loop runs, and has itself called again.
    fn beat(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let Some(timeout) = this.terms.timeout else { return Ok(()) };
        let nap = timeout / 2;
        this.terms.slot.set_deadline(Some(clock::now() + nap + timeout));
        let beat = slf.getattr(intern!(py, "beat"))?;
        this.calls(py)?.call_later.call1(py, (nap.as_secs_f64(), beat)).map(drop)
    }

    /// Whether the worker ends in order.
    fn is_graceful(&self) -> bool {
        self.terms.control.stopping() != Stop::Quick
    }

    /// Seconds that requests and background work have left in a graceful stop.
    fn grace_left(&self) -> f64 {
        self.left_until(self.state().end)
    }

    /// Seconds that the lifespan has left.
    fn last_left(&self) -> f64 {
        self.left_until(self.state().last)
    }
}

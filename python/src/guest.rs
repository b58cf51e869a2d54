//! The reactor as the guest of a loop that is not ours: an event loop, or the hub of a library of greenlets.
//!
//! The loop watches the reactor's poll, and calls `turn` when that is readable, `alarm` when a deadline of the reactor
//! has come, and `beat` now and then, by which the worker shows that it lives. What a request is to the loop (a task, a
//! greenlet) its [`Host`] knows. The loop is asked for what asyncio's has: `call_soon`, and `call_later` with a handle
//! to `cancel`.
//!
//! No lock is held while Python code runs.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gunicorn::log;
use gunicorn::reactor::{Attention, Exchange, Reactor};
use gunicorn::scoreboard::{LANES, SlotCells};
use gunicorn::sys::clock;
use gunicorn::time::Time;
use gunicorn::worker::control::{Control, Stop};
use gunicorn::worker::lifecycle::{Course, Lifecycle};
use gunicorn::worker::{AccessLog, BROKEN, WorkerContext};
use pyo3::PyClass;
use pyo3::exceptions::PySystemExit;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::zygote;

/// Turns in a row before the loop's other callbacks are let run.
const TURNS: u32 = 4;

/// Who takes the requests of a guest: a Python object whose methods of these names the loop calls.
pub(crate) trait Host: PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Sync {
    /// The guest.
    fn guest(&self) -> &Guest;

    /// A request has arrived; it has a lane of the scoreboard if there is one.
    ///
    /// # Errors
    /// Whatever goes wrong with this one.
    fn begin(slf: &Bound<'_, Self>, exchange: Box<Exchange>, lane: Option<usize>) -> PyResult<()>;

    /// There is news of an exchange that is attended to.
    ///
    /// # Errors
    /// Whatever goes wrong with this one.
    fn tell(slf: &Bound<'_, Self>, news: Attention) -> PyResult<()>;

    /// Some turns have been taken. Whether the host calls [`Guest::settle`] when what they have begun has taken its
    /// first step.
    ///
    /// # Errors
    /// Those of the loop.
    fn turned(slf: &Bound<'_, Self>) -> PyResult<bool>;

    /// The worker has begun to stop.
    ///
    /// # Errors
    /// Those of the loop.
    fn begin_to_stop(slf: &Bound<'_, Self>) -> PyResult<()>;
}

/// What is used for moments only, and never while Python code runs.
pub(crate) struct State {
    pub(crate) reactor: Reactor,
    lifecycle: Lifecycle<'static>,
    /// Lanes of the scoreboard that no request has.
    lanes: Vec<usize>,
    /// When the loop is to call `alarm`, and what it has given for that.
    timer: Option<(Time, Py<PyAny>)>,
    /// It is to call `soon` when it comes to that.
    is_soon: bool,
    /// Turns, or what they have begun, are under way, at whose end the loop is told when to call.
    defers: bool,
    exit_code: Option<i32>,
    /// The loop has been told to stop: when it runs again, it is for what comes after.
    is_over: bool,
    /// Once the worker is to stop: when requests are ended;
    end: Option<Time>,
    /// and when what comes after them is.
    last: Option<Time>,
}

impl State {
    /// The time, as far as anybody here has looked: the clock that costs nothing lags behind.
    fn now(&self) -> Time {
        clock::recently().max(self.reactor.now())
    }
}

/// Bound methods of the loop and of the host.
struct Calls {
    call_soon: Py<PyAny>,
    call_later: Py<PyAny>,
    stop: Py<PyAny>,
    turn: Py<PyAny>,
    alarm: Py<PyAny>,
    soon: Py<PyAny>,
    beat: Py<PyAny>,
}

/// The guest.
pub(crate) struct Guest {
    state: Mutex<State>,
    /// Nothing is to be done for clients in this process any more.
    has_left: AtomicBool,
    calls: PyOnceLock<Calls>,
    control: &'static Control,
    slot: &'static SlotCells,
    timeout: Option<Duration>,
    graceful_timeout: Duration,
    /// What requests that do not end leave of `graceful_timeout` to what comes after them.
    reserve: Duration,
    access_log: Option<Box<dyn AccessLog>>,
}

impl Guest {
    /// Requests that do not end leave `reserve` of `graceful_timeout`, or a quarter of it if that is less, to what
    /// comes after them.
    pub(crate) fn new(reactor: Reactor, context: WorkerContext<'static>, reserve: Duration) -> Self {
        let state = State {
            reactor,
            lifecycle: Lifecycle::new(&context),
            lanes: (0..LANES).rev().collect(),
            timer: None,
            is_soon: false,
            defers: false,
            exit_code: None,
            is_over: false,
            end: None,
            last: None,
        };
        Self {
            state: Mutex::new(state),
            has_left: AtomicBool::new(false),
            calls: PyOnceLock::new(),
            control: context.control,
            slot: context.slot,
            timeout: context.timeout,
            graceful_timeout: context.graceful_timeout,
            reserve: reserve.min(context.graceful_timeout / 4),
            access_log: context.access_log,
        }
    }

    /// Tells it the loop, and its host.
    ///
    /// # Errors
    /// The loop is none.
    pub(crate) fn join<H: Host>(host: &Bound<'_, H>, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let of = |object: &Bound<'_, PyAny>, name: &str| object.getattr(name).map(Bound::unbind);
        let calls = Calls {
            call_soon: of(event_loop, "call_soon")?,
            call_later: of(event_loop, "call_later")?,
            stop: of(event_loop, "stop")?,
            turn: of(host.as_any(), "turn")?,
            alarm: of(host.as_any(), "alarm")?,
            soon: of(host.as_any(), "soon")?,
            beat: of(host.as_any(), "beat")?,
        };
        // It is told once.
        let _ = host.get().guest().calls.set(host.py(), calls);
        Ok(())
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn calls<'a>(&'a self, py: Python<'_>) -> PyResult<&'a Calls> {
        self.calls.get(py).ok_or_else(|| pyo3::exceptions::PyRuntimeError::new_err("the reactor has no loop yet"))
    }

    /// Does nothing for clients in this process any more, although the loop may go on: it has ended, or is a fork of
    /// the one that serves, whose poll and connections it shares.
    pub(crate) fn leave(&self) {
        self.has_left.store(true, Relaxed);
    }

    /// Whether it has left.
    pub(crate) fn has_left(&self) -> bool {
        self.has_left.load(Relaxed)
    }

    /// Has the loop call this as soon as it comes to it.
    ///
    /// # Errors
    /// Those of the loop.
    pub(crate) fn call_soon(&self, py: Python<'_>, callback: &Py<PyAny>) -> PyResult<()> {
        self.calls(py)?.call_soon.call1(py, (callback,)).map(drop)
    }

    /// Has the reactor tell of the exchange's socket.
    pub(crate) fn attend(&self, exchange: &mut Exchange) {
        if let Err(error) = self.state().reactor.attend(exchange) {
            log::error!("Cannot watch a connection: {error}");
        }
    }

    /// Takes an exchange back, which may let the next request of its connection in.
    pub(crate) fn complete(&self, py: Python<'_>, exchange: Box<Exchange>, began: Time, lane: Option<usize>) {
        if self.has_left() {
            return;
        }
        self.note_end(&exchange, began, lane);
        self.state().reactor.complete(exchange);
        self.schedule_or_complain(py);
    }

    /// As `schedule`, for whom nothing can be done about a loop that takes nothing.
    pub(crate) fn schedule_or_complain(&self, py: Python<'_>) {
        if self.state().defers {
            return;
        }
        if let Err(error) = self.schedule(py) {
            complain(py, &error);
        }
    }

    /// Sees to it that the loop calls `turn` in time.
    ///
    /// # Errors
    /// Those of the loop.
    pub(crate) fn schedule(&self, py: Python<'_>) -> PyResult<()> {
        if self.has_left() {
            return Ok(());
        }
        let (due, now) = {
            let state = self.state();
            let now = state.now();
            // Whoever was the last client of a worker that stops, the loop is to hear of it.
            let is_done = state.end.is_some() && state.exit_code.is_none() && state.reactor.is_empty();
            let end = state.end.filter(|_| state.exit_code.is_none());
            let deadline = [state.reactor.next_deadline(), end, is_done.then_some(now)].into_iter().flatten().min();
            let Some(due) = deadline else { return Ok(()) };
            // One that should have rung may have been lost to an exception of somebody else's in the loop.
            if due > now && state.timer.as_ref().is_some_and(|(timer, _)| *timer <= due && *timer > now) {
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
    ///
    /// # Errors
    /// Those of the loop.
    pub(crate) fn turn_soon(&self, py: Python<'_>) -> PyResult<()> {
        if std::mem::replace(&mut self.state().is_soon, true) {
            return Ok(());
        }
        self.call_soon(py, &self.calls(py)?.soon)
    }

    /// The reactor's poll is readable. Whatever goes wrong, the loop calls again: what raises a hub does not watch any
    /// more.
    ///
    /// # Errors
    /// What ends the worker.
    pub(crate) fn turn<H: Host>(host: &Bound<'_, H>) -> PyResult<()> {
        let (py, this) = (host.py(), host.get().guest());
        if this.has_left() {
            return Ok(());
        }
        this.state().defers = true;
        let turned = Self::turn_until_done(host);
        let settles = H::turned(host);
        let defers = matches!(settles, Ok(true));
        this.state().defers = defers;
        let scheduled = match turned {
            Ok(true) => this.calls(py).and_then(|calls| this.call_soon(py, &calls.turn)),
            _ if defers => Ok(()),
            _ => this.schedule(py),
        };
        // The next turn is seen to: now an exception may end this one.
        [turned.map(drop), settles.map(drop), scheduled].into_iter().try_for_each(|result| carry_on(py, result))
    }

    /// Turns until nothing is due, or others are to have their turn: then another one is due.
    fn turn_until_done<H: Host>(host: &Bound<'_, H>) -> PyResult<bool> {
        for _ in 0..TURNS {
            if !Self::turn_once(host)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What the turns have begun has taken its first step.
    ///
    /// # Errors
    /// Those of the loop.
    pub(crate) fn settle(&self, py: Python<'_>) -> PyResult<()> {
        self.state().defers = false;
        self.schedule(py)
    }

    /// The time for which `turn` was wanted has come.
    ///
    /// # Errors
    /// As `turn`.
    pub(crate) fn alarm<H: Host>(host: &Bound<'_, H>) -> PyResult<()> {
        let timer = host.get().guest().state().timer.take();
        drop(timer);
        Self::turn(host)
    }

    /// There was something to do at once.
    ///
    /// # Errors
    /// As `turn`.
    pub(crate) fn soon<H: Host>(host: &Bound<'_, H>) -> PyResult<()> {
        host.get().guest().state().is_soon = false;
        Self::turn(host)
    }

    /// Shows that the loop runs, and has itself called again.
    ///
    /// # Errors
    /// Those of the loop.
    pub(crate) fn beat(&self, py: Python<'_>) -> PyResult<()> {
        let Some(timeout) = self.timeout.filter(|_| !self.has_left()) else { return Ok(()) };
        let nap = timeout / 2;
        self.slot.set_deadline(Some(clock::now() + nap + timeout));
        let calls = self.calls(py)?;
        calls.call_later.call1(py, (nap.as_secs_f64(), &calls.beat)).map(drop)
    }

    /// One turn of the reactor: requests are begun, and exchanges told of. Whether another turn is due.
    fn turn_once<H: Host>(host: &Bound<'_, H>) -> PyResult<bool> {
        let (py, this) = (host.py(), host.get().guest());
        for news in this.wait_no_time() {
            // It is told once: what goes wrong with one client must not cost the others theirs.
            if let Err(error) = H::tell(host, news) {
                complain(py, &error);
            }
        }
        while let Some((exchange, lane)) = this.next_exchange() {
            carry_on(py, H::begin(host, exchange, lane))?;
        }
        this.follow_course(host)?;
        let state = this.state();
        Ok(state.exit_code.is_none() && state.reactor.next_deadline().is_some_and(|due| due <= state.now()))
    }

    fn wait_no_time(&self) -> Vec<Attention> {
        let mut state = self.state();
        match state.reactor.turn(Some(Duration::ZERO)) {
            Ok(woken) => state.lifecycle.note(woken),
            Err(error) => {
                log::critical!("The worker cannot wait for its clients: {error}");
                state.exit_code = Some(BROKEN);
            }
        }
        (0..state.reactor.take_accepted()).for_each(|_| self.slot.count_connection());
        state.reactor.take_attention()
    }

    fn next_exchange(&self) -> Option<(Box<Exchange>, Option<usize>)> {
        let mut state = self.state();
        let mut exchange = state.reactor.next_exchange()?;
        if state.lifecycle.count_request() {
            exchange.close_after();
        }
        Some((exchange, state.lanes.pop()))
    }

    /// The scoreboard shows a request.
    pub(crate) fn note_beginning(&self, exchange: &Exchange, began: Time, lane: Option<usize>) {
        if let Some(lane) = lane.and_then(|lane| self.slot.lane(lane)) {
            let head = exchange.head();
            lane.begin_request(began, head.method(), head.target());
        }
    }

    /// The response is complete, or as complete as it gets: the logs and the scoreboard are told.
    pub(crate) fn note_end(&self, exchange: &Exchange, began: Time, lane: Option<usize>) {
        if let Some(log) = &self.access_log {
            log.log(exchange, clock::now() - began);
        }
        let bytes = exchange.sent().1;
        let Some(lane) = lane else {
            // All requests of a guest are on one thread.
            return self.slot.lane(0).into_iter().for_each(|lane| lane.count_request(bytes));
        };
        self.slot.lane(lane).into_iter().for_each(|lane| lane.end_request(bytes));
        self.state().lanes.push(lane);
    }

    /// Follows what the worker has been told.
    fn follow_course<H: Host>(&self, host: &Bound<'_, H>) -> PyResult<()> {
        let (is_over, begins_to_stop) = {
            let mut state = self.state();
            let begins_to_stop = self.control.stopping() == Stop::Graceful && state.end.is_none();
            if begins_to_stop {
                let (now, grace) = (clock::now(), self.graceful_timeout);
                state.end = Some(now + (grace - self.reserve));
                state.last = Some(now + (grace - self.reserve / 4));
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
            carry_on(host.py(), H::begin_to_stop(host))?;
        }
        if is_over && let Err(error) = self.calls(host.py())?.stop.call0(host.py()) {
            // It has to be told, be it by the next turn.
            self.state().is_over = false;
            self.turn_soon(host.py())?;
            return Err(error);
        }
        if self.control.take_reopen() {
            log::reopen();
        }
        Ok(())
    }

    /// Whether the worker has begun to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.state().end.is_some()
    }

    /// Whether the worker ends in order.
    pub(crate) fn is_graceful(&self) -> bool {
        self.control.stopping() != Stop::Quick
    }

    /// Seconds that requests have left in a graceful stop.
    pub(crate) fn grace_left(&self) -> f64 {
        self.left_until(self.state().end)
    }

    /// Seconds that what comes after them has left.
    pub(crate) fn last_left(&self) -> f64 {
        self.left_until(self.state().last)
    }

    fn left_until(&self, end: Option<Time>) -> f64 {
        end.map_or(self.graceful_timeout, |end| end - clock::now()).as_secs_f64()
    }

    /// The exit code, once the loop has been stopped.
    pub(crate) fn exit_code(&self) -> i32 {
        self.state().exit_code.unwrap_or(0)
    }

    /// The loop has ended: the rest of the process's life has a deadline too. A hub may go on in that, as long as there
    /// are threads that are greenlets.
    pub(crate) fn finish(&self) {
        self.leave();
        self.state().lifecycle.finish();
    }
}

/// Tells the operator of an exception, unless it is one that ends the worker.
///
/// # Errors
/// `SystemExit`.
fn carry_on(py: Python<'_>, result: PyResult<()>) -> PyResult<()> {
    match result {
        Err(exit) if exit.is_instance_of::<PySystemExit>(py) => Err(exit),
        Err(error) => {
            complain(py, &error);
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn complain(py: Python<'_>, error: &PyErr) {
    log::error!("{}", zygote::traceback(py, error).trim_end());
}

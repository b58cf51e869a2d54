//! A worker's membership in the pool, for the kinds whose loop is Python's: how it shows that it lives, counts what it
//! serves, hears how to go on and writes its access log. The rules are those of [`Lifecycle`]; here they are within
//! reach of Python. No Rust lock is held while Python code runs.

mod access;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gunicorn::log;
use gunicorn::log::access::ExchangeLog;
use gunicorn::reactor::Woken;
use gunicorn::scoreboard::{LANES, SlotCells};
use gunicorn::sys::clock;
use gunicorn::worker::WorkerContext;
use gunicorn::worker::control::Control;
use gunicorn::worker::lifecycle::{Clients, Course, Lifecycle};
use pyo3::prelude::*;

use crate::signals;
use access::Entry;

/// How late a class may be that was written for gunicorn, which looks for late workers once in a second: one that
/// shows itself once in a timeout counts on that.
const LENIENCY: Duration = Duration::from_secs(1);

/// What Python holds of its worker.
#[pyclass(frozen, module = "gunicorn_rs")]
pub(crate) struct Member {
    control: &'static Control,
    slot: &'static SlotCells,
    timeout: Option<Duration>,
    state: Mutex<State>,
}

struct State {
    lifecycle: Lifecycle<'static>,
    /// Lanes of the scoreboard that no request has.
    lanes: Vec<usize>,
}

impl Member {
    pub(crate) fn new(context: &WorkerContext<'static>) -> Self {
        let state = State { lifecycle: Lifecycle::new(context), lanes: (0..LANES).rev().collect() };
        Self { control: context.control, slot: context.slot, timeout: context.timeout, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Member {
    /// Shows that the worker lives; it is to do so again before its timeout is over.
    fn beat(&self) {
        self.slot.set_deadline(self.timeout.map(|timeout| clock::now() + timeout + LENIENCY));
    }

    /// Shows that the loop runs. In how many seconds this is to be called again; `None`: not at all.
    fn rest(&self) -> Option<f64> {
        self.state().lifecycle.rest().map(|rest| rest.as_secs_f64())
    }

    /// A client has connected.
    fn count_connection(&self) {
        self.slot.count_connection();
    }

    /// Requests of which only their number is known have been answered. `True`: they were the last.
    fn count_requests(&self, number: u64) -> bool {
        let mut state = self.state();
        (0..number).fold(false, |is_last, _| {
            self.slot.lane(0).into_iter().for_each(|lane| lane.end_request(0));
            state.lifecycle.count_request() || is_last
        })
    }

    /// A request enters the application. The lane in which the scoreboard shows it, if it has one left, and whether it
    /// is the last one.
    fn begin_request(&self, method: &[u8], target: &[u8]) -> (Option<usize>, bool) {
        let mut state = self.state();
        let number = state.lanes.pop();
        if let Some(lane) = number.and_then(|number| self.slot.lane(number)) {
            lane.begin_request(clock::now(), method, target);
        }
        (number, state.lifecycle.count_request())
    }

    /// It has been answered, with so many bytes.
    fn end_request(&self, lane: Option<usize>, bytes_sent: u64) {
        if let Some(number) = lane {
            self.slot.lane(number).into_iter().for_each(|lane| lane.end_request(bytes_sent));
            self.state().lanes.push(number);
        }
    }

    /// Follows what the worker has been told, with so many clients connected: the exit code if it is to end, whether to
    /// stop accepting, and how many seconds connections may be idle from now on if that has changed.
    fn course(&self, clients: usize) -> (Option<i32>, bool, Option<f64>) {
        if self.control.take_reopen() {
            log::reopen();
        }
        let mut told = Told { clients, stops_accepting: false, patience: None };
        let exit = match self.state().lifecycle.course(&mut told) {
            Course::Go => None,
            Course::Exit(code) => Some(code),
        };
        (exit, told.stops_accepting, told.patience.map(|patience| patience.as_secs_f64()))
    }

    /// The master has gone.
    fn parent_gone(&self) {
        self.state().lifecycle.note(Woken { signals: false, parent_gone: true });
    }

    /// The loop has ended: the rest of the process's life has a deadline too.
    pub(crate) fn finish(&self) {
        self.state().lifecycle.finish();
    }

    /// No signal but those to end means anything to the process any more.
    #[staticmethod]
    fn disregard_signals(py: Python<'_>) -> PyResult<()> {
        signals::disregard_for_good(py)
    }

    /// The error log's file, for the fault handler.
    #[getter]
    fn error_descriptor(&self) -> i32 {
        log::error::fd()
    }

    /// Opens the log files anew.
    #[staticmethod]
    fn reopen_logs() {
        log::reopen();
    }

    /// Whether there is an access log.
    #[getter]
    fn logs_access(&self) -> bool {
        ExchangeLog::opened().is_some()
    }

    /// Writes the access log's line of a request.
    #[allow(clippy::needless_pass_by_value)]
    fn log_access(&self, entry: Entry) {
        entry.write();
    }
}

/// What the loop is to do about its clients: it tells how many there are, and Python does the rest.
struct Told {
    clients: usize,
    stops_accepting: bool,
    patience: Option<Duration>,
}

impl Clients for Told {
    fn stop_accepting(&mut self) {
        self.stops_accepting = true;
    }

    fn close_connections(&mut self, patience: Duration) {
        self.patience = Some(patience);
    }

    fn is_empty(&self) -> bool {
        self.clients == 0
    }
}

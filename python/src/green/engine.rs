//! The reactor in a hub: what the hub calls, and what greenlets ask of the client. Nothing here waits.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gunicorn::log;
use gunicorn::reactor::{Attention, Exchange};
use gunicorn::sys::clock;
use gunicorn::time::Time;
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes};

use super::call::Call;
use crate::ffi;
use crate::guest::{Guest, Host};
use crate::wsgi::{Dues, FileWrapper, Input, Pending, Response, Sending, WsgiApp, body, body_part};
use crate::zygote;

/// How long greenlets may read from and write to clients that keep up with them before the others have their turn.
const SLICE: Duration = Duration::from_millis(10);

/// The Python object.
#[pyclass(frozen, name = "Engine", module = "gunicorn_rs")]
pub(super) struct Engine {
    guest: Guest,
    pub(super) app: WsgiApp,
    write_timeout: Duration,
    /// When the hub was last known to run.
    slice: Mutex<Time>,
    /// Makes a greenlet of a call.
    start: PyOnceLock<Py<PyAny>>,
    /// What wakes the greenlets that wait for a client, by the places of the connections.
    waiting: Mutex<HashMap<usize, Vec<Waiter>>>,
}

/// A greenlet that waits for a client.
struct Waiter {
    event: Py<PyAny>,
    /// It waits for what the client sends, and not until it takes what it is sent.
    reads: bool,
}

impl Engine {
    pub(super) fn new(guest: Guest, app: WsgiApp, write_timeout: Duration) -> Self {
        let (slice, waiting) = (Mutex::default(), Mutex::default());
        Self { guest, app, write_timeout, slice, start: PyOnceLock::new(), waiting }
    }

    /// Tells it the hub, and who runs calls.
    pub(super) fn join(engine: &Bound<'_, Self>, hub: &Bound<'_, PyAny>, runner: &Bound<'_, PyAny>) -> PyResult<()> {
        // It is told once.
        let _ = engine.get().start.set(engine.py(), runner.getattr("start")?.unbind());
        Guest::join(engine, hub)
    }

    /// Whether there is something to be done for clients in this process.
    fn check(&self) -> PyResult<()> {
        match self.guest.has_left() {
            true => Err(PyRuntimeError::new_err("this process does not serve the client (any more)")),
            false => Ok(()),
        }
    }

    fn note_slice(&self, now: Time) {
        *self.slice.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<usize, Vec<Waiter>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whoever waits for the client at this place; no failure of one costs the others their news.
    pub(super) fn wake_or_complain(&self, py: Python<'_>, place: usize) {
        let waiting = self.waiting().remove(&place);
        for waiter in waiting.into_iter().flatten() {
            if let Err(error) = waiter.event.call_method0(py, intern!(py, "wake")) {
                log::error!("{}", zygote::traceback(py, &error).trim_end());
            }
        }
    }

    /// Has the reactor tell of this place when the first of those who wait there has waited long enough.
    fn set_deadline(&self, place: usize, dues: Dues) {
        let due_of = |waiter: &Waiter| if waiter.reads { dues.read } else { dues.write };
        let due = self.waiting().get(&place).and_then(|waiters| waiters.iter().filter_map(due_of).min());
        self.guest.state().reactor.set_deadline(place, due);
    }

    /// Sends what waits until `is_enough`; `false`: the client takes no more for now. One that takes nothing for too
    /// long has gone.
    fn send_until(&self, sending: &mut Sending, is_enough: impl FnOnce(&mut Exchange) -> bool) -> PyResult<bool> {
        let sent = sending.exchange.try_flush();
        let moved = sending.noted(sent)? > 0;
        if is_enough(&mut sending.exchange) {
            sending.dues.write = None;
            return Ok(true);
        }
        let now = clock::now();
        match sending.dues.write {
            Some(due) if !moved && due <= now => {
                sending.dues.write = None;
                let lost = sending.exchange.lose();
                sending.noted(lost)?;
            }
            Some(_) if !moved => {}
            _ => sending.dues.write = Some(now + self.write_timeout),
        }
        Ok(false)
    }
}

impl Host for Engine {
    fn guest(&self) -> &Guest {
        &self.guest
    }

    fn begin(slf: &Bound<'_, Self>, exchange: Box<Exchange>, lane: Option<usize>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let began = clock::now();
        this.note_slice(began);
        this.guest.note_beginning(&exchange, began, lane);
        let call = Py::new(py, Call::new(exchange, slf.clone().unbind(), began, lane))?;
        let Some(start) = this.start.get(py) else { return Ok(()) };
        start.call1(py, (call,)).map(drop)
    }

    fn tell(slf: &Bound<'_, Self>, news: Attention) -> PyResult<()> {
        slf.get().wake_or_complain(slf.py(), news.place);
        Ok(())
    }

    fn turned(_: &Bound<'_, Self>) -> PyResult<bool> {
        Ok(false)
    }

    fn begin_to_stop(_: &Bound<'_, Self>) -> PyResult<()> {
        Ok(())
    }
}

#[pymethods]
impl Engine {
    /// The reactor's poll is readable. A hub may say which descriptor that is.
    #[pyo3(signature = (_descriptor=None))]
    fn turn(slf: &Bound<'_, Self>, _descriptor: Option<i32>) -> PyResult<()> {
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

    /// Shows that the hub runs, and has itself called again.
    fn beat(&self, py: Python<'_>) -> PyResult<()> {
        self.guest.beat(py)
    }

    /// This process is a fork of the one that serves.
    fn leave(&self) {
        self.guest.leave();
    }

    /// Whether the worker ends in order.
    fn is_graceful(&self) -> bool {
        self.guest.is_graceful()
    }

    /// Seconds that greenlets have for their end.
    fn last_left(&self) -> f64 {
        self.guest.last_left()
    }

    /// Has the event woken by the next news of the client, or when the time is over that it has to send something, for
    /// one who `reads`, or else to take something.
    fn watch(&self, py: Python<'_>, response: &Bound<'_, Response>, event: Py<PyAny>, reads: bool) -> PyResult<()> {
        self.check()?;
        response.get().with(|sending| {
            self.guest.attend(&mut sending.exchange);
            let place = sending.exchange.place();
            self.waiting().entry(place).or_default().push(Waiter { event, reads });
            self.set_deadline(place, sending.dues);
        })?;
        self.guest.schedule(py)
    }

    /// Who waited for the event has been interrupted, and waits for nothing any more: the client's time is not counted
    /// until somebody waits for it again.
    fn unwatch(&self, response: &Bound<'_, Response>, event: &Bound<'_, PyAny>, reads: bool) {
        // One whose request has ended was told of its end.
        let _ = response.get().with(|sending| {
            let due = if reads { &mut sending.dues.read } else { &mut sending.dues.write };
            *due = None;
            let place = sending.exchange.place();
            if let Entry::Occupied(mut waiting) = self.waiting().entry(place) {
                waiting.get_mut().retain(|waiter| !waiter.event.is(event));
                if waiting.get().is_empty() {
                    waiting.remove();
                }
            }
            self.set_deadline(place, sending.dues);
        });
    }

    /// Sends a part of a body; `false`: the client has yet to take some of it, or others wait for their turn.
    fn send(&self, response: &Bound<'_, Response>, part: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.check()?;
        let part = body_part(part)?;
        // The head waits for the first byte of the body (PEP 3333).
        if part.as_bytes().is_empty() {
            return Ok(true);
        }
        response.get().send(part, None)?;
        Ok(response.get().with(|sending| sending.exchange.is_flushed())? && !self.is_overdue())
    }

    /// Sends the parts of a body that is whole, from number `at` on, and ends the response. Where there is no room for
    /// that, gives the number to go on with.
    fn send_parts(
        &self,
        response: &Bound<'_, Response>,
        parts: &Bound<'_, PyAny>,
        at: usize,
    ) -> PyResult<Option<usize>> {
        self.check()?;
        body::send_from(response.get(), parts, at)
    }

    /// Has the kernel send a file, and ends the response; `false`: it is not of the kind that the kernel can send.
    fn send_file(&self, response: &Bound<'_, Response>, iterable: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.check()?;
        let (py, response) = (iterable.py(), response.get());
        if self.app.sends_files()
            && let Ok(file) = iterable.cast::<FileWrapper>()
            && file.get().send(py, response)?
        {
            response.finish(py, None)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Ends a response whose parts have been sent; if there was none, it has no body.
    fn finish(&self, py: Python<'_>, response: &Bound<'_, Response>) -> PyResult<()> {
        self.check()?;
        response.get().finish(py, Some(0))
    }

    /// Whether the client has taken all that was sent.
    fn try_flush(&self, response: &Bound<'_, Response>) -> PyResult<bool> {
        self.check()?;
        response.get().with(|sending| self.send_until(sending, |exchange| exchange.is_flushed()))?
    }

    /// Whether more may be sent.
    fn has_room(&self, response: &Bound<'_, Response>) -> PyResult<bool> {
        self.check()?;
        response.get().with(|sending| self.send_until(sending, Exchange::has_room))?
    }

    /// Whether the hub has not run for longer than it should; if so it is taken to run now.
    fn is_overdue(&self) -> bool {
        let mut slice = self.slice.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::recently();
        let is_overdue = now - *slice > SLICE;
        if is_overdue {
            *slice = now;
        }
        is_overdue
    }

    /// As `wsgi.input.read`. A bool instead of bytes: they are not here, `true`, as the client has yet to send them, or
    /// `false`, as it is the others' turn.
    #[pyo3(signature = (input, size=None))]
    fn try_read<'py>(
        &self,
        py: Python<'py>,
        input: &Bound<'py, Input>,
        size: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.check()?;
        input.get().try_read(py, size).map(|read| read_or_pending(py, read))
    }

    /// As `wsgi.input.readline`. A bool instead of bytes: as `try_read`.
    #[pyo3(signature = (input, size=None))]
    fn try_line<'py>(
        &self,
        py: Python<'py>,
        input: &Bound<'py, Input>,
        size: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.check()?;
        input.get().try_line(py, size).map(|read| read_or_pending(py, read))
    }

    /// Lends the client's socket, as a descriptor that is the caller's. All that was sent is to be flushed.
    fn lend(&self, py: Python<'_>, response: &Bound<'_, Response>) -> PyResult<i32> {
        self.check()?;
        let lent = response.get().with(|sending| ffi::duplicate(sending.lend_socket(py)))?;
        lent.map(std::os::fd::IntoRawFd::into_raw_fd).map_err(Into::into)
    }

    /// Tells the operator what no logger takes.
    fn complain(&self, text: &str) {
        log::error::raw(text.as_bytes());
    }
}

fn read_or_pending<'py>(py: Python<'py>, read: Result<Bound<'py, PyBytes>, Pending>) -> Bound<'py, PyAny> {
    match read {
        Ok(bytes) => bytes.into_any(),
        Err(pending) => PyBool::new(py, pending == Pending::Client).to_owned().into_any(),
    }
}

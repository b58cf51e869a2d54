//! One WebSocket: the Python object behind `receive` and `send`.
//!
//! ```text
//!            .-- accept: 101 -----------> Open -- closed, or the client has gone --.
//!   Opening -+                                                                     +--> Over
//!            |-- close, or the application's end: 403, 500 ------------------------'
//!            '-- websocket.http.response.start --> Denying: a [`Cycle`] answers
//! ```
//!
//! From `Open` on nothing of the request is kept. A message is read when the last one has been taken, and lies here
//! until it is: whoever waits in `receive` is woken and takes it then, so that none is lost when a task is cancelled.

mod answer;
mod send;

use std::sync::{Mutex, MutexGuard, PoisonError};

use gunicorn::http::ws::Handshake;
use gunicorn::reactor::{Attention, Exchange, Upgraded};
use gunicorn::sys::clock;
use gunicorn::time::Time;
use pyo3::exceptions::PyOSError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::awaitable::{Row, Sending, fail_all, still_waiting, wake};
use super::cycle::Cycle;
use super::engine::Engine;
use super::live::{Live, News};
use super::receiving::Receiving;

/// Code that an application sees when the client has gone without a word (RFC 6455, section 7.1.5).
const ABNORMAL: u16 = 1006;

/// A handshake that the application has not answered.
struct Opening {
    exchange: Box<Exchange>,
    handshake: Handshake,
    began: Time,
    lane: Option<usize>,
}

enum State {
    Opening(Box<Opening>),
    Denying(Py<Cycle>),
    Open(Box<Live>),
    Over,
}

struct Inner {
    state: State,
    /// `websocket.connect` was received.
    is_connected: bool,
    /// The message that the application has not taken.
    waiting: Option<Py<PyAny>>,
    /// How it has ended, as the application is told.
    ended: Option<(u16, Box<str>)>,
    /// The application has closed or refused it.
    is_closed_by_us: bool,
    /// The application has returned, or raised.
    is_through: bool,
    /// It is among those who wait for memory.
    is_hungry: bool,
    row: Row,
    receiving: Vec<Py<PyAny>>,
    sending: Vec<Py<PyAny>>,
}

/// What a change has to be followed by, once no lock is held.
#[derive(Default)]
struct Effects {
    finished: Option<Upgraded>,
    plan: Option<(usize, Time)>,
    receivers: Vec<Py<PyAny>>,
    senders: Vec<Py<PyAny>>,
    /// The senders learn that the client has gone.
    is_gone: bool,
    /// An application that goes on all the same has its grace now.
    is_news: bool,
    /// It begins to wait for memory.
    is_hungry: bool,
    /// It holds less memory than before.
    has_freed: bool,
}

/// The Python object.
#[pyclass(frozen, name = "WebSocket", module = "gunicorn_rs")]
pub(super) struct Socket {
    inner: Mutex<Inner>,
    engine: Py<Engine>,
    /// Method and target, for the log.
    request: Box<str>,
}

impl Socket {
    pub(super) fn new(
        exchange: Box<Exchange>,
        handshake: Handshake,
        engine: Py<Engine>,
        began: Time,
        lane: Option<usize>,
    ) -> Self {
        let head = exchange.head();
        let request = format!("{} {}", head.method().escape_ascii(), head.target().escape_ascii()).into();
        let inner = Inner {
            state: State::Opening(Box::new(Opening { exchange, handshake, began, lane })),
            is_connected: false,
            waiting: None,
            ended: None,
            is_closed_by_us: false,
            is_through: false,
            is_hungry: false,
            row: Row::default(),
            receiving: Vec::new(),
            sending: Vec::new(),
        };
        Self { inner: Mutex::new(inner), engine, request }
    }

    /// Held for moments, and never while Python code runs.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn engine(&self) -> &Engine {
        self.engine.get()
    }

    /// Has the reactor tell of the client's socket, unless it is over.
    pub(super) fn attend(&self) -> Option<Attention> {
        let mut inner = self.lock();
        let engine = self.engine.get();
        match &mut inner.state {
            State::Opening(opening) => {
                engine.attend(&mut opening.exchange);
                Some(engine.attention_to(&opening.exchange))
            }
            State::Open(live) => {
                engine.attend_upgraded(live.upgraded());
                Some(Attention { place: live.upgraded().place(), hung_up: false, is_due: false })
            }
            State::Denying(cycle) => cycle.get().attend(),
            State::Over => None,
        }
    }

    /// The reactor has told of it.
    pub(super) fn notice(slf: &Bound<'_, Self>, attention: Attention) -> PyResult<()> {
        let py = slf.py();
        let denying = {
            let mut inner = slf.get().lock();
            match &mut inner.state {
                State::Open(live) => {
                    live.note(attention);
                    None
                }
                State::Denying(cycle) => Some(cycle.clone_ref(py)),
                State::Opening(_) if attention.hung_up => {
                    let mut effects = Effects::default();
                    inner.end((ABNORMAL, "".into()), &mut effects);
                    drop(inner);
                    return Self::perform(slf, effects);
                }
                State::Opening(_) | State::Over => return Ok(()),
            }
        };
        match denying {
            None => Self::drive(slf, attention.is_due),
            Some(cycle) if cycle.get().notice(py, attention)? => slf.get().engine.get().cancel_later(slf.as_any()),
            Some(_) => Ok(()),
        }
    }

    /// The server goes: the client is told so at this time.
    pub(super) fn say_farewell_at(slf: &Bound<'_, Self>, time: Time) -> PyResult<()> {
        if let State::Open(live) = &mut slf.get().lock().state {
            live.say_farewell_at(time);
        }
        Self::drive(slf, false)
    }

    /// Sends and reads what can be.
    pub(super) fn drive(slf: &Bound<'_, Self>, is_due: bool) -> PyResult<()> {
        let this = slf.get();
        let mut effects = Effects::default();
        this.engine.get().with_buffer(|buffer| {
            this.lock().drive(slf.py(), clock::now(), buffer, is_due, &mut effects);
        });
        Self::perform(slf, effects)
    }

    /// There may be memory for it.
    pub(super) fn drive_hungry(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.get().lock().is_hungry = false;
        Self::drive(slf, false)
    }

    fn perform(slf: &Bound<'_, Self>, effects: Effects) -> PyResult<()> {
        let py = slf.py();
        let engine = slf.get().engine.get();
        if let Some(upgraded) = effects.finished {
            engine.complete_upgraded(py, upgraded);
        }
        if effects.is_hungry {
            let held = engine.state().reactor.memory_held();
            engine.hungry.add(slf.clone().unbind(), held);
        }
        if effects.has_freed {
            engine.hungry.tell(py, engine)?;
        }
        if let Some((place, due)) = effects.plan {
            engine.plan(py, place, due)?;
        }
        wake(py, &effects.receivers)?;
        if effects.is_gone { fail_all(py, &effects.senders) } else { wake(py, &effects.senders) }?;
        if effects.is_news { engine.cancel_later(slf.as_any()) } else { Ok(()) }
    }

    /// Counts a message; whether its task is to let the loop's others have their turn.
    pub(super) fn is_end_of_row(&self) -> bool {
        self.lock().row.is_over()
    }

    /// What `receive` gives; `None`: it has to wait.
    pub(super) fn take_message(slf: &Bound<'_, Self>) -> PyResult<Option<Py<PyAny>>> {
        let py = slf.py();
        if !std::mem::replace(&mut slf.get().lock().is_connected, true) {
            return message(py, "websocket.connect").map(|message| Some(message.into_any().unbind()));
        }
        let is_empty = slf.get().lock().waiting.is_none();
        if is_empty {
            Self::drive(slf, false)?;
        }
        let payload = slf.get().lock().waiting.take();
        if let Some(payload) = payload {
            let message = message(py, "websocket.receive")?;
            let payload = payload.into_bound(py);
            let key = if payload.is_instance_of::<PyString>() { intern!(py, "text") } else { intern!(py, "bytes") };
            message.set_item(key, payload)?;
            Self::resume(slf)?;
            return Ok(Some(message.into_any().unbind()));
        }
        let Some((code, reason)) = slf.get().lock().ended.clone() else { return Ok(None) };
        let message = message(py, "websocket.disconnect")?;
        message.set_item(intern!(py, "code"), code)?;
        message.set_item(intern!(py, "reason"), &*reason)?;
        Ok(Some(message.into_any().unbind()))
    }

    /// A message was taken: the client is listened to again, but not before the application has taken its step. So
    /// what it answers at once leaves before what the client's next frame brings about, a Close for instance.
    fn resume(slf: &Bound<'_, Self>) -> PyResult<()> {
        let mut effects = Effects::default();
        if let State::Open(live) = &mut slf.get().lock().state {
            let now = clock::now();
            live.resume(now);
            effects.has_freed = live.take_freed();
            effects.plan = live.plan(now).map(|due| (live.upgraded().place(), due));
        }
        Self::perform(slf, effects)
    }

    /// Has this future resolved when there is something to take.
    pub(super) fn wake_receiver(&self, future: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = future.py();
        let receiving = std::mem::take(&mut self.lock().receiving);
        let mut waiting = still_waiting(py, receiving)?;
        waiting.push(future.clone().unbind());
        self.lock().receiving.append(&mut waiting);
        Ok(())
    }
}

impl Inner {
    fn drive(&mut self, py: Python<'_>, now: Time, buffer: &mut [u8], is_due: bool, effects: &mut Effects) {
        let State::Open(live) = &mut self.state else { return };
        let mut news = live.flush(now).err().map(|_| News::Broken);
        if is_due && news.is_none() {
            news = live.on_time(now);
        }
        loop {
            if let Some(news) = news {
                self.note(news, effects);
            }
            let wants = self.waiting.is_none() && self.ended.is_none();
            let State::Open(live) = &mut self.state else { return };
            news = live.advance(py, now, buffer, wants);
            if news.is_none() {
                break;
            }
        }
        let State::Open(live) = &mut self.state else { return };
        if live.is_flushed() {
            effects.senders.append(&mut self.sending);
        }
        effects.has_freed |= live.take_freed();
        effects.is_hungry = live.is_hungry() && !std::mem::replace(&mut self.is_hungry, true);
        effects.plan = live.plan(now).map(|due| (live.upgraded().place(), due));
    }

    /// Something has happened that the application is to be told of.
    fn note(&mut self, news: News, effects: &mut Effects) {
        let is_broken = matches!(news, News::Broken);
        match news {
            News::Message(message) => {
                self.waiting = Some(message);
                effects.receivers.append(&mut self.receiving);
                return;
            }
            News::Closed(code, reason) => self.end((code, reason), effects),
            News::Broken => self.end((ABNORMAL, "".into()), effects),
        }
        let is_over = matches!(&self.state, State::Open(live) if is_broken || live.is_over());
        if is_over && let State::Open(live) = std::mem::replace(&mut self.state, State::Over) {
            let mut upgraded = live.into_upgraded();
            if is_broken {
                upgraded.give_up();
            }
            effects.finished = Some(upgraded);
            effects.has_freed = true;
            effects.senders.append(&mut self.sending);
            effects.is_gone = true;
        }
    }

    /// It has ended, or is about to.
    fn end(&mut self, how: (u16, Box<str>), effects: &mut Effects) {
        effects.is_news |= self.ended.is_none() && !self.is_closed_by_us && !self.is_through;
        self.ended.get_or_insert(how);
        effects.receivers.append(&mut self.receiving);
    }
}

#[pymethods]
impl Socket {
    /// Whether its application is to be cancelled when the client has gone: it always is.
    #[expect(clippy::unused_self, reason = "as of a request")]
    fn is_open(&self) -> bool {
        true
    }

    fn receive(slf: &Bound<'_, Self>) -> Receiving {
        Receiving::of_websocket(slf.clone().unbind())
    }

    /// Gives what is to be awaited: a coroutine.
    fn send(slf: &Bound<'_, Self>, message: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        Sending::of(slf.py(), Self::send_any(slf, message))
    }

    /// The application has returned.
    fn end(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (denying, is_unanswered) = {
            let inner = slf.get().lock();
            match &inner.state {
                State::Denying(cycle) => (Some(cycle.clone_ref(slf.py())), false),
                State::Opening(_) => (None, inner.ended.is_none()),
                State::Open(_) | State::Over => (None, false),
            }
        };
        if let Some(cycle) = denying {
            return cycle.get().end(slf.py());
        }
        if is_unanswered {
            let complaint = "the application has returned without answering the WebSocket's handshake";
            super::message::complaint(complaint).log(slf.py());
        }
        Self::conclude(slf, 403, 1000)
    }

    /// The application has raised.
    pub(super) fn fail(slf: &Bound<'_, Self>, error: &Bound<'_, PyAny>) -> PyResult<()> {
        let (denying, is_ended) = {
            let inner = slf.get().lock();
            match &inner.state {
                State::Denying(cycle) => (Some(cycle.clone_ref(slf.py())), false),
                _ => (None, inner.ended.is_some()),
            }
        };
        if let Some(cycle) = denying {
            return cycle.get().fail(slf.py(), error);
        }
        if !(is_ended && error.is_instance_of::<PyOSError>()) {
            super::message::failure(Some(&slf.get().request), error).log(slf.py());
        }
        Self::conclude(slf, 500, 1011)
    }
}

fn message<'py>(py: Python<'py>, kind: &str) -> PyResult<Bound<'py, PyDict>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), PyString::intern(py, kind))?;
    Ok(message)
}

//! The clients of a worker's engine: requests and WebSockets, which it begins, tells and takes back alike.

use std::sync::PoisonError;
use std::time::Duration;

use gunicorn::http::ws::{self, Deflate, Handshake, WebSocket};
use gunicorn::log;
use gunicorn::reactor::{Attention, Exchange, Upgraded};
use gunicorn::sys::clock;
use gunicorn::time::Time;
use gunicorn::worker::lifecycle::random_up_to;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::cycle::Cycle;
use super::engine::Engine;
use super::live::{BUFFER_BYTES, Live};
use super::websocket::Socket;
use crate::zygote;

/// Over how long the farewells are spread when the server goes, so that not all clients come back at once.
const FAREWELLS: Duration = Duration::from_secs(1);

/// What the application runs for.
pub(super) enum Client {
    Request(Py<Cycle>),
    WebSocket(Py<Socket>),
}

impl Client {
    pub(super) fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Request(cycle) => Self::Request(cycle.clone_ref(py)),
            Self::WebSocket(socket) => Self::WebSocket(socket.clone_ref(py)),
        }
    }

    /// Has the reactor tell of its socket; gives the place, unless it is over.
    pub(super) fn attend(&self) -> Option<Attention> {
        match self {
            Self::Request(cycle) => cycle.get().attend(),
            Self::WebSocket(socket) => socket.get().attend(),
        }
    }
}

/// What a request asks for.
enum Asked {
    Response,
    WebSocket(Handshake, Vec<String>),
    Refused,
}

impl Engine {
    /// The application is started on what a client asks for.
    pub(super) fn begin(slf: &Bound<'_, Self>, mut exchange: Box<Exchange>, lane: Option<usize>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let began = clock::now();
        this.note_beginning(&exchange, began, lane);
        let engine = slf.clone().unbind();
        match this.look_at(&mut exchange) {
            Asked::Response => {
                let Some(scope) = this.scope(py, &mut exchange, None) else {
                    this.complete(py, exchange, began, lane);
                    return Ok(());
                };
                let cycle = Bound::new(py, Cycle::new(exchange, engine, began, lane))?;
                match this.start(cycle.as_any(), scope) {
                    Ok(true) => {}
                    Ok(false) => this.remember(Client::Request(cycle.unbind())),
                    Err(error) => cycle.get().fail(py, error.value(py).as_any())?,
                }
            }
            Asked::WebSocket(handshake, subprotocols) => {
                let Some(scope) = this.scope(py, &mut exchange, Some(subprotocols)) else {
                    this.complete(py, exchange, began, lane);
                    return Ok(());
                };
                let socket = Bound::new(py, Socket::new(exchange, handshake, engine, began, lane))?;
                if let Err(error) = this.start(socket.as_any(), scope) {
                    Socket::fail(&socket, error.value(py).as_any())?;
                }
                // It may outlive its application: it is closed in an orderly way.
                this.remember(Client::WebSocket(socket.unbind()));
            }
            Asked::Refused => this.complete(py, exchange, began, lane),
        }
        Ok(())
    }

    /// The scope; where none can be made the client is told so.
    fn scope<'py>(
        &self,
        py: Python<'py>,
        exchange: &mut Exchange,
        subprotocols: Option<Vec<String>>,
    ) -> Option<Bound<'py, PyDict>> {
        self.scopes
            .make(py, exchange, subprotocols)
            .map_err(|error| {
                log::error!("{}", zygote::traceback(py, &error).trim_end());
                exchange.refuse(500, "");
            })
            .ok()
    }

    fn look_at(&self, exchange: &mut Exchange) -> Asked {
        let opening = match ws::opening(exchange.head()) {
            Ok(None) => return Asked::Response,
            Ok(Some(opening)) => opening,
            Err(error) => {
                exchange.refuse_as_invalid(&error);
                return Asked::Refused;
            }
        };
        let names = opening.subprotocols().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        Asked::WebSocket(opening.handshake(self.terms.deflate), names)
    }

    /// What the reactor tells of an exchange is handed on.
    pub(super) fn tell(&self, py: Python<'_>, news: Attention) -> PyResult<()> {
        let client = {
            let attended = self.attended.lock().unwrap_or_else(PoisonError::into_inner);
            attended.get(&news.place).map(|client| client.clone_ref(py))
        };
        match client {
            None => Ok(()),
            Some(Client::WebSocket(socket)) => Socket::notice(socket.bind(py), news),
            Some(Client::Request(cycle)) => match cycle.get().notice(py, news)? {
                true => self.cancel_later(cycle.bind(py).as_any()),
                false => Ok(()),
            },
        }
    }

    /// The applications that were started have taken their first step: their clients are watched.
    pub(super) fn watch_fresh(&self, py: Python<'_>) -> PyResult<()> {
        let fresh = std::mem::take(&mut *self.fresh.lock().unwrap_or_else(PoisonError::into_inner));
        for client in fresh {
            let Some(known) = client.attend() else { continue };
            let copy = client.clone_ref(py);
            self.attended.lock().unwrap_or_else(PoisonError::into_inner).insert(known.place, client);
            if let (Client::WebSocket(socket), true) = (copy, self.is_stopping()) {
                Socket::say_farewell_at(socket.bind(py), clock::now())?;
            }
            // What the reactor has told of it so far nobody has heard.
            if let Err(error) = self.tell(py, known) {
                log::error!("{}", zygote::traceback(py, &error).trim_end());
            }
        }
        Ok(())
    }

    /// The worker stops: the clients of all WebSockets are told so, one after the other.
    pub(super) fn say_farewell(&self, py: Python<'_>) -> PyResult<()> {
        let sockets: Vec<Py<Socket>> = {
            let attended = self.attended.lock().unwrap_or_else(PoisonError::into_inner);
            let socket_of = |client: &Client| match client {
                Client::WebSocket(socket) => Some(socket.clone_ref(py)),
                Client::Request(_) => None,
            };
            attended.values().filter_map(socket_of).collect()
        };
        let spread = FAREWELLS.min(self.terms.graceful_timeout / 4);
        let most = u64::try_from(spread.as_micros()).unwrap_or(0);
        for socket in sockets {
            Socket::say_farewell_at(socket.bind(py), clock::now() + Duration::from_micros(random_up_to(most)))?;
        }
        Ok(())
    }

    /// The handshake has been answered: what belonged to the request is given back.
    pub(super) fn upgrade(
        &self,
        exchange: Box<Exchange>,
        agreed: Option<Deflate>,
        began: Time,
        lane: Option<usize>,
    ) -> Live {
        let now = clock::now();
        self.note_end(&exchange, began, lane);
        let (upgraded, ahead) = self.state().reactor.upgrade(exchange);
        let websocket = WebSocket::new(&self.terms.websocket, agreed, now);
        let mut live = Live::new(upgraded, ahead, websocket, self.terms.write_timeout);
        if self.is_stopping() {
            live.say_farewell_at(now);
        }
        live
    }

    /// Has the reactor tell of a WebSocket's connection.
    pub(super) fn attend_upgraded(&self, upgraded: &mut Upgraded) {
        if let Err(error) = self.state().reactor.attend_upgraded(upgraded) {
            log::error!("Cannot watch a connection: {error}");
        }
    }

    /// Takes the connection of a WebSocket back, to be closed.
    pub(super) fn complete_upgraded(&self, py: Python<'_>, upgraded: Upgraded) {
        let place = upgraded.place();
        self.state().reactor.complete_upgraded(upgraded);
        self.forget(py, place);
    }

    /// Has the reactor tell of this place at this time, and the loop call in time for it.
    pub(super) fn plan(&self, py: Python<'_>, place: usize, due: Time) -> PyResult<()> {
        self.set_deadline(place, Some(due));
        self.schedule(py)
    }

    /// Lends the buffer that all WebSockets read into. No Python code runs meanwhile.
    pub(super) fn with_buffer<R>(&self, work: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.resize(BUFFER_BYTES, 0);
        work(&mut buffer)
    }
}

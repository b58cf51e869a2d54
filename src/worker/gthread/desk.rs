//! The desk: what only one thread at a time may use.

use std::io;

use crate::log;
use crate::reactor::{Exchange, Reactor};
use crate::scoreboard::SlotCells;
use crate::time::Time;
use crate::worker::BROKEN;
use crate::worker::lifecycle::{Course, Lifecycle};

/// The reactor, and what goes with it.
#[derive(Debug)]
pub(super) struct Desk {
    reactor: Reactor,
    lifecycle: Lifecycle<'static>,
    slot: &'static SlotCells,
}

/// What there is to do for who stands at the desk.
pub(super) enum Next {
    /// Serve this.
    Serve(Box<Exchange>),
    /// Nothing, now.
    Wait,
    /// Leave for good: the worker ends with this code.
    End(i32),
}

impl Desk {
    pub(super) fn new(reactor: Reactor, lifecycle: Lifecycle<'static>, slot: &'static SlotCells) -> Self {
        Self { reactor, lifecycle, slot }
    }

    /// Takes exchanges back.
    pub(super) fn take_back(&mut self, exchanges: impl IntoIterator<Item = Box<Exchange>>) {
        exchanges.into_iter().for_each(|exchange| self.reactor.complete(exchange));
    }

    /// What is to be done next.
    pub(super) fn next(&mut self) -> Next {
        if let Course::Exit(code) = self.lifecycle.course(&mut self.reactor) {
            return Next::End(code);
        }
        let Some(mut exchange) = self.reactor.next_exchange() else { return Next::Wait };
        if self.lifecycle.count_request() {
            exchange.close_after();
        }
        Next::Serve(exchange)
    }

    /// Waits for clients; a call of the reactor's waker ends it.
    pub(super) fn wait(&mut self) -> Result<(), i32> {
        let turned = self.reactor.turn(None).map(drop);
        self.count_connections();
        turned.map_err(|error| broken(&error))
    }

    /// Keeps the connections going while nobody serves; `gives_up`: the worker is to be replaced.
    pub(super) fn tend(&mut self, gives_up: bool) -> Result<(), i32> {
        if gives_up {
            self.give_up();
        }
        let tended = self.reactor.tend();
        self.count_connections();
        tended.map_err(|error| broken(&error))?;
        match self.lifecycle.course(&mut self.reactor) {
            Course::Exit(code) => Err(code),
            Course::Go => Ok(()),
        }
    }

    /// When to tend it at the latest.
    pub(super) fn next_timer(&self) -> Option<Time> {
        self.reactor.next_timer()
    }

    /// The time as the reactor last saw it.
    pub(super) fn now(&self) -> Time {
        self.reactor.now()
    }

    /// Asks for a successor, and serves nobody new meanwhile.
    pub(super) fn give_up(&mut self) {
        self.lifecycle.give_up(&mut self.reactor);
    }

    fn count_connections(&mut self) {
        (0..self.reactor.take_accepted()).for_each(|_| self.slot.count_connection());
    }
}

fn broken(error: &io::Error) -> i32 {
    log::critical!("The worker cannot wait for its clients: {error}");
    BROKEN
}

//! The readiness loop of one worker: listeners, connections and timers on one poll.
//!
//! [`Reactor::turn`] waits (or, with no time to wait, only looks), then accepts, reads, parses, writes and gives up
//! whatever is due; [`Reactor::next_exchange`] hands out requests that can be answered; [`Reactor::complete`] takes
//! them back. Its poll descriptor is itself pollable, so a foreign event loop can watch it and call `turn`
//! when it fires, or when [`Reactor::next_deadline`] has come. It knows no application and no worker kind.
//!
//! Connections are watched edge-triggered: each is read until a read comes back short. A connection that is accepted,
//! read, answered and closed at once is never registered with the poll.

mod acceptor;
mod attention;
mod body;
mod budget;
mod buffers;
mod config;
mod connection;
mod crowding;
mod date;
mod exchange;
mod flusher;
mod idle;
mod input;
mod output;
mod queue;
mod response;
mod streaming;
mod timers;
mod upgraded;
mod wake;
mod work;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Poll, Token, Waker};
use slab::Slab;

use acceptor::Acceptor;
pub use attention::Attention;
pub use body::MEMORY_BYTES;
use buffers::Buffers;
pub use config::{Heartbeat, ReactorConfig};
use connection::{Connection, Next, Readiness, Shared};
pub use exchange::*;
use idle::{Idle, Rank};
pub use input::MAX_BYTES as LONGEST_HEAD;
pub use streaming::BodyError;
use timers::Timers;
pub use upgraded::{Arrived, UNCHARGED_BYTES, Upgraded};
use wake::WakePipe;
use work::WorkPool;

use crate::log::{self, Complaint};
use crate::net::Listener;
use crate::sys::clock;
use crate::time::Time;

/// Most events taken from the poll at one time.
const EVENTS: usize = 256;

/// Most exchanges handed out in a row before the poll is asked again: a client that pipelines without end must not keep
/// the worker from all others, from its timers and from its signals.
const EXCHANGES: u32 = 64;

const SIGNALS: usize = usize::MAX;
const PARENT: usize = usize::MAX - 1;
const BATON: usize = usize::MAX - 2;
const CALL: usize = usize::MAX - 3;

/// Tokens from here on down are listeners; from 0 up, places of connections.
const LISTENERS: usize = usize::MAX - 4;

/// What a turn found besides clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Woken {
    /// The signal pipe was written to.
    pub signals: bool,
    /// The parent's end of its pipe is closed: it has gone.
    pub parent_gone: bool,
}

/// A place in the slab of connections.
#[derive(Debug)]
enum Place {
    Here(Box<Connection>),
    /// Checked out, and what the poll has told meanwhile.
    Out(Readiness),
}

/// The readiness loop.
#[derive(Debug)]
pub struct Reactor {
    poll: Poll,
    events: Events,
    places: Slab<Place>,
    ready: VecDeque<usize>,
    /// Connections that have more to do than one turn allows.
    runnable: VecDeque<usize>,
    /// Exchanges that may be handed out before the next turn.
    exchanges: u32,
    /// News of exchanges that are out, if anybody wants them.
    attention: Vec<Attention>,
    attends: bool,
    timers: Timers,
    idle: Idle,
    acceptor: Acceptor,
    /// New connections are left to the siblings.
    stands_back: bool,
    signals: Option<WakePipe>,
    parent: Option<WakePipe>,
    shared: Shared,
    accepted: u64,
    complaint: Complaint,
}

impl Reactor {
    /// A reactor for these listeners. To be made in the process that uses it: a poll must not be shared by a fork.
    ///
    /// # Errors
    /// Those of epoll_create1(2), epoll_ctl(2) and getsockname(2).
    pub fn new(listeners: Vec<Listener>, config: ReactorConfig) -> io::Result<Self> {
        let buffers = Buffers::new(&config);
        let pool = WorkPool::new(&buffers);
        let mut reactor = Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            places: Slab::new(),
            ready: VecDeque::new(),
            runnable: VecDeque::new(),
            exchanges: EXCHANGES,
            attention: Vec::new(),
            attends: false,
            timers: Timers::default(),
            idle: Idle::default(),
            acceptor: Acceptor::new(listeners)?,
            stands_back: false,
            signals: None,
            parent: None,
            shared: Shared {
                config,
                buffers,
                pool,
                now: clock::now(),
                closing: None,
                closes: Arc::default(),
                complaint: Complaint::default(),
            },
            accepted: 0,
            complaint: Complaint::default(),
        };
        reactor.gate()?;
        Ok(reactor)
    }

    /// Has each byte written to the other end of this non-blocking pipe end a wait.
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    pub fn watch_signals(&mut self, pipe: OwnedFd) -> io::Result<()> {
        self.signals = Some(WakePipe::new(pipe, self.poll.registry(), Token(SIGNALS))?);
        Ok(())
    }

    /// Has the end of this non-blocking pipe, whose other end the parent holds, end a wait.
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    pub fn watch_parent(&mut self, pipe: OwnedFd) -> io::Result<()> {
        self.parent = Some(WakePipe::new(pipe, self.poll.registry(), Token(PARENT))?);
        Ok(())
    }

    /// Has the workers that share the listeners wake each other through this eventfd, one for all of them: whoever was
    /// woken for a connection and is busy then wakes another one. Without it there are no others.
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    pub fn share_listeners(&mut self, baton: OwnedFd) -> io::Result<()> {
        self.acceptor.unwatch(&self.poll)?;
        self.acceptor.share(baton);
        self.gate()
    }

    /// When to call `turn` at the latest.
    pub fn next_deadline(&self) -> Option<Time> {
        if !self.ready.is_empty() || !self.runnable.is_empty() || self.acceptor.is_ready() {
            return Some(self.shared.now);
        }
        // One that may give way already does so as soon as there is a newcomer.
        let next_place = self.next_place().filter(|time| *time > self.shared.now);
        [self.timers.next(), self.acceptor.resume(), next_place].into_iter().flatten().min()
    }

    /// Ends the wait of whoever is in [`Self::turn`], from another thread.
    ///
    /// # Errors
    /// Those of eventfd(2) and epoll_ctl(2).
    pub fn waker(&self) -> io::Result<Waker> {
        Waker::new(self.poll.registry(), Token(CALL))
    }

    /// As `turn`, at once and for one who takes no exchanges: nobody is accepted, so that a sibling can do it.
    ///
    /// # Errors
    /// As `turn`.
    pub fn tend(&mut self) -> io::Result<()> {
        self.stand_back()?;
        self.work(Some(Duration::ZERO)).map(drop)
    }

    /// The time, as it was when the reactor last looked.
    pub fn now(&self) -> Time {
        self.shared.now
    }

    /// When to call `tend` at the latest.
    pub fn next_timer(&self) -> Option<Time> {
        if self.runnable.is_empty() { self.timers.next() } else { Some(self.shared.now) }
    }

    /// Waits until there is something to do, for `timeout` at most (`None`: for ever), and does all of it that needs no
    /// application. Returns at once when requests are ready already. A signal may end the wait.
    ///
    /// # Errors
    /// Those of epoll_wait(2), which mean a bug or a system out of memory.
    pub fn turn(&mut self, timeout: Option<Duration>) -> io::Result<Woken> {
        self.accept_overdue();
        self.stands_back = false;
        if self.acceptor.is_unwatched() {
            // It may be for this that `turn` was called, and nobody may call it again.
            self.shared.now = clock::now();
        }
        self.gate()?;
        self.work(self.wait_time(timeout))
    }

    /// Waits, and handles what has happened.
    fn work(&mut self, timeout: Option<Duration>) -> io::Result<Woken> {
        // `events` is moved out for the time of the loop over it, since that changes the rest of the reactor.
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let polled = self.poll.poll(&mut events, timeout);
        self.shared.now = clock::now();
        self.acceptor.begin_turn();
        self.exchanges = EXCHANGES;
        let mut woken = Woken::default();
        if polled.is_ok() {
            events.iter().for_each(|event| self.handle(event, &mut woken));
        }
        self.events = events;
        self.run();
        self.expire();
        match polled {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(woken),
        }
    }

    /// The next request that can be answered, accepting connections if need be. `None`: nothing without another turn,
    /// which is due now and then even if there are more.
    pub fn next_exchange(&mut self) -> Option<Box<Exchange>> {
        while self.exchanges > 0 {
            let Some(place) = self.ready.pop_front() else { if self.accept() { continue } else { return None } };
            if let Some(exchange) = self.check_out(place) {
                self.exchanges -= 1;
                self.acceptor.pass_on();
                return Some(exchange);
            }
        }
        None
    }

    /// Takes an exchange back. What its response has left in the output buffer is sent from here; a response that is
    /// neither finished nor aborted is cut.
    #[expect(clippy::boxed_local, reason = "it was handed out boxed")]
    pub fn complete(&mut self, exchange: Box<Exchange>) {
        let Exchange { place, connection, work, .. } = *exchange;
        self.take_back(place, connection, |connection, shared| connection.check_in(work, shared));
    }

    /// Accepts nothing from now on: the listeners are closed, in this process.
    pub fn stop_accepting(&mut self) {
        // Closing would do, were the sockets not shared with other processes, for which the poll keeps watching them.
        if let Err(error) = self.stand_back() {
            log::warning!("Cannot stop watching the listeners: {error}");
        }
        // A connection wakes one worker only (`EPOLLEXCLUSIVE`): the one that this worker was woken for is its to
        // serve, since the others sleep on.
        self.acceptor.begin_turn();
        self.acceptor.note_all();
        while self.accept() {}
        self.acceptor.close();
    }

    /// Ends all connections, each as soon as the requests that have begun to arrive on it are answered; idle ones when
    /// their keep-alive time is over, after `patience` at the latest. Responses that start from now on say so. See
    /// `is_empty` for when it is done. To be called again to have less patience.
    pub fn close_connections(&mut self, patience: Duration) {
        self.shared.now = clock::now();
        self.shared.closing = Some(self.shared.now + patience);
        self.shared.closes.store(true, Relaxed);
        let places: Vec<usize> = self.places.iter().map(|(place, _)| place).collect();
        places.into_iter().for_each(|place| self.advance(place, Connection::finish_up));
    }

    /// Whether no connection is left.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Connections accepted since this was asked last.
    pub fn take_accepted(&mut self) -> u64 {
        std::mem::take(&mut self.accepted)
    }

    /// Bytes that requests and responses hold now, in memory and in files.
    pub fn buffered(&self) -> (u64, u64) {
        (self.shared.buffers.memory.used(), self.shared.buffers.disk.used())
    }

    /// How long a turn may sleep.
    fn wait_time(&self, timeout: Option<Duration>) -> Option<Duration> {
        let until_deadline = self.next_deadline().map(|deadline| deadline - clock::now());
        [timeout, until_deadline].into_iter().flatten().min()
    }

    fn handle(&mut self, event: &Event, woken: &mut Woken) {
        match event.token().0 {
            SIGNALS => {
                woken.signals = true;
                self.signals.as_mut().map(WakePipe::drain);
            }
            BATON => self.acceptor.take_baton(),
            CALL => {}
            PARENT => woken.parent_gone |= self.parent.as_mut().is_some_and(|pipe| !pipe.drain()),
            token if token > usize::MAX / 2 => self.acceptor.note(LISTENERS - token),
            place => self.handle_connection(place, event),
        }
    }

    /// Goes on with the connections that have had to wait for their turn.
    fn run(&mut self) {
        for _ in 0..self.runnable.len() {
            let Some(place) = self.runnable.pop_front() else { return };
            if let Some(Place::Here(connection)) = self.places.get_mut(place)
                && std::mem::take(&mut connection.is_queued)
            {
                self.advance(place, Connection::advance);
            }
        }
    }

    fn handle_connection(&mut self, place: usize, event: &Event) {
        match self.places.get_mut(place) {
            Some(Place::Here(connection)) => connection.readiness.note(event),
            Some(Place::Out(readiness)) => {
                readiness.note(event);
                let readiness = *readiness;
                return self.note_out(place, readiness);
            }
            // It was closed earlier in this turn.
            None => return,
        }
        self.advance(place, Connection::advance);
    }

    /// Drives a connection that is here, unless it waits in the queue of those that are ready.
    fn advance(&mut self, place: usize, drive: impl FnOnce(&mut Connection, &mut Shared) -> Next) {
        if let Some(Place::Here(connection)) = self.places.get_mut(place)
            && !connection.is_ready()
        {
            let next = drive(connection, &mut self.shared);
            self.settle(place, next);
        }
    }

    /// Does what a connection needs next.
    fn settle(&mut self, place: usize, next: Next) {
        match next {
            Next::Wait => self.watch(place),
            Next::Again => {
                self.watch(place);
                self.queue(place);
            }
            Next::Ready => {
                self.timers.set(place, None);
                self.idle.set(place, None);
                self.ready.push_back(place);
            }
            Next::Close => self.remove(place),
        }
    }

    fn watch(&mut self, place: usize) {
        let Some(Place::Here(connection)) = self.places.get_mut(place) else { return };
        match connection.watch(self.poll.registry(), Token(place)) {
            Ok(()) => {
                self.timers.set(place, connection.deadline());
                match connection.rank() {
                    Some(Rank::Stalled) if connection.has_moved() => self.idle.renew(place, Rank::Stalled),
                    rank => self.idle.set(place, rank),
                }
                // Somebody may give way now who could not before.
                if self.acceptor.is_unwatched()
                    && let Err(error) = self.gate()
                {
                    log::error!("Cannot watch the listeners: {error}");
                }
            }
            Err(error) => {
                log::error!("Cannot watch a connection: {error}");
                self.remove(place);
            }
        }
    }

    /// Has the connection go on in the next turn.
    fn queue(&mut self, place: usize) {
        if let Some(Place::Here(connection)) = self.places.get_mut(place)
            && !std::mem::replace(&mut connection.is_queued, true)
        {
            self.runnable.push_back(place);
        }
    }

    fn remove(&mut self, place: usize) {
        self.timers.set(place, None);
        self.idle.set(place, None);
        if let Some(Place::Here(mut connection)) = self.places.try_remove(place)
            && let Some(work) = connection.take_work()
        {
            self.shared.pool.give(work);
        }
        if self.acceptor.connection_ended()
            && let Err(error) = self.gate()
        {
            log::error!("Cannot watch the listeners: {error}");
        }
    }

    fn expire(&mut self) {
        while let Some(place) = self.timers.expired(self.shared.now) {
            self.come_due(place);
        }
    }

    fn check_out(&mut self, place: usize) -> Option<Box<Exchange>> {
        let slot = self.places.get_mut(place)?;
        let Place::Here(connection) = slot else { return None };
        let work = connection.check_out()?;
        let Place::Here(connection) = std::mem::replace(slot, Place::Out(Readiness::default())) else { return None };
        let config = &self.shared.config;
        let persist = config.keepalive.is_some_and(|time| !time.is_zero()) && connection.may_persist(config);
        let (write_timeout, heartbeat, waits) = (config.write_timeout, config.heartbeat, config.waits);
        Some(Box::new(Exchange { place, connection, work, write_timeout, heartbeat, persist, waits }))
    }

    /// Accepts one connection and goes as far with it as it can; `false` when there is none.
    fn accept(&mut self) -> bool {
        if self.is_closed() {
            return false;
        }
        let Some(accepted) = self.acceptor.accept(self.shared.now) else { return false };
        self.accepted += 1;
        self.make_place();
        let place = self.places.insert(Place::Here(Box::new(Connection::new(accepted, &self.shared))));
        self.advance(place, Connection::advance);
        true
    }

    /// While requests are ready nothing is accepted, so that an idle sibling can do it. Those who are in the backlog
    /// since an earlier turn have waited long enough.
    fn accept_overdue(&mut self) {
        while !self.ready.is_empty() && self.accept() {}
    }
}

impl AsRawFd for Reactor {
    /// The poll: readable when `turn` has something to do.
    fn as_raw_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }
}

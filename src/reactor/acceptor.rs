//! The gate through which new connections come: when to accept, and when not.
//!
//! Listeners are shared with the other workers. Each new connection wakes one that sleeps (`EPOLLEXCLUSIVE`), and a
//! worker accepts one at a time, when it has nothing better to do: what it leaves in the backlog, an idle sibling
//! takes.
//!
//! That sibling must be awake. So a worker that was woken for a connection and goes to do something else first passes
//! the baton: through an eventfd that all watch in the same way, it wakes another one, which then owes what it owed.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use mio::Poll;

use crate::log::{self, Complaint};
use crate::net::{Address, Listener, Stream};
use crate::sys::accept::is_about_one_client;
use crate::sys::{epoll, eventfd};
use crate::time::Time;

/// Connections accepted in a row before the sockets of the others are looked at again.
const ROUNDS: u32 = 16;

/// How long nothing is accepted when descriptors or memory have run out, unless a connection ends before.
const PAUSE: Duration = Duration::from_secs(1);

/// A new connection: stream, client, and what the listener is bound to.
pub(super) type Accepted = (Stream, Address, Arc<Address>);

#[derive(Debug)]
struct Door {
    listener: Listener,
    address: Arc<Address>,
    /// The backlog may hold a connection.
    is_ready: bool,
    debt: Debt,
}

/// What this worker was woken for at a door, and the others therefore were not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Debt {
    #[default]
    Nothing,
    /// One connection: the poll told of it.
    One,
    /// All that are there: a sibling has passed its debts, perhaps not the only one.
    Backlog,
}

/// The listeners of one reactor.
#[derive(Debug, Default)]
pub(super) struct Acceptor {
    doors: Vec<Door>,
    /// The door to look at first.
    first: usize,
    /// Shared with the siblings: more than zero while debts are passed on and nobody has taken them.
    baton: Option<OwnedFd>,
    /// This worker has passed the baton, and has not looked whether anybody took it.
    has_passed: bool,
    /// Connections that may be accepted before the next turn.
    rounds: u32,
    is_watched: bool,
    /// Set while nothing is accepted because something has run out.
    resume: Option<Time>,
    complaint: Complaint,
}

impl Acceptor {
    /// # Errors
    /// Those of getsockname(2).
    pub(super) fn new(listeners: Vec<Listener>) -> io::Result<Self> {
        let door = |listener: Listener| {
            let address = Arc::new(listener.local_address()?);
            Ok(Door { listener, address, is_ready: false, debt: Debt::Nothing })
        };
        let mut acceptor = Self::default();
        acceptor.doors = listeners.into_iter().map(door).collect::<io::Result<_>>()?;
        Ok(acceptor)
    }

    /// Has debts passed to the siblings through this eventfd.
    pub(super) fn share(&mut self, baton: OwnedFd) {
        self.baton = Some(baton);
    }

    /// Has the poll watch the listeners, and the baton, which is for those who may accept; each listener's token is
    /// `token` of its number.
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    pub(super) fn watch(&mut self, poll: &Poll, baton: usize, token: impl Fn(usize) -> usize) -> io::Result<()> {
        if !self.is_watched {
            if let Some(fd) = &self.baton {
                epoll::add_exclusive(poll, fd.as_fd(), baton as u64)?;
            }
            for (number, door) in self.doors.iter().enumerate() {
                epoll::add_exclusive(poll, door.listener.as_fd(), token(number) as u64)?;
            }
            self.is_watched = true;
        }
        Ok(())
    }

    /// Has the poll forget the listeners: they would wake it for nothing.
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    pub(super) fn unwatch(&mut self, poll: &Poll) -> io::Result<()> {
        if self.is_watched {
            self.pass_on();
            for door in &mut self.doors {
                door.is_ready = false;
                epoll::remove(poll, door.listener.as_fd())?;
            }
            if let Some(fd) = &self.baton {
                epoll::remove(poll, fd.as_fd())?;
            }
            self.is_watched = false;
        }
        Ok(())
    }

    /// Closes the listeners. What may be left in the backlog is for the siblings.
    pub(super) fn close(&mut self) {
        self.doors.iter_mut().filter(|door| door.is_ready).for_each(|door| door.debt = Debt::Backlog);
        self.pass_on();
        self.doors.clear();
        // It is for those who can accept.
        self.baton = None;
    }

    /// The poll has seen a connection at a listener.
    pub(super) fn note(&mut self, number: usize) {
        if let Some(door) = self.doors.get_mut(number) {
            door.is_ready = true;
            door.debt = door.debt.max(Debt::One);
        }
    }

    /// Takes the baton, if it is there.
    pub(super) fn take_baton(&mut self) {
        if self.baton.as_ref().is_some_and(eventfd::take) {
            self.note_all();
            self.doors.iter_mut().for_each(|door| door.debt = Debt::Backlog);
        }
    }

    /// This worker is about to do something else: whatever it owes, an idle sibling is to take.
    pub(super) fn pass_on(&mut self) {
        let Some(baton) = &self.baton else { return };
        if self.doors.iter().all(|door| door.debt == Debt::Nothing) {
            return;
        }
        match eventfd::raise(baton) {
            Ok(()) => self.has_passed = true,
            Err(error) => log::error!("Cannot wake another worker: {error}"),
        }
        self.doors.iter_mut().for_each(|door| door.debt = Debt::Nothing);
    }

    /// Whether the poll has forgotten the listeners.
    pub(super) fn is_unwatched(&self) -> bool {
        !self.is_watched
    }

    /// There may be a connection at every listener.
    pub(super) fn note_all(&mut self) {
        self.doors.iter_mut().for_each(|door| door.is_ready = true);
    }

    /// A turn of the poll begins a new row.
    pub(super) fn begin_turn(&mut self) {
        self.rounds = ROUNDS;
    }

    /// Whether there may be a connection to accept, so that the poll must not sleep.
    pub(super) fn is_ready(&self) -> bool {
        self.doors.iter().any(|door| door.is_ready)
    }

    /// When to accept again, if something has run out.
    pub(super) fn resume(&self) -> Option<Time> {
        self.resume
    }

    /// Whether accepting may go on at `now`.
    pub(super) fn may_resume(&mut self, now: Time) -> bool {
        if self.resume.is_some_and(|resume| resume <= now) {
            self.resume = None;
        }
        self.resume.is_none()
    }

    /// A connection has ended: what had run out may be there again. Whether the listeners are to be watched again.
    pub(super) fn connection_ended(&mut self) -> bool {
        self.resume = None;
        !self.is_watched
    }

    /// Accepts one connection, if there is one and the row is not over.
    pub(super) fn accept(&mut self, now: Time) -> Option<Accepted> {
        while self.rounds > 0 {
            let number = self.next_ready()?;
            self.rounds -= 1;
            // With nobody idle it would else be passed on from turn to turn.
            if std::mem::take(&mut self.has_passed) {
                self.take_baton();
            }
            let door = &mut self.doors[number];
            match door.listener.accept() {
                Ok((stream, peer)) => {
                    if door.debt == Debt::One {
                        door.debt = Debt::Nothing;
                    }
                    return Some((stream, peer, Arc::clone(&door.address)));
                }
                Err(error) => self.note_failure(number, &error, now),
            }
        }
        None
    }

    /// The listeners take turns.
    fn next_ready(&mut self) -> Option<usize> {
        let count = self.doors.len();
        let number = (0..count).map(|step| (self.first + step) % count).find(|number| self.doors[*number].is_ready)?;
        self.first = (number + 1) % count;
        Some(number)
    }

    fn note_failure(&mut self, number: usize, error: &io::Error, now: Time) {
        if error.kind() == io::ErrorKind::WouldBlock {
            self.doors[number].is_ready = false;
            self.doors[number].debt = Debt::Nothing;
        } else if !is_about_one_client(error) {
            self.doors.iter_mut().for_each(|door| door.is_ready = false);
            self.resume = Some(now + PAUSE);
            if self.complaint.is_due(now) {
                log::error!("Cannot accept connections for now: {error}");
            }
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.pass_on();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    const START: Time = Time::from_micros(1_000_000);

    fn acceptor(listeners: usize) -> (Acceptor, Vec<TcpStream>) {
        let listeners: Vec<_> = (0..listeners).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let clients = listeners.iter().flat_map(|listener| [listener, listener]);
        let clients = clients.map(|listener| TcpStream::connect(listener.local_addr().unwrap()).unwrap()).collect();
        let listeners = listeners.into_iter().map(|listener| Listener::from_fd(listener.into()).unwrap()).collect();
        let mut acceptor = Acceptor::new(listeners).unwrap();
        acceptor.begin_turn();
        (acceptor, clients)
    }

    #[test]
    fn listeners_take_turns() {
        let (mut acceptor, _clients) = acceptor(2);
        (0..2).for_each(|number| acceptor.note(number));
        let doors: Vec<_> = std::iter::from_fn(|| acceptor.accept(START)).map(|(_, _, door)| door).collect();
        assert_eq!(doors.len(), 4);
        assert_eq!((&doors[0], &doors[1]), (&doors[2], &doors[3]));
        assert_ne!(doors[0], doors[1]);
        assert!(!acceptor.is_ready());
    }

    #[test]
    fn a_row_of_connections_has_an_end() {
        let (mut acceptor, _clients) = acceptor(1);
        acceptor.note(0);
        acceptor.rounds = 1;
        assert!(acceptor.accept(START).is_some());
        assert!(acceptor.accept(START).is_none());
        assert!(acceptor.is_ready());
        acceptor.begin_turn();
        assert!(acceptor.accept(START).is_some());
    }

    #[test]
    fn when_descriptors_run_out_it_pauses() {
        let (mut acceptor, _clients) = acceptor(1);
        let poll = Poll::new().unwrap();
        acceptor.watch(&poll, 1, |number| number).unwrap();
        acceptor.note(0);
        acceptor.note_failure(0, &io::Error::from_raw_os_error(libc::EMFILE), START);
        assert!(!acceptor.is_ready());
        assert!(!acceptor.may_resume(START));
        acceptor.unwatch(&poll).unwrap();
        assert_eq!(acceptor.resume(), Some(START + PAUSE));
        assert!(acceptor.may_resume(START + PAUSE));
        acceptor.note_failure(0, &io::Error::from_raw_os_error(libc::EMFILE), START);
        assert!(acceptor.connection_ended());
        assert!(acceptor.may_resume(START));
    }

    /// Two acceptors of one listener that share a baton, two connections in the backlog, and a poll told the first.
    fn siblings() -> (Acceptor, Acceptor, Vec<TcpStream>) {
        let (mut first, clients) = acceptor(1);
        let listener = first.doors[0].listener.as_fd().try_clone_to_owned().unwrap();
        let mut second = Acceptor::new(vec![Listener::from_fd(listener).unwrap()]).unwrap();
        second.begin_turn();
        let baton = eventfd::create().unwrap();
        first.share(baton.try_clone().unwrap());
        second.share(baton);
        first.note(0);
        (first, second, clients)
    }

    #[test]
    fn what_a_worker_owes_it_passes_on_once() {
        let (mut first, mut second, _clients) = siblings();
        first.pass_on();
        second.take_baton();
        assert!(second.is_ready());
        assert!(second.accept(START).is_some());
        // There may be more, since what two have passed on is taken at once.
        second.pass_on();
        first.take_baton();
        assert!(first.accept(START).is_some());
        assert!(first.accept(START).is_none());
        first.pass_on();
        assert!(!eventfd::take(second.baton.as_ref().unwrap()));
    }

    #[test]
    fn what_was_accepted_at_once_is_not_passed_on() {
        let (mut first, second, _clients) = siblings();
        assert!(first.accept(START).is_some());
        first.pass_on();
        assert!(!eventfd::take(second.baton.as_ref().unwrap()));
    }

    #[test]
    fn what_nobody_has_taken_is_taken_back() {
        let (mut first, second, _clients) = siblings();
        first.pass_on();
        while first.accept(START).is_some() {}
        first.pass_on();
        assert!(!eventfd::take(second.baton.as_ref().unwrap()));
    }

    #[test]
    fn a_worker_that_ends_passes_on_what_it_owes() {
        let (first, mut second, _clients) = siblings();
        drop(first);
        second.take_baton();
        assert!(second.is_ready());
    }

    #[test]
    fn a_worker_that_has_closed_takes_nothing_from_its_siblings() {
        let (mut first, mut second, _clients) = siblings();
        let mut poll = Poll::new().unwrap();
        first.close();
        first.watch(&poll, 1, |number| number).unwrap();
        second.take_baton();
        second.pass_on();
        let mut events = mio::Events::with_capacity(1);
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty());
        first.take_baton();
        assert!(eventfd::take(second.baton.as_ref().unwrap()));
    }

    #[test]
    fn what_went_wrong_with_one_client_is_no_reason_to_pause() {
        let (mut acceptor, _clients) = acceptor(1);
        acceptor.note(0);
        for errno in [libc::ECONNABORTED, libc::EPROTO, libc::EHOSTUNREACH, libc::EPERM, libc::ENETDOWN] {
            acceptor.note_failure(0, &io::Error::from_raw_os_error(errno), START);
            assert!(acceptor.is_ready() && acceptor.may_resume(START));
        }
    }
}

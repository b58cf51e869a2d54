//! When a worker stops and how, the same for every kind: told by a signal, or left by its master.
//!
//! At the end of its `max_requests` it *resigns*: it tells its master, serves on until there is a successor, and then
//! gets TERM as any other. Only if it cannot tell does it stop by itself.
//!
//! A worker that stops answers what has begun to arrive. A connection that is kept open and idle is not closed at once:
//! a request may be on its way (RFC 9112, section 9.5), and is answered with `Connection: close`. For that it gets
//! [`LAST_WAIT`] where somebody waits for the end of the worker, as in a stop or a reload; a worker that was replaced
//! lets it live out its keep-alive time, since nobody does, until the master insists by a second TERM. In any case a
//! quarter of `graceful_timeout` is left for the answers.
//!
//! A worker shows that it lives by setting the deadline of its slot anew, wherever it is: before each request, before
//! each wait and when it ends. An idle worker does so too, once in half its timeout, since not only requests hang: a
//! thread of the application may keep the interpreter's lock, another may never let the process end, and the process
//! may be stopped.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::control::{Control, Stop};
use super::{Resignation, WorkerContext};
use crate::log;
use crate::reactor::{Reactor, Woken};
use crate::scoreboard::SlotCells;
use crate::sys::clock;
use crate::time::Time;

/// How long a worker that is waited for lets idle connections live: longer than a request is on its way, and not so
/// long that clients who keep connections and send nothing would hold up a deployment.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// What the kind's loop does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// Serve.
    Go,
    /// End with this exit code.
    Exit(i32),
}

/// Those whom a worker serves, as far as its lifecycle has to do with them.
pub trait Clients {
    /// Takes no new connection any more.
    fn stop_accepting(&mut self);
    /// Closes connections: those that are idle when they have been so for `patience` from now on, the others after
    /// their responses.
    fn close_connections(&mut self, patience: Duration);
    /// Nobody is left.
    fn is_empty(&self) -> bool;
}

impl Clients for Reactor {
    fn stop_accepting(&mut self) {
        Self::stop_accepting(self);
    }

    fn close_connections(&mut self, patience: Duration) {
        Self::close_connections(self, patience);
    }

    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

/// The life of one worker from its first request on.
#[derive(Debug)]
pub struct Lifecycle<'a> {
    control: &'a Control,
    slot: &'a SlotCells,
    timeout: Option<Duration>,
    graceful_timeout: Duration,
    /// Requests that are left; `None`: no bound.
    requests: Option<u64>,
    resignation: Option<&'a Resignation>,
    /// It has resigned, and nobody waits for its end.
    is_patient: bool,
    /// Set once the worker is to stop: when it ends whatever is still in flight.
    end: Option<Time>,
}

impl<'a> Lifecycle<'a> {
    /// A worker that is to be replaced after `max_requests` requests and up to `max_requests_jitter` more.
    pub fn new(context: &WorkerContext<'a>) -> Self {
        let WorkerContext { control, slot, timeout, graceful_timeout, resignation, .. } = *context;
        let jitter = random_up_to(context.max_requests_jitter);
        let requests = context.max_requests.map(|requests| requests.saturating_add(jitter));
        Self { control, slot, timeout, graceful_timeout, requests, resignation, is_patient: false, end: None }
    }

    /// A request is about to enter the application; `true`: it is the last one.
    pub fn count_request(&mut self) -> bool {
        let Some(requests) = &mut self.requests else { return false };
        *requests = requests.saturating_sub(1);
        if *requests > 0 || self.is_stopping() {
            return false;
        }
        self.requests = None;
        log::info!("Autorestarting worker after current request.");
        self.is_patient = self.resign();
        if !self.is_patient {
            self.control.stop(Stop::Graceful);
        }
        !self.is_patient
    }

    /// `false`: the master cannot be told.
    fn resign(&self) -> bool {
        let handed_in = self.resignation.map(Resignation::hand_in);
        if let Some(Err(error)) = &handed_in {
            log::warning!("Cannot ask for a successor, ending without one: {error}");
        }
        matches!(handed_in, Some(Ok(())))
    }

    /// What a turn of the reactor has found besides clients.
    pub fn note(&self, woken: Woken) {
        if woken.parent_gone && self.control.stopping() == Stop::No {
            log::info!("Parent changed, shutting down: <Worker {}>", std::process::id());
            self.control.stop(Stop::Graceful);
        }
    }

    /// Follows what the worker has been told. To be asked before each wait and between requests.
    pub fn course(&mut self, clients: &mut impl Clients) -> Course {
        match self.control.stopping() {
            Stop::No => return Course::Go,
            Stop::Quick => return Course::Exit(0),
            Stop::Graceful => {}
        }
        let end = self.end.unwrap_or_else(|| self.begin_to_stop(clients));
        if self.is_patient && self.control.is_insisted() {
            self.is_patient = false;
            clients.close_connections(self.patience());
        }
        if clients.is_empty() || clock::now() >= end { Course::Exit(0) } else { Course::Go }
    }

    fn begin_to_stop(&mut self, clients: &mut impl Clients) -> Time {
        let end = clock::now() + self.graceful_timeout;
        self.end = Some(end);
        clients.stop_accepting();
        clients.close_connections(self.patience());
        end
    }

    /// How long connections may be idle from now on.
    fn patience(&self) -> Duration {
        let most = self.graceful_timeout / 4 * 3;
        if self.is_patient { most } else { most.min(LAST_WAIT) }
    }

    /// The worker is about to wait for its clients: gives the longest time it may do so, and sets its deadline to a
    /// timeout after that.
    pub fn rest(&self) -> Option<Duration> {
        let until_end = self.end.map(|end| end - clock::now());
        let Some(timeout) = self.timeout else { return until_end };
        let nap = timeout / 2;
        self.slot.set_deadline(Some(clock::recently() + nap + timeout));
        Some(until_end.map_or(nap, |until_end| until_end.min(nap)))
    }

    /// The kind's loop has returned: what is left of the process's life may hang, too, and is not to be disturbed by
    /// the exceptions that an order to stop would raise.
    pub fn finish(&self) {
        finish(self.control, self.slot, self.timeout.unwrap_or(self.graceful_timeout));
    }

    /// Asks for a successor at once, and accepts nobody any more: something of this worker is beyond repair.
    pub fn give_up(&mut self, reactor: &mut Reactor) {
        self.requests = None;
        if !self.is_stopping() {
            self.is_patient = self.resign();
            match self.is_patient {
                true => reactor.stop_accepting(),
                false => _ = self.control.stop(Stop::Graceful),
            }
        }
    }

    /// Whether the worker has begun to stop.
    fn is_stopping(&self) -> bool {
        self.end.is_some()
    }
}

/// As [`Lifecycle::finish`], with the time that is given.
pub fn finish(control: &Control, slot: &SlotCells, time: Duration) {
    control.stop(Stop::Quick);
    slot.set_deadline(Some(clock::now() + time));
}

/// A random number from 0 to `most`. The keys of the hasher come from the kernel's random numbers, but may have been
/// inherited by a fork: so the process id is hashed.
pub fn random_up_to(most: u64) -> u64 {
    let random = RandomState::new().hash_one((std::process::id(), clock::now()));
    match most.checked_add(1) {
        Some(choices) => random % choices,
        None => random,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::master::protocol::encode_resigned;
    use crate::reactor::ReactorConfig;
    use crate::sys::fd;

    fn context<'a>(control: &'a Control, slot: &'a SlotCells) -> WorkerContext<'a> {
        WorkerContext {
            control,
            slot,
            timeout: None,
            graceful_timeout: Duration::from_secs(30),
            max_requests: None,
            max_requests_jitter: 0,
            resignation: None,
            access_log: None,
        }
    }

    fn reactor() -> Reactor {
        Reactor::new(Vec::new(), ReactorConfig::default()).unwrap()
    }

    #[test]
    fn it_goes_on_until_told_to_stop() {
        let (control, slot) = (Control::new(), SlotCells::default());
        let mut lifecycle = Lifecycle::new(&context(&control, &slot));
        assert_eq!(lifecycle.course(&mut reactor()), Course::Go);
        assert_eq!(lifecycle.rest(), None);
        assert_eq!(slot.deadline(), None);
        assert!(control.stop(Stop::Graceful));
        assert_eq!(lifecycle.course(&mut reactor()), Course::Exit(0));
    }

    /// Clients of a server that is not ours.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Others {
        open: usize,
        stopped: bool,
        patience: Vec<Duration>,
    }

    impl Clients for Others {
        fn stop_accepting(&mut self) {
            self.stopped = true;
        }

        fn close_connections(&mut self, patience: Duration) {
            self.patience.push(patience);
        }

        fn is_empty(&self) -> bool {
            self.open == 0
        }
    }

    #[test]
    fn whoever_they_are_its_clients_are_told_once_and_waited_for() {
        let (control, slot) = (Control::new(), SlotCells::default());
        let mut lifecycle = Lifecycle::new(&context(&control, &slot));
        let mut clients = Others { open: 1, ..Others::default() };
        assert_eq!(lifecycle.course(&mut clients), Course::Go);
        assert_eq!(clients, Others { open: 1, ..Others::default() });
        control.stop(Stop::Graceful);
        assert_eq!([(); 2].map(|()| lifecycle.course(&mut clients)), [Course::Go; 2]);
        assert_eq!(clients, Others { open: 1, stopped: true, patience: vec![LAST_WAIT] });
        clients.open = 0;
        assert_eq!(lifecycle.course(&mut clients), Course::Exit(0));
    }

    #[test]
    fn an_idle_worker_wakes_in_time_to_show_that_it_lives() {
        let (control, slot) = (Control::new(), SlotCells::default());
        let timeout = Duration::from_secs(10);
        let lifecycle = Lifecycle::new(&WorkerContext { timeout: Some(timeout), ..context(&control, &slot) });
        let nap = lifecycle.rest().unwrap();
        let deadline = slot.deadline().unwrap();
        assert_eq!(nap, timeout / 2);
        assert!(deadline > clock::now() + nap && deadline <= clock::now() + nap + timeout);
    }

    #[test]
    fn what_follows_the_loop_has_a_deadline_and_is_not_disturbed() {
        let (control, slot) = (Control::new(), SlotCells::default());
        Lifecycle::new(&context(&control, &slot)).finish();
        assert!(slot.deadline().unwrap() > clock::now());
        assert!(!control.stop(Stop::Quick), "it is no news");
    }

    #[test]
    fn the_last_request_is_announced_once() {
        let (control, slot) = (Control::new(), SlotCells::default());
        let mut lifecycle = Lifecycle::new(&WorkerContext { max_requests: Some(3), ..context(&control, &slot) });
        let last: Vec<bool> = (0..3).map(|_| lifecycle.count_request()).collect();
        assert_eq!(last, [false, false, true]);
        assert_eq!(control.stopping(), Stop::Graceful);
    }

    #[test]
    fn it_resigns_once_and_serves_on_until_it_is_told_to_stop() {
        let (control, slot) = (Control::new(), SlotCells::default());
        let (master, pipe) = fd::pipe(true).unwrap();
        let resignation = Resignation::new(pipe, 7);
        let context =
            WorkerContext { max_requests: Some(2), resignation: Some(&resignation), ..context(&control, &slot) };
        let mut lifecycle = Lifecycle::new(&context);
        assert!((0..5).all(|_| !lifecycle.count_request()));
        let mut told = [0; 64];
        let length = fd::read(&master, &mut told).unwrap();
        assert_eq!(told[..length], encode_resigned(7, std::process::id()));
        assert_eq!(lifecycle.course(&mut reactor()), Course::Go);
        assert_eq!(lifecycle.patience(), context.graceful_timeout / 4 * 3);
        control.stop(Stop::Graceful);
        assert_eq!(lifecycle.course(&mut reactor()), Course::Exit(0));
        control.stop(Stop::Graceful);
        lifecycle.course(&mut reactor());
        assert_eq!(lifecycle.patience(), LAST_WAIT);
    }

    #[test]
    fn it_stops_by_itself_if_nobody_hears_that_it_resigns() {
        let (control, slot) = (Control::new(), SlotCells::default());
        let resignation = Resignation::new(fd::pipe(true).unwrap().1, 7);
        let context =
            WorkerContext { max_requests: Some(1), resignation: Some(&resignation), ..context(&control, &slot) };
        assert!(Lifecycle::new(&context).count_request());
        assert_eq!(control.stopping(), Stop::Graceful);
    }

    #[test]
    fn it_outlives_its_parent_only_to_finish() {
        let (control, slot) = (Control::new(), SlotCells::default());
        let mut lifecycle = Lifecycle::new(&context(&control, &slot));
        lifecycle.note(Woken { signals: false, parent_gone: true });
        assert_eq!(lifecycle.course(&mut reactor()), Course::Exit(0));
    }

    #[test]
    fn jitter_is_bounded() {
        assert_eq!(random_up_to(0), 0);
        assert!((0..100).all(|_| random_up_to(3) <= 3));
        random_up_to(u64::MAX);
    }
}

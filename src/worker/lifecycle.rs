//! When a worker stops and how, the same for every kind: told by a signal, left by its master, or at the end of its
//! `max_requests`.
//!
//! A worker shows that it lives by setting the deadline of its slot anew, wherever it is: before each request, before
//! each wait and when it ends. An idle worker does so too, once in half its timeout, since not only requests hang: a
//! thread of the application may keep the interpreter's lock, another may never let the process end, and the process
//! may be stopped.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::WorkerContext;
use super::control::{Control, Stop};
use crate::log;
use crate::reactor::{Reactor, Woken};
use crate::scoreboard::SlotCells;
use crate::sys::clock;
use crate::time::Time;

/// What the kind's loop does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// Serve.
    Go,
    /// End with this exit code.
    Exit(i32),
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
    /// Set once the worker is to stop: when it ends whatever is still in flight.
    end: Option<Time>,
}

impl<'a> Lifecycle<'a> {
    /// A worker that ends after `max_requests` requests and up to `max_requests_jitter` more.
    pub fn new(context: &WorkerContext<'a>) -> Self {
        let WorkerContext { control, slot, timeout, graceful_timeout, max_requests, max_requests_jitter, .. } =
            *context;
        let requests = max_requests.map(|requests| requests.saturating_add(random_up_to(max_requests_jitter)));
        Self { control, slot, timeout, graceful_timeout, requests, end: None }
    }

    /// A request is about to enter the application; `true`: it is the last one.
    pub fn count_request(&mut self) -> bool {
        let Some(requests) = &mut self.requests else { return false };
        *requests = requests.saturating_sub(1);
        if *requests > 0 || self.is_stopping() {
            return false;
        }
        log::info!("Autorestarting worker after current request.");
        self.control.stop(Stop::Graceful);
        true
    }

    /// What a turn of the reactor has found besides clients.
    pub fn note(&self, woken: Woken) {
        if woken.parent_gone && self.control.stopping() == Stop::No {
            log::info!("Parent changed, shutting down: <Worker {}>", std::process::id());
            self.control.stop(Stop::Graceful);
        }
    }

    /// Follows what the worker has been told. To be asked before each wait and between requests.
    pub fn course(&mut self, reactor: &mut Reactor) -> Course {
        match self.control.stopping() {
            Stop::No => return Course::Go,
            Stop::Quick => return Course::Exit(0),
            Stop::Graceful => {}
        }
        let end = self.end.unwrap_or_else(|| self.begin_to_stop(reactor));
        if reactor.is_empty() || clock::now() >= end { Course::Exit(0) } else { Course::Go }
    }

    fn begin_to_stop(&mut self, reactor: &mut Reactor) -> Time {
        let end = clock::now() + self.graceful_timeout;
        self.end = Some(end);
        reactor.stop_accepting();
        reactor.close_connections();
        end
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
        self.control.stop(Stop::Quick);
        self.slot.set_deadline(Some(clock::now() + self.timeout.unwrap_or(self.graceful_timeout)));
    }

    /// Whether the worker has begun to stop.
    fn is_stopping(&self) -> bool {
        self.end.is_some()
    }
}

/// A random number from 0 to `most`. The keys of the hasher come from the kernel's random numbers, but may have been
/// inherited by a fork: so the process id is hashed.
fn random_up_to(most: u64) -> u64 {
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
    use crate::reactor::ReactorConfig;

    fn context<'a>(control: &'a Control, slot: &'a SlotCells) -> WorkerContext<'a> {
        WorkerContext {
            control,
            slot,
            timeout: None,
            graceful_timeout: Duration::from_secs(30),
            max_requests: None,
            max_requests_jitter: 0,
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

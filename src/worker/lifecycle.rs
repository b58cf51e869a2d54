//! When a worker stops and how, the same for every kind: told by a signal, left by its master, or at the end of its
//! `max_requests`.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::control::{Control, Stop};
use crate::log;
use crate::reactor::{Reactor, Woken};
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
    graceful_timeout: Duration,
    /// Requests that are left; `None`: no bound.
    requests: Option<u64>,
    /// Set once the worker is to stop: when it ends whatever is still in flight.
    end: Option<Time>,
}

impl<'a> Lifecycle<'a> {
    /// A worker that ends after `max_requests` requests and up to `jitter` more.
    pub fn new(control: &'a Control, graceful_timeout: Duration, max_requests: Option<u64>, jitter: u64) -> Self {
        let requests = max_requests.map(|requests| requests.saturating_add(random_up_to(jitter)));
        Self { control, graceful_timeout, requests, end: None }
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
        let end = *self.end.get_or_insert_with(|| {
            reactor.stop_accepting();
            reactor.close_connections();
            clock::now() + self.graceful_timeout
        });
        if reactor.is_empty() || clock::now() >= end { Course::Exit(0) } else { Course::Go }
    }

    /// How long the reactor may sleep at most.
    pub fn wait_time(&self) -> Option<Duration> {
        self.end.map(|end| end - clock::now())
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

    fn lifecycle(control: &Control, max_requests: Option<u64>) -> Lifecycle<'_> {
        Lifecycle::new(control, Duration::from_secs(30), max_requests, 0)
    }

    fn reactor() -> Reactor {
        Reactor::new(Vec::new(), ReactorConfig::default()).unwrap()
    }

    #[test]
    fn it_goes_on_until_told_to_stop() {
        let control = Control::new();
        let mut lifecycle = lifecycle(&control, None);
        assert_eq!(lifecycle.course(&mut reactor()), Course::Go);
        assert_eq!(lifecycle.wait_time(), None);
        control.stop(Stop::Graceful);
        assert_eq!(lifecycle.course(&mut reactor()), Course::Exit(0));
    }

    #[test]
    fn the_last_request_is_announced_once() {
        let control = Control::new();
        let mut lifecycle = lifecycle(&control, Some(3));
        let last: Vec<bool> = (0..3).map(|_| lifecycle.count_request()).collect();
        assert_eq!(last, [false, false, true]);
        assert_eq!(control.stopping(), Stop::Graceful);
    }

    #[test]
    fn it_outlives_its_parent_only_to_finish() {
        let control = Control::new();
        let mut lifecycle = lifecycle(&control, None);
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

//! What a worker has been told: set by signal handlers, read by the kind's loop.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// How far the worker has been told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Not at all: serve.
    No,
    /// TERM, or the master has gone: finish what is in flight, accept nothing new.
    Graceful,
    /// INT, QUIT: end now.
    Quick,
}

/// Flags of one worker process; safe to set from a signal handler.
#[derive(Debug)]
pub struct Control {
    stop: AtomicU8,
    insisted: AtomicBool,
    reopen: AtomicBool,
}

impl Control {
    /// Nothing told yet.
    pub const fn new() -> Self {
        Self { stop: AtomicU8::new(0), insisted: AtomicBool::new(false), reopen: AtomicBool::new(false) }
    }

    /// Tells the worker to stop; never takes back a stronger order. `true`: that is news.
    pub fn stop(&self, stop: Stop) -> bool {
        let former = self.stop.fetch_max(stop as u8, Ordering::SeqCst);
        if former == stop as u8 {
            self.insisted.store(true, Ordering::SeqCst);
        }
        former < stop as u8
    }

    /// Whether it has been told the same twice: somebody waits for its end.
    pub fn is_insisted(&self) -> bool {
        self.insisted.load(Ordering::SeqCst)
    }

    /// What it has been told.
    pub fn stopping(&self) -> Stop {
        match self.stop.load(Ordering::SeqCst) {
            0 => Stop::No,
            1 => Stop::Graceful,
            _ => Stop::Quick,
        }
    }

    /// Asks for the logs to be reopened (USR1).
    pub fn reopen_logs(&self) {
        self.reopen.store(true, Ordering::SeqCst);
    }

    /// Whether the logs are to be reopened; asking clears it.
    pub fn take_reopen(&self) -> bool {
        self.reopen.swap(false, Ordering::SeqCst)
    }
}

impl Default for Control {
    fn default() -> Self {
        Self::new()
    }
}

//! The worker: its lifecycle, written once, and the kinds that need no foreign loop.
//!
//! A kind is a function that runs until the worker is to end and gives the exit code. It gets the application, a
//! reactor and a [`WorkerContext`], and asks the [`lifecycle::Lifecycle`] when to stop.

pub mod control;
pub mod lifecycle;
pub mod sync;

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::master::protocol::encode_resigned;
use crate::reactor::Exchange;
use crate::scoreboard::SlotCells;
use crate::sys::fd;
use control::Control;

/// Exit code of a worker that cannot go on: any but those that mean a failed boot.
pub const BROKEN: i32 = 1;

/// Writes a line for each request that was answered.
pub trait AccessLog {
    /// `took` is the time that the application had the request.
    fn log(&mut self, exchange: &Exchange, took: Duration);
}

/// How a worker tells its master that it wishes to be replaced.
#[derive(Debug)]
pub struct Resignation {
    pipe: OwnedFd,
    slot: u32,
}

impl Resignation {
    /// One to be handed in by the worker of this slot, through the pipe by which it has said that it is ready.
    pub fn new(pipe: OwnedFd, slot: u32) -> Self {
        Self { pipe, slot }
    }

    /// # Errors
    /// write(2), of whole words only: the master cannot be told.
    fn hand_in(&self) -> io::Result<()> {
        fd::write(&self.pipe, &encode_resigned(self.slot, std::process::id())).map(drop)
    }
}

/// What a worker kind needs besides the application and the reactor.
pub struct WorkerContext<'a> {
    /// What the worker is told by signals.
    pub control: &'a Control,
    /// The worker's slot of the scoreboard.
    pub slot: &'a SlotCells,
    /// Who does not show for longer than this that it lives is late, a request in the application included; `None`:
    /// never.
    pub timeout: Option<Duration>,
    /// Time to finish what is in flight when told to stop.
    pub graceful_timeout: Duration,
    /// Requests after which the worker is to be replaced; `None`: never.
    pub max_requests: Option<u64>,
    /// At most this many requests are added at random to `max_requests`.
    pub max_requests_jitter: u64,
    /// How it asks to be replaced; `None`: nobody would replace it, and it ends by itself.
    pub resignation: Option<&'a Resignation>,
    /// The access log, if there is one.
    pub access_log: Option<Box<dyn AccessLog>>,
}

impl std::fmt::Debug for WorkerContext<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("WorkerContext").field("control", self.control).finish_non_exhaustive()
    }
}

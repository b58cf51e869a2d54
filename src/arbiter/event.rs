//! What can happen to the master: the arbiter's whole input.

use std::time::Duration;

use crate::time::Time;

/// The place of one worker in the pool and in the scoreboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

/// One reading of config and application; numbered from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GenerationId(pub u32);

/// A process id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(pub i32);

/// How a child ended (wait(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
}

/// A signal that an operator sends to the master, by its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// TERM: stop gracefully.
    Term,
    /// INT: stop quickly.
    Int,
    /// QUIT: stop quickly.
    Quit,
    /// HUP: start the next generation.
    Hup,
    /// TTIN: one worker more.
    Ttin,
    /// TTOU: one worker fewer.
    Ttou,
    /// USR1: reopen the logs.
    Usr1,
}

/// What of a generation's settings the arbiter needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Workers wanted.
    pub workers: u32,
    /// A worker busy or booting for longer than this is hung; `None`: never.
    pub timeout: Option<Duration>,
    /// Time for a worker to finish when told to stop.
    pub graceful_timeout: Duration,
    /// Workers that have had their share of requests may end by themselves, with exit code 0.
    pub recycles: bool,
}

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The master has started; always the first event.
    Started,
    /// A signal arrived.
    Signal(Signal),
    /// The generation's config is valid, its listeners are bound, its zygote has loaded what it must: it can fork.
    Built {
        /// The generation that can fork now.
        generation: GenerationId,
        /// Its settings.
        plan: Plan,
    },
    /// The generation could not be built (why is already logged).
    BuildFailed {
        /// The generation that failed.
        generation: GenerationId,
        /// Exit code for the master if this was its start.
        exit_code: i32,
    },
    /// The zygote of a generation has ended.
    ZygoteExited {
        /// Its generation.
        generation: GenerationId,
        /// How it ended.
        exit: Exit,
    },
    /// The zygote has forked a worker.
    Forked {
        /// The generation whose zygote forked.
        generation: GenerationId,
        /// The slot the fork was ordered for.
        slot: Slot,
        /// The new worker.
        pid: Pid,
    },
    /// The zygote could not fork.
    ForkFailed {
        /// The generation whose zygote failed.
        generation: GenerationId,
        /// The slot the fork was ordered for.
        slot: Slot,
        /// errno of fork(2).
        errno: i32,
    },
    /// A worker has loaded the application and serves.
    WorkerReady {
        /// The worker's slot, as it says.
        slot: Slot,
        /// The worker.
        pid: Pid,
    },
    /// A worker wishes to be replaced. It serves until it is told to leave.
    WorkerResigned {
        /// The worker's slot, as it says.
        slot: Slot,
        /// The worker.
        pid: Pid,
    },
    /// A child that is not a zygote has been reaped.
    ChildExited {
        /// Which.
        pid: Pid,
        /// How it ended.
        exit: Exit,
    },
    /// The answer to `Action::ReadDeadlines`: of each slot that runs a worker, the deadline that it has set
    /// (`None`: it is idle and cannot be late).
    Deadlines(Vec<(Slot, Option<Time>)>),
    /// The time that `next_deadline` named has come.
    Timer,
}

//! What the arbiter orders: its whole output.

use std::time::Duration;

use super::event::{Exit, GenerationId, Pid, Slot};

/// A signal that the arbiter has sent to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerSignal {
    /// TERM: finish what is in flight, then exit.
    Term,
    /// QUIT: exit at once.
    Quit,
    /// ABRT: dump the stack and die.
    Abrt,
    /// KILL.
    Kill,
    /// USR1: reopen the logs.
    Usr1,
}

/// Something to do. Outcomes come back as events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Build this generation: read config, bind, start its zygote, preload. Ends in `Built` or `BuildFailed`.
    Build(GenerationId),
    /// Tell the generation's zygote to fork a worker for the slot. Ends in `Forked` or `ForkFailed`.
    Fork {
        /// Whose zygote forks.
        generation: GenerationId,
        /// For which slot.
        slot: Slot,
    },
    /// Send a signal to a worker.
    Kill {
        /// To whom.
        pid: Pid,
        /// What.
        signal: WorkerSignal,
    },
    /// Make this generation the one that serves: its settings apply to the master, listeners that only older
    /// generations used are closed in the master.
    Commit(GenerationId),
    /// End the generation: its zygote is no longer needed. If it was still being built, give up.
    Retire(GenerationId),
    /// Read the deadlines from the scoreboard; ends in `Deadlines`.
    ReadDeadlines,
    /// Reopen the master's (and zygotes') log files.
    ReopenLogs,
    /// Close the listening sockets: nothing new is accepted by anyone.
    CloseListeners,
    /// Tell the operator.
    Report(Report),
    /// End the master with this code. Always the last action.
    Exit(i32),
}

/// What the operator is told; the master words it and writes it to the error log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// A signal is being handled, by name.
    Handling(&'static str),
    /// A worker was told to stop because it is past its deadline (the master adds the request it was in).
    WorkerTimeout {
        /// Its slot.
        slot: Slot,
        /// Its pid.
        pid: Pid,
    },
    /// A worker ended that was not told to.
    WorkerDied {
        /// Its slot.
        slot: Slot,
        /// Its pid.
        pid: Pid,
        /// How.
        exit: Exit,
    },
    /// A worker ended by itself, as those do that have had their share of requests.
    WorkerEnded {
        /// Its pid.
        pid: Pid,
    },
    /// A worker did not boot; `true`: this ends the start.
    BootFailed {
        /// Its pid.
        pid: Pid,
        /// How it ended.
        exit: Exit,
        /// Whether the master gives up.
        fatal: bool,
    },
    /// A worker that has resigned leaves before it is replaced, because its successor can have no slot but its own.
    NoSlot {
        /// Its pid.
        pid: Pid,
    },
    /// Workers die as soon as they start: the next try waits.
    BackOff {
        /// For how long.
        delay: Duration,
    },
    /// A reload was given up; the old generation serves on.
    ReloadCancelled(GenerationId),
    /// A reload is through.
    ReloadDone(GenerationId),
    /// A zygote has ended that was still needed.
    ZygoteLost {
        /// Its generation.
        generation: GenerationId,
        /// How it ended.
        exit: Exit,
    },
    /// A zygote has left an order to fork unanswered for so long that it counts as lost.
    ZygoteSilent(GenerationId),
    /// The master stops: no worker lives any more.
    ShuttingDown,
}

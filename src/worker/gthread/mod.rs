//! The gthread kind: up to `threads` requests at a time, at the cost of the sync kind as long as none of them blocks.
//!
//! # Leaders and followers
//!
//! The reactor stands on a *desk*, behind a lock. The thread that has the lock is the **leader**: it polls, takes the
//! next request, leaves the desk, runs the application on it, inline, and comes back. Nothing is handed to another
//! thread, nobody is woken. The response was written by whoever ran the application: the desk is not needed for it.
//!
//! Only a leader that stays away is replaced. The **keeper**, the process's main thread, looks at the desk as long as
//! any thread is in the application: if nobody has been there for [`PATIENCE`], it calls a **follower**, a thread that
//! rests or one that is started now. A leader whose last request took that long calls one itself as it leaves.
//!
//! ```text
//!   resting --called--> leading --has a request--> serving --desk is free--> leading
//!      ^                   '--desk is taken--.        |
//!      '-------------------------------------'--------' another one leads: the exchange goes into its basket
//! ```
//!
//! When all threads are in the application the keeper tends the reactor: responses go on being sent, times are kept,
//! and nobody is accepted, so that a sibling worker can do it. It holds the lock for moments only, so that the first
//! thread that comes back leads again.
//!
//! # What is never done
//!
//! Nobody waits for the desk, and nobody who stands at it waits for the interpreter: the application's threads may hold
//! that for as long as they like. A thread is attached to the interpreter for as long as it lives and detaches only to
//! wait.
//!
//! # Times
//!
//! `timeout` is the worker's: the keeper renews it, which needs the interpreter, so that a worker whose interpreter
//! hangs is late, and one whose requests take long is not. `request_timeout` is each request's: beyond it the request
//! and its stack are logged, and the worker asks for a successor and serves out what it has.

mod crew;
mod desk;
mod keeper;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::{BROKEN, WorkerContext};
use crate::app::App;
use crate::log;
use crate::reactor::Reactor;
use crew::Crew;
use keeper::{Keeper, Times};

/// How long the desk may be deserted before a follower is called.
const PATIENCE: Duration = Duration::from_millis(1);

/// What this kind needs besides.
#[derive(Debug)]
pub struct Team {
    /// Most threads.
    pub threads: usize,
    /// Time that a request may take; `None`: any.
    pub request_timeout: Option<Duration>,
    /// Number of the slot, for the threads' names.
    pub slot: u32,
    /// The non-blocking end of a pipe to which each signal writes a byte.
    pub signals: OwnedFd,
    /// The end of a pipe whose other end the parent holds.
    pub parent: OwnedFd,
}

/// How a worker has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// Threads that are still in the application, and cannot be told to leave it: the process must end without them.
    pub stuck: usize,
}

/// Serves until the worker is to end. Signals and the parent's end are told by the pipes of `team`, not to the reactor.
pub fn run(app: Arc<dyn App + Send>, reactor: Reactor, context: WorkerContext<'static>, team: Team) -> Ended {
    match start(&app, reactor, context, team) {
        Ok(keeper) => keeper.keep(),
        Err(error) => {
            log::critical!("The worker cannot start its threads: {error}");
            Ended { code: BROKEN, stuck: 0 }
        }
    }
}

fn start(
    app: &Arc<dyn App + Send>,
    reactor: Reactor,
    context: WorkerContext<'static>,
    team: Team,
) -> io::Result<Keeper> {
    let WorkerContext { control, slot, .. } = context;
    let times = Times::of(&context, &team);
    let crew = Arc::new(Crew::new(Arc::clone(app), reactor, context, &team)?);
    Crew::call(&crew)?;
    Ok(Keeper::new(crew, times, control, slot, team))
}

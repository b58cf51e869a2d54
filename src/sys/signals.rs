//! Signals: their numbers, and taking them as messages (signalfd(2)).
//!
//! The master reads them when it is ready to act, so there is no handler that could interrupt it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// SIGABRT
pub const ABRT: i32 = libc::SIGABRT;
/// SIGCHLD
pub const CHLD: i32 = libc::SIGCHLD;
/// SIGHUP
pub const HUP: i32 = libc::SIGHUP;
/// SIGINT
pub const INT: i32 = libc::SIGINT;
/// SIGKILL
pub const KILL: i32 = libc::SIGKILL;
/// SIGQUIT
pub const QUIT: i32 = libc::SIGQUIT;
/// SIGTERM
pub const TERM: i32 = libc::SIGTERM;
/// SIGTTIN
pub const TTIN: i32 = libc::SIGTTIN;
/// SIGTTOU
pub const TTOU: i32 = libc::SIGTTOU;
/// SIGUSR1
pub const USR1: i32 = libc::SIGUSR1;
/// SIGUSR2
pub const USR2: i32 = libc::SIGUSR2;
/// SIGWINCH
pub const WINCH: i32 = libc::SIGWINCH;

/// What a terminal or an operator sends to a whole process group, and what the master alone acts on.
pub const GROUP: [i32; 8] = [INT, QUIT, HUP, TTIN, TTOU, USR1, USR2, WINCH];

/// The signals that this process takes as messages. Children inherit that they are blocked, unless
/// [`spawn`](super::process::spawn) starts them.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks `signals` and starts to collect them.
    ///
    /// # Errors
    /// sigprocmask(2), signalfd(2); a number that is no signal.
    pub fn collect(signals: &[i32]) -> io::Result<Self> {
        let mut set = SigSet::empty();
        for signal in signals {
            set.add(Signal::try_from(*signal)?);
        }
        set.thread_block()?;
        Ok(Self(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?))
    }

    /// The next signal that has arrived, by number.
    pub fn next(&self) -> Option<i32> {
        let info = self.0.read_signal().ok()??;
        i32::try_from(info.ssi_signo).ok()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Runs `work` while no signal is delivered to this thread. Threads that it starts are never interrupted by one
/// (pthread_create(3): they inherit the mask).
///
/// # Errors
/// pthread_sigmask(3)
pub fn with_all_blocked<R>(work: impl FnOnce() -> R) -> io::Result<R> {
    let former = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let result = work();
    former.thread_set_mask()?;
    Ok(result)
}

/// Lets signals through, those first that have waited.
///
/// # Errors
/// pthread_sigmask(3)
pub fn unblock() -> io::Result<()> {
    Ok(SigSet::empty().thread_set_mask()?)
}

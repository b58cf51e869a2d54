//! Processes: starting them, being told of their end, signalling them.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{self, SigSet, SigmaskHow, Signal};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::signals::GROUP;

/// How a child ended: its exit code, or the signal that killed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// exit(3) with this code.
    Code(i32),
    /// Killed by this signal.
    Signal(i32),
}

/// Makes this process the one that orphans of its descendants belong to (prctl(2), `PR_SET_CHILD_SUBREAPER`).
///
/// # Errors
/// prctl(2)
pub fn become_subreaper() -> io::Result<()> {
    Ok(prctl::set_child_subreaper(true)?)
}

/// This process.
pub fn pid() -> i32 {
    nix::unistd::getpid().as_raw()
}

/// Starts a program with the signals of the [`GROUP`] blocked, and only those: it is not to die of one before it has
/// its handlers, nor to inherit what this process has blocked to collect as messages.
///
/// # Errors
/// fork(2), execve(2)
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    let mut blocked = SigSet::empty();
    for number in GROUP {
        blocked.add(Signal::try_from(number)?);
    }
    let block = move || Ok(signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&blocked), None)?);
    // SAFETY: between fork and exec only sigprocmask(2) is called, which is async-signal-safe.
    unsafe { command.pre_exec(block) }.spawn()
}

/// Reaps one ended child; `None` when none has ended (waitpid(2), `WNOHANG`).
pub fn reap() -> Option<(i32, Ended)> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => return Some((pid.as_raw(), Ended::Code(code))),
            Ok(WaitStatus::Signaled(pid, signal, _)) => return Some((pid.as_raw(), Ended::Signal(signal as i32))),
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return None,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
    }
}

/// Ends this process without running anything more of it (_exit(2)).
pub fn exit_at_once(code: i32) -> ! {
    // SAFETY: it never returns, so nothing of this process can see a state that it may have left.
    unsafe { libc::_exit(code) }
}

/// Sends a signal to a process.
///
/// # Errors
/// kill(2): `ESRCH` when there is none.
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    Ok(signal::kill(Pid::from_raw(pid), Signal::try_from(signal)?)?)
}

/// Name of a signal without `SIG`, as `KILL`.
pub fn signal_name(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(|_| signal.to_string(), |signal| signal.as_str().replacen("SIG", "", 1))
}

/// Sets the file mode creation mask; gives the former one.
pub fn set_umask(mask: u32) -> u32 {
    umask(Mode::from_bits_truncate(mask)).bits()
}

/// Whether a process of this id exists (kill(2) with signal 0).
pub fn is_alive(pid: i32) -> bool {
    !matches!(signal::kill(Pid::from_raw(pid), None), Err(Errno::ESRCH))
}

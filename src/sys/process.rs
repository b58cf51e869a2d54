//! Processes: making them, being told of their end, signalling them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::prctl;
use nix::sys::signal::{self, SigSet, SigmaskHow, Signal};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};

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

/// Has the kernel send `signal` to this process when its parent dies (prctl(2), `PR_SET_PDEATHSIG`).
///
/// # Errors
/// prctl(2)
pub fn signal_on_parent_death(signal: i32) -> io::Result<()> {
    Ok(prctl::set_pdeathsig(Some(Signal::try_from(signal)?))?)
}

/// This process's parent.
pub fn parent() -> i32 {
    nix::unistd::getppid().as_raw()
}

/// This process.
pub fn pid() -> i32 {
    nix::unistd::getpid().as_raw()
}

/// Starts a program with no signal blocked: a child inherits what its parent has blocked to collect as messages.
///
/// # Errors
/// fork(2), execve(2)
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    let unblock = || Ok(signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?);
    // SAFETY: between fork and exec only sigprocmask(2) is called, which is async-signal-safe.
    unsafe { command.pre_exec(unblock) }.spawn()
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

/// Sets close-on-exec.
///
/// # Errors
/// fcntl(2)
pub fn close_on_exec(fd: BorrowedFd<'_>) -> io::Result<()> {
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(())
}

/// Takes over a descriptor that this process inherited under a number.
///
/// # Errors
/// `EBADF` when the number is not an open file.
pub fn owned(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(Errno::EBADF.into());
    }
    // SAFETY: fcntl below refuses a number that is not open before anyone uses it; the caller was given
    // the number to own it, by the command line that started this process.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    if let Err(error) = fcntl(&fd, FcntlArg::F_GETFD) {
        std::mem::forget(fd);
        return Err(error.into());
    }
    Ok(fd)
}

/// A copy of a descriptor that is given by number, closed on exec.
///
/// # Errors
/// fcntl(2): `EBADF` when the number is not an open file.
pub fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(Errno::EBADF.into());
    }
    // SAFETY: the borrow lasts for this call only; fcntl refuses a number that is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    let copy = fcntl(borrowed, FcntlArg::F_DUPFD_CLOEXEC(3))?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// A pipe: read end, write end. Both closed on exec; with `nonblocking`, neither end ever waits.
///
/// # Errors
/// pipe2(2)
pub fn pipe(nonblocking: bool) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = if nonblocking { OFlag::O_CLOEXEC | OFlag::O_NONBLOCK } else { OFlag::O_CLOEXEC };
    Ok(nix::unistd::pipe2(flags)?)
}

/// Reads what is there, retrying on `EINTR`.
///
/// # Errors
/// read(2); `WouldBlock` when a nonblocking end has nothing.
pub fn read(fd: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match nix::unistd::read(fd.as_fd(), buffer) {
            Err(Errno::EINTR) => {}
            result => return result.map_err(Into::into),
        }
    }
}

/// Writes once, retrying on `EINTR`.
///
/// # Errors
/// write(2)
pub fn write(fd: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match nix::unistd::write(fd.as_fd(), bytes) {
            Err(Errno::EINTR) => {}
            result => return result.map_err(Into::into),
        }
    }
}

/// Which side of [`fork_orphan`] this is.
#[derive(Debug)]
pub enum Forked {
    /// The caller goes on; this is the pid of the orphan.
    Parent(i32),
    /// The orphan. It must not go on before it has read a byte from here: end of file means that the parent died before
    /// it could tell anybody of this process, which then must exit.
    Orphan(OwnedFd),
}

/// Forks a process that is not this one's child: it is adopted by the nearest subreaper. It is held until the parent
/// [releases](Held::release) it, so that whoever is told of the pid learns of it before the process can end by itself.
/// All signals are blocked in it: one that comes before its handlers are in place waits for [`unblock_signals`].
///
/// # Errors
/// pipe2(2), fork(2)
pub fn fork_orphan() -> io::Result<(Forked, Held)> {
    let former = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let forked = fork_blocked();
    if !matches!(forked, Ok((Forked::Orphan(_), _))) {
        former.thread_set_mask()?;
    }
    forked
}

/// Lets signals through, those first that have waited.
///
/// # Errors
/// pthread_sigmask(3)
pub fn unblock_signals() -> io::Result<()> {
    Ok(SigSet::empty().thread_set_mask()?)
}

fn fork_blocked() -> io::Result<(Forked, Held)> {
    let (pid_read, pid_write) = pipe(false)?;
    let (go_read, go_write) = pipe(false)?;
    // SAFETY: the caller is the only thread that goes on in the child (fork(2)); the intermediate child calls
    // only fork, write and _exit, which are async-signal-safe.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => {
            drop(pid_write);
            let outcome = read_pid(&pid_read);
            reap_intermediate(child);
            Ok((Forked::Parent(outcome?), Held(Some(go_write))))
        }
        ForkResult::Child => {
            drop(go_write);
            // SAFETY: as above.
            match unsafe { nix::unistd::fork() } {
                Ok(ForkResult::Child) => Ok((Forked::Orphan(go_read), Held(None))),
                Ok(ForkResult::Parent { child }) => exit_intermediate(&pid_write, child.as_raw()),
                Err(error) => exit_intermediate(&pid_write, -(error as i32)),
            }
        }
    }
}

/// Holds an orphan back until it is released; dropped without that, the orphan exits.
#[derive(Debug)]
pub struct Held(Option<OwnedFd>);

impl Held {
    /// Lets the orphan go on.
    pub fn release(self) {
        if let Some(go) = &self.0 {
            // It fails only when the orphan is dead already, and then there is nobody to release.
            let _ = write(go, b"g");
        }
    }
}

/// Whether the orphan may go on.
pub fn await_release(go: &OwnedFd) -> bool {
    matches!(read(go, &mut [0]), Ok(1))
}

fn read_pid(from: &OwnedFd) -> io::Result<i32> {
    let mut bytes = [0; 4];
    match read(from, &mut bytes)? {
        4 => match i32::from_ne_bytes(bytes) {
            errno if errno < 0 => Err(io::Error::from_raw_os_error(-errno)),
            pid => Ok(pid),
        },
        _ => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the intermediate child of a fork died")),
    }
}

fn reap_intermediate(child: Pid) {
    while matches!(waitpid(child, None), Err(Errno::EINTR)) {}
}

fn exit_intermediate(to: &OwnedFd, answer: i32) -> ! {
    let _ = write(to, &answer.to_ne_bytes());
    // SAFETY: _exit(2) ends the process without running anything that belongs to the parent.
    unsafe { libc::_exit(0) }
}

/// Whether a process of this id exists (kill(2) with signal 0).
pub fn is_alive(pid: i32) -> bool {
    !matches!(signal::kill(Pid::from_raw(pid), None), Err(Errno::ESRCH))
}

/// Seconds that [`outlive_parent_by`] grants.
static GRACE: AtomicU32 = AtomicU32::new(0);

/// Lets this process live for at most `grace` after its parent's death, whatever it is busy with: time enough to finish a
/// request, but no process is left behind for ever. A later call changes the time.
///
/// # Errors
/// sigaction(2), prctl(2)
pub fn outlive_parent_by(grace: Duration) -> io::Result<()> {
    GRACE.store(u32::try_from(grace.as_secs()).unwrap_or(u32::MAX), Ordering::Relaxed);
    // The last real-time signal: nothing in the C library, the interpreter or, we trust, the application uses it.
    let number = libc::SIGRTMAX();
    // SAFETY: an all-zero sigaction is a valid one, and `start_countdown` calls only alarm(2), which is async-signal-safe.
    let installed = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = start_countdown as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(number, &action, std::ptr::null_mut())
    };
    Errno::result(installed)?;
    // SAFETY: prctl(2) with these arguments changes only which signal this process gets.
    let asked = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, number) };
    Errno::result(asked)?;
    Ok(())
}

extern "C" fn start_countdown(_signal: libc::c_int) {
    nix::unistd::alarm::set(GRACE.load(Ordering::Relaxed).max(1));
}

/// Whether `parent` is no longer this process's parent: it has died, perhaps before this process could ask to be told.
pub fn is_orphaned(parent: i32) -> bool {
    self::parent() != parent
}

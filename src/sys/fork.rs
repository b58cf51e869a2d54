//! Forks whose child belongs to somebody else: a worker is forked by a zygote, and is a child of the master.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{SigSet, SigmaskHow};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, pipe2};

use super::fd::{read, write};

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
/// All signals are blocked in it: one that comes before its handlers are in place waits for
/// [`signals::unblock`](super::signals::unblock).
///
/// # Errors
/// The errno of pipe2(2) or fork(2); `EAGAIN` when a process died in the middle of it.
pub fn fork_orphan() -> Result<(Forked, Held), i32> {
    fork_with_signals_blocked().map_err(|errno| errno as i32)
}

fn fork_with_signals_blocked() -> nix::Result<(Forked, Held)> {
    let former = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let forked = fork_twice();
    if !matches!(forked, Ok((Forked::Orphan(_), _))) {
        former.thread_set_mask()?;
    }
    forked
}

fn fork_twice() -> nix::Result<(Forked, Held)> {
    let (pid_read, pid_write) = pipe2(OFlag::O_CLOEXEC)?;
    let (go_read, go_write) = pipe2(OFlag::O_CLOEXEC)?;
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
pub fn await_release(go: OwnedFd) -> bool {
    matches!(read(&go, &mut [0]), Ok(1))
}

/// The pid, or the errno, negative, that the intermediate child has written.
fn read_pid(from: &OwnedFd) -> nix::Result<i32> {
    let mut bytes = [0; 4];
    let length = read(from, &mut bytes);
    match (length, i32::from_ne_bytes(bytes)) {
        (Ok(4), pid @ 1..) => Ok(pid),
        (Ok(4), errno) => Err(Errno::from_raw(-errno)),
        // It was killed before it could write.
        _ => Err(Errno::EAGAIN),
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

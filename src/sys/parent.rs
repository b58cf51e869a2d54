//! The death of this process's parent: who is told of it, and what outlives it.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;

/// Has the kernel send `signal` to this process when its parent dies (prctl(2), `PR_SET_PDEATHSIG`).
///
/// # Errors
/// prctl(2)
pub fn signal_on_parent_death(signal: i32) -> io::Result<()> {
    Ok(prctl::set_pdeathsig(Some(Signal::try_from(signal)?))?)
}

/// Whether `parent` is no longer this process's parent: it has died, perhaps before this process could ask to be told.
pub fn is_orphaned(parent: i32) -> bool {
    nix::unistd::getppid().as_raw() != parent
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

//! The death of this process's parent: who is told of it, and what outlives it.
//!
//! The kernel forgets whom to tell when a process changes its user or group (prctl(2), `PR_SET_PDEATHSIG`): whoever
//! does so asks again afterwards, and then looks whether the parent died in between.

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;

/// Least time that [`outlive_parent_by`] grants: enough for an idle process to end by itself.
const LEAST_GRACE: Duration = Duration::from_secs(1);

/// Milliseconds that [`outlive_parent_by`] grants.
static GRACE: AtomicU64 = AtomicU64::new(0);

/// The `timer_t` that kills this process; null: not made yet.
static COUNTDOWN: AtomicPtr<libc::c_void> = AtomicPtr::new(ptr::null_mut());

/// Process in which [`COUNTDOWN`] was made: a fork does not inherit timers, but it does this memory.
static COUNTDOWN_OF: AtomicU64 = AtomicU64::new(0);

/// Whether this process gets TERM as well when its parent has died.
static TERMINATES: AtomicBool = AtomicBool::new(false);

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

/// Lets this process live for at most `grace` (but a second at least) after its parent's death, whatever it is busy
/// with: time enough to finish a request, but no process is left behind for ever. To be called again after each change
/// of the user or group; a later call changes the time.
///
/// # Errors
/// timer_create(2), sigaction(2), prctl(2)
pub fn outlive_parent_by(grace: Duration) -> io::Result<()> {
    let millis = grace.max(LEAST_GRACE).as_millis();
    GRACE.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    prepare_countdown()?;
    // The last real-time signal: nothing in the C library, the interpreter or, we trust, the application uses it.
    let number = libc::SIGRTMAX();
    // SAFETY: an all-zero sigaction is a valid one, and `start_countdown` calls only what is async-signal-safe.
    let installed = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = start_countdown as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(number, &raw const action, ptr::null_mut())
    };
    Errno::result(installed)?;
    // SAFETY: prctl(2) with these arguments changes only which signal this process gets.
    let asked = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, number) };
    Errno::result(asked)?;
    Ok(())
}

/// Has this process get TERM, too, as soon as its parent dies ([`outlive_parent_by`]): it looks at nothing else that
/// would tell it.
pub fn terminate_with_parent() {
    TERMINATES.store(true, Ordering::Relaxed);
}

/// For who finds out by itself that its parent has died: starts what [`outlive_parent_by`] has prepared.
pub fn mourn_parent() {
    start_countdown(0);
}

/// Makes the timer that sends KILL to this process. Unlike alarm(2), which sends a signal that the application may
/// handle and has one alarm for everybody, nothing that the application does can take it back.
fn prepare_countdown() -> io::Result<()> {
    let this = u64::from(std::process::id());
    if COUNTDOWN_OF.load(Ordering::Relaxed) == this {
        return Ok(());
    }
    let mut timer = ptr::null_mut();
    // SAFETY: an all-zero sigevent is a valid one, and both pointers are to live places of the right types.
    let made = unsafe {
        let mut event: libc::sigevent = std::mem::zeroed();
        event.sigev_notify = libc::SIGEV_SIGNAL;
        event.sigev_signo = libc::SIGKILL;
        libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer)
    };
    Errno::result(made)?;
    COUNTDOWN.store(timer, Ordering::Relaxed);
    COUNTDOWN_OF.store(this, Ordering::Release);
    Ok(())
}

/// Signal handler: only atomics, timer_settime(2), getpid(2) and kill(2), which are async-signal-safe
/// (signal-safety(7)).
extern "C" fn start_countdown(_signal: libc::c_int) {
    let millis = GRACE.load(Ordering::Relaxed);
    // SAFETY: all zeros is a valid value of this plain structure.
    let mut when: libc::itimerspec = unsafe { std::mem::zeroed() };
    when.it_value.tv_sec = libc::time_t::try_from(millis / 1000).unwrap_or(libc::time_t::MAX);
    // Below 1000, so it is exact in every integer type.
    when.it_value.tv_nsec = (millis % 1000) as libc::c_long * 1_000_000;
    // SAFETY: the timer was made before this handler was installed and is never deleted; `when` is only read. The
    // kernel refuses a number that is no timer of this process.
    unsafe { libc::timer_settime(COUNTDOWN.load(Ordering::Relaxed), 0, &raw const when, ptr::null_mut()) };
    if TERMINATES.load(Ordering::Relaxed) {
        // SAFETY: both are async-signal-safe, and have no precondition.
        unsafe { libc::kill(libc::getpid(), libc::SIGTERM) };
    }
}

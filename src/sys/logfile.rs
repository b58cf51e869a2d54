//! The system calls of a log file: open for appending, swap under a fixed descriptor number, write without hanging.
//!
//! Log descriptors are plain numbers here, because others hold the same number (the fault handler, a captured stdout)
//! and it must stay valid for the life of the process. Nothing is remembered here; `log::sink` does that.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use super::fd::{self, FIRST_PRIVATE};

/// Opens `path` for appending (created with mode 0644 less the umask), close-on-exec, never as a standard descriptor.
///
/// # Errors
/// Those of open(2).
pub fn open_append(path: &Path) -> io::Result<OwnedFd> {
    let file = OpenOptions::new().append(true).create(true).mode(0o644).open(path)?;
    if file.as_raw_fd() >= FIRST_PRIVATE {
        return Ok(file.into());
    }
    fd::duplicate(file.as_raw_fd())
}

/// Makes `target` refer to the file of `source`, in one step: a write on `target` by another thread goes to the old
/// file or to the new one, never to none. Standard descriptors stay open over execve(2), others do not.
///
/// # Errors
/// Those of dup3(2), EINTR and EBUSY apart, which are tried again.
pub fn replace(source: RawFd, target: RawFd) -> io::Result<()> {
    if source == target {
        return Ok(());
    }
    let flags = if target < FIRST_PRIVATE { 0 } else { libc::O_CLOEXEC };
    loop {
        // SAFETY: takes integers only. What `target` referred to is given up on purpose: it is a log's own number.
        match cerr(unsafe { libc::dup3(source, target, flags) }) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::EBUSY)) => {}
            outcome => return outcome.map(drop),
        }
    }
}

/// One write(2); returns the number of bytes taken.
///
/// # Errors
/// Those of write(2), EINTR included.
pub fn write_once(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the pointer and the length are those of a live slice, which write(2) only reads.
    let taken = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
    usize::try_from(taken).map_err(|_| io::Error::last_os_error())
}

/// Waits until `fd` takes bytes; `false` when it does not within `patience`, or is no descriptor.
pub fn wait_writable(fd: RawFd, patience: Duration) -> bool {
    let millis = libc::c_int::try_from(patience.as_millis()).unwrap_or(libc::c_int::MAX);
    let mut request = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: `request` is one live pollfd, as the count says, and outlives the call.
    let ready = unsafe { libc::poll(&raw mut request, 1, millis) };
    ready == 1 && request.revents & (libc::POLLOUT | libc::POLLERR) != 0
}

/// Whether `fd` is a regular file, on which a write never waits for a reader.
pub fn is_regular(fd: RawFd) -> bool {
    let mut status = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: fstat(2) writes at most one `stat` into the place made for it.
    if unsafe { libc::fstat(fd, status.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: fstat(2) succeeded, so it has filled the structure.
    unsafe { status.assume_init() }.st_mode & libc::S_IFMT == libc::S_IFREG
}

/// Gives the open file to a user and a group; `None` leaves that one as it is.
///
/// # Errors
/// Those of fchown(2).
pub fn change_owner(fd: RawFd, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
    // SAFETY: takes integers only; all ones mean "unchanged" (chown(2)).
    cerr(unsafe { libc::fchown(fd, user.unwrap_or(u32::MAX), group.unwrap_or(u32::MAX)) }).map(drop)
}

fn cerr(outcome: libc::c_int) -> io::Result<libc::c_int> {
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(outcome) }
}

//! Descriptors and pipes: taking them over, copying them, reading and writing without being interrupted.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};

/// Descriptors below this one are standard input, output and error.
pub(super) const FIRST_PRIVATE: RawFd = 3;

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

/// A second descriptor of the open file that `fd` names, closed on exec, and never a standard one.
///
/// # Errors
/// fcntl(2), `F_DUPFD_CLOEXEC`: `EBADF` when the number is not an open file.
pub fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(Errno::EBADF.into());
    }
    // SAFETY: the number is not -1, and the borrow lasts for this call only; fcntl refuses a number that is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    let copy = fcntl(borrowed, FcntlArg::F_DUPFD_CLOEXEC(FIRST_PRIVATE))?;
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

//! Descriptors and pipes: taking them over, copying them, reading and writing without being interrupted.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::stat::fstat;

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

/// Sets close-on-exec on a descriptor that is given by number.
///
/// # Errors
/// fcntl(2): `EBADF` when the number is not an open file.
pub fn close_number_on_exec(fd: RawFd) -> io::Result<()> {
    close_on_exec(borrowed(fd)?)
}

/// Closes the descriptor `number` if it is another one of the same socket as `of`. Whatever else it is stays open.
///
/// # Errors
/// fstat(2): `EBADF` when the number is not an open file.
pub fn close_other(number: RawFd, of: BorrowedFd<'_>) -> io::Result<()> {
    let (other, socket) = (fstat(borrowed(number)?)?, fstat(of)?);
    if number != of.as_raw_fd() && (other.st_dev, other.st_ino) == (socket.st_dev, socket.st_ino) {
        drop(owned(number)?);
    }
    Ok(())
}

/// A second descriptor of the open file that `fd` names, closed on exec, and never a standard one.
///
/// # Errors
/// fcntl(2), `F_DUPFD_CLOEXEC`: `EBADF` when the number is not an open file.
pub fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    let copy = fcntl(borrowed(fd)?, FcntlArg::F_DUPFD_CLOEXEC(FIRST_PRIVATE))?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// A descriptor that is given by number, for one system call, which refuses a number that is not open.
fn borrowed<'fd>(fd: RawFd) -> nix::Result<BorrowedFd<'fd>> {
    if fd < 0 {
        return Err(Errno::EBADF);
    }
    // SAFETY: the number is not -1. The callers, all in this file, use it for one system call that looks whether it is
    // open, and do not keep it.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
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

//! What epoll_ctl(2) can do and mio does not offer: descriptors that several processes wait for at the same time.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// Watches `fd` for input, level-triggered, such that of all the epoll instances that watch it so only one (or a few)
/// is woken for each event (`EPOLLEXCLUSIVE`). Such a registration cannot be modified, only removed.
///
/// # Errors
/// Those of epoll_ctl(2).
pub fn add_exclusive(epoll: &impl AsRawFd, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
    let events = (libc::EPOLLIN | libc::EPOLLEXCLUSIVE) as u32;
    let mut event = libc::epoll_event { events, u64: token };
    // SAFETY: the owners of both descriptors are borrowed, hence open; `event` is valid and only read during the call.
    let result = unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &raw mut event) };
    Errno::result(result)?;
    Ok(())
}

/// Stops watching `fd`.
///
/// # Errors
/// Those of epoll_ctl(2).
pub fn remove(epoll: &impl AsRawFd, fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the owners of both descriptors are borrowed, hence open; EPOLL_CTL_DEL ignores the event, so it may be
    // null.
    let result =
        unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_DEL, fd.as_raw_fd(), std::ptr::null_mut()) };
    Errno::result(result)?;
    Ok(())
}

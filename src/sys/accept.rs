//! How listening sockets hand over connections.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// Has a listening TCP socket keep connections to itself until their first bytes are here, or, for a client that says
/// nothing, for about `seconds` (`TCP_DEFER_ACCEPT`, tcp(7)).
///
/// # Errors
/// Those of setsockopt(2).
pub fn defer_accept(listener: BorrowedFd<'_>, seconds: u8) -> io::Result<()> {
    let seconds = libc::c_int::from(seconds);
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    let (level, option) = (libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT);
    // SAFETY: the descriptor is borrowed, hence open; `seconds` lives through the call and `length` is its size.
    let result = unsafe { libc::setsockopt(listener.as_raw_fd(), level, option, (&raw const seconds).cast(), length) };
    Errno::result(result)?;
    Ok(())
}

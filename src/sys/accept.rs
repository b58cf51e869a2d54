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

/// Whether accept(2) failed because of the one connection that it would have returned, which is gone now: it passes on
/// what had gone wrong there. Whatever else it tells (descriptors or memory have run out) holds for the next one too.
pub fn is_about_one_client(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(
            Errno::ECONNABORTED
                | Errno::EINTR
                | Errno::ENETDOWN
                | Errno::EPROTO
                | Errno::ENOPROTOOPT
                | Errno::EHOSTDOWN
                | Errno::ENONET
                | Errno::EHOSTUNREACH
                | Errno::EOPNOTSUPP
                | Errno::ENETUNREACH
                | Errno::EPERM
        )
    )
}

//! Bytes of a file to a socket without a copy through user space (sendfile(2)).

use std::io;
use std::os::fd::BorrowedFd;

/// Sends up to `length` bytes of `file` from `offset`; the file's own position stays where it is. Returns how many
/// were sent; 0 means that the file ends before `offset`.
///
/// # Errors
/// Those of sendfile(2).
pub fn send_file(socket: BorrowedFd<'_>, file: BorrowedFd<'_>, offset: u64, length: u64) -> io::Result<usize> {
    let mut offset = libc::off64_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    let count = usize::try_from(length).unwrap_or(usize::MAX);
    Ok(nix::sys::sendfile::sendfile64(socket, file, Some(&mut offset), count)?)
}

//! Waiting for several descriptors at once (poll(2)), until a point in time.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout};

/// Waits until one of `fds` is readable or closed, or until `timeout` is over; says which ones. A signal ends the wait
/// early with none.
///
/// # Errors
/// poll(2), but not `EINTR`.
pub fn readable(fds: &[BorrowedFd<'_>], timeout: Option<Duration>) -> io::Result<Vec<bool>> {
    let mut set: Vec<PollFd<'_>> = fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    match nix::poll::poll(&mut set, poll_timeout(timeout)) {
        Ok(_) => Ok(set.iter().map(|fd| fd.any().unwrap_or(true)).collect()),
        Err(nix::Error::EINTR) => Ok(vec![false; fds.len()]),
        Err(error) => Err(error.into()),
    }
}

/// Whether the other end of a socket has closed its side, or the connection is broken (`POLLRDHUP`). Does not wait.
///
/// # Errors
/// poll(2)
pub fn has_hung_up(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let mut set = [PollFd::new(socket, PollFlags::from_bits_retain(libc::POLLRDHUP))];
    loop {
        match nix::poll::poll(&mut set, PollTimeout::ZERO) {
            Err(nix::Error::EINTR) => {}
            result => return Ok(result? > 0),
        }
    }
}

/// Rounded up to the next millisecond, so that a deadline has really passed when the wait is over.
fn poll_timeout(timeout: Option<Duration>) -> PollTimeout {
    timeout.map_or(PollTimeout::NONE, |timeout| {
        let millis = timeout.as_micros().div_ceil(1000);
        PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
    })
}

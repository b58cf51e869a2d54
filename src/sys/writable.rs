//! Waiting for one descriptor (poll(2)).

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::clock;

/// Sleeps until `fd` takes output (or has failed, which the next write then tells); `false` when `limit` is over.
/// Signals do not end the wait.
///
/// # Errors
/// Those of poll(2), `EINTR` excepted.
pub fn wait_writable(fd: BorrowedFd<'_>, limit: Duration) -> io::Result<bool> {
    let end = clock::now() + limit;
    loop {
        let left = PollTimeout::try_from(end - clock::now()).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(fd, PollFlags::POLLOUT)], left) {
            Err(Errno::EINTR) => {}
            result => return Ok(result? > 0),
        }
    }
}

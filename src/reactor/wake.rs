//! Descriptors that wake the reactor for another reason than a client.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

/// The read end of a pipe.
#[derive(Debug)]
pub(super) struct WakePipe(File);

impl WakePipe {
    /// Watches `fd`, which is non-blocking.
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    pub(super) fn new(fd: OwnedFd, registry: &Registry, token: Token) -> io::Result<Self> {
        registry.register(&mut SourceFd(&fd.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self(fd.into()))
    }

    /// Empties the pipe; `false` when its other end is closed.
    pub(super) fn drain(&mut self) -> bool {
        let mut bytes = [0; 64];
        loop {
            match self.0.read(&mut bytes) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(_) => return true,
            }
        }
    }
}

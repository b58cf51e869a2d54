//! The transport of one connection.

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};

use crate::sys::sendfile::send_file;

/// Set once: this process has, or had, children that may hold copies of its descriptors.
static FORKED: AtomicBool = AtomicBool::new(false);

/// This process is about to fork without executing another program: from now on the end of a stream is told to its peer
/// by a system call of its own, since closing a descriptor does not end a connection that a child holds open too.
pub fn note_fork() {
    FORKED.store(true, Relaxed);
}

/// A connected, non-blocking stream.
#[derive(Debug)]
pub enum Stream {
    /// TCP over IPv4 or IPv6.
    Tcp(TcpStream),
    /// A Unix stream socket.
    Unix(UnixStream),
}

/// Runs one expression on whichever transport it is.
macro_rules! on_transport {
    ($stream:expr, $name:ident => $call:expr) => {
        match $stream {
            Stream::Tcp($name) => $call,
            Stream::Unix($name) => $call,
        }
    };
}

impl Stream {
    /// Sends up to `length` bytes of `file` from `offset`; 0 when the file ends before `offset`.
    ///
    /// # Errors
    /// Those of sendfile(2).
    pub fn send_file(&self, file: &File, offset: u64, length: u64) -> io::Result<usize> {
        send_file(self.as_fd(), file.as_fd(), offset, length)
    }

    /// Tells the peer that nothing more follows; what it sends can still be read.
    ///
    /// # Errors
    /// Those of shutdown(2).
    pub fn shutdown_write(&self) -> io::Result<()> {
        on_transport!(self, stream => stream.shutdown(Shutdown::Write))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if FORKED.load(Relaxed) {
            // It fails if the peer has gone, which is what is wanted.
            let _ = self.shutdown_write();
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        on_transport!(self, stream => stream.read(buffer))
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        on_transport!(self, stream => stream.write(bytes))
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        on_transport!(self, stream => stream.write_vectored(parts))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        on_transport!(self, stream => stream.as_fd())
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Source for Stream {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        on_transport!(self, stream => stream.register(registry, token, interests))
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        on_transport!(self, stream => stream.reregister(registry, token, interests))
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        on_transport!(self, stream => stream.deregister(registry))
    }
}

//! A listening socket that connections are accepted from.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mio::net::{TcpListener, UnixListener};
use socket2::{Domain, SockRef};

use super::{Address, Stream};
use crate::sys::accept::defer_accept;

/// How long the kernel keeps a connection on which the client says nothing, in seconds.
const SILENCE: u8 = 1;

/// A listening TCP or Unix socket, non-blocking. Several processes may hold the same one.
#[derive(Debug)]
pub enum Listener {
    /// TCP over IPv4 or IPv6.
    Tcp(TcpListener),
    /// A Unix stream socket.
    Unix(UnixListener),
}

impl Listener {
    /// Takes a socket that is listening already, and sets what its connections inherit or wait for (tcp(7)):
    ///
    /// - `TCP_NODELAY`, once here instead of once for each of them;
    /// - `TCP_DEFER_ACCEPT`: a connection is accepted together with its request. So no worker holds a request that
    ///   came after the connection while it is busy with another one, and an idle sibling could have taken it.
    ///
    /// # Errors
    /// The descriptor is not a stream socket of a known family, or cannot be made non-blocking.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        let socket = SockRef::from(&fd);
        socket.set_nonblocking(true)?;
        if socket.domain()? == Domain::UNIX {
            return Ok(Self::Unix(UnixListener::from_std(fd.into())));
        }
        socket.set_tcp_nodelay(true)?;
        defer_accept(fd.as_fd(), SILENCE)?;
        Ok(Self::Tcp(TcpListener::from_std(fd.into())))
    }

    /// What it is bound to.
    ///
    /// # Errors
    /// Those of getsockname(2).
    pub fn local_address(&self) -> io::Result<Address> {
        Ok(match self {
            Self::Tcp(listener) => Address::Inet(listener.local_addr()?),
            Self::Unix(listener) => Address::Unix(listener.local_addr()?.as_pathname().map(Into::into)),
        })
    }

    /// Takes the next connection out of the backlog, with the client's address. The stream is non-blocking and closed
    /// on exec (accept4(2)).
    ///
    /// # Errors
    /// Those of accept4(2); `WouldBlock` when the backlog is empty.
    pub fn accept(&self) -> io::Result<(Stream, Address)> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                (Stream::Tcp(stream), Address::Inet(peer))
            }
            Self::Unix(listener) => {
                let (stream, peer) = listener.accept()?;
                (Stream::Unix(stream), Address::Unix(peer.as_pathname().map(Into::into)))
            }
        })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

//! Listeners and streams: every transport behind one type.
//!
//! Nothing here waits: all sockets are non-blocking, and whoever drives them (the reactor) knows when to try again.

mod listener;
mod stream;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

pub use listener::Listener;
pub use stream::{Stream, note_fork};

/// Address of one end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// TCP over IPv4 or IPv6.
    Inet(SocketAddr),
    /// A Unix socket, with its path when it has one.
    Unix(Option<PathBuf>),
}

impl Address {
    /// The IP address; none of a Unix socket.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Inet(address) => Some(address.ip()),
            Self::Unix(_) => None,
        }
    }
}

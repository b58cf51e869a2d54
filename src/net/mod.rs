//! Listeners and streams: every transport behind one type.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Address of one end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// TCP over IPv4 or IPv6.
    Inet(SocketAddr),
    /// A Unix socket, with its path when it has one.
    Unix(Option<PathBuf>),
}

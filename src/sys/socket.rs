//! Listening sockets: making them, and taking over those that somebody else has made.

use std::fs;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use nix::sys::socket::{AddressFamily, SockaddrLike, SockaddrStorage, getsockname, getsockopt, sockopt};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::net::Address;

/// How a listener is made.
#[derive(Debug, Clone, Copy)]
pub struct ListenOptions {
    /// listen(2) backlog, in connections.
    pub backlog: u32,
    /// Set `SO_REUSEPORT`.
    pub reuse_port: bool,
    /// File mode creation mask for a Unix socket.
    pub umask: u32,
    /// Owner of a Unix socket.
    pub owner: (Option<u32>, Option<u32>),
}

/// Binds to the first address that `host` stands for, and listens.
///
/// # Errors
/// getaddrinfo(3), socket(2), bind(2), listen(2)
pub fn listen_tcp(host: &str, port: u16, options: ListenOptions) -> io::Result<OwnedFd> {
    let host = if host.is_empty() { "0.0.0.0" } else { host };
    let mut addresses = (host, port).to_socket_addrs()?;
    let address: SocketAddr = addresses.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if options.reuse_port {
        socket.set_reuse_port(true)?;
    }
    // Inherited by every accepted connection (tcp(7)): a response is never held back for more of it.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    listen(socket, options)
}

/// Binds to a path, in place of a stale socket that is there, and listens. A path that starts with `@` is an abstract
/// name (unix(7)).
///
/// # Errors
/// socket(2), bind(2), listen(2); `path` exists and is no socket.
pub fn listen_unix(path: &Path, options: ListenOptions) -> io::Result<OwnedFd> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let former = super::process::set_umask(options.umask);
    let bound = SockAddr::unix(path).and_then(|address| socket.bind(&address));
    super::process::set_umask(former);
    bound?;
    super::users::give(path, options.owner.0, options.owner.1)?;
    listen(socket, options)
}

/// Takes over an open socket, by number, and listens on it if it does not yet. The number stays open in this process,
/// so that it can be named again, but in no program that it starts from now on.
///
/// # Errors
/// `fd` is not an open stream socket; listen(2)
pub fn listen_inherited(fd: RawFd, options: ListenOptions) -> io::Result<OwnedFd> {
    let socket = Socket::from(super::fd::duplicate(fd)?);
    super::fd::close_number_on_exec(fd)?;
    if socket.r#type()? != Type::STREAM {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a stream socket"));
    }
    if getsockopt(&socket, sockopt::AcceptConn)? {
        socket.set_nonblocking(true)?;
        return Ok(socket.into());
    }
    listen(socket, options)
}

/// What a listener is bound to.
///
/// # Errors
/// getsockname(2)
pub fn local_address(listener: impl AsFd) -> io::Result<Address> {
    use std::os::fd::AsRawFd;
    let storage: SockaddrStorage = getsockname(listener.as_fd().as_raw_fd())?;
    match storage.family() {
        Some(AddressFamily::Unix) => {
            Ok(Address::Unix(storage.as_unix_addr().and_then(|unix| unix.path()).map(Path::to_path_buf)))
        }
        _ => {
            let v4 = storage.as_sockaddr_in().map(|v4| SocketAddr::from(std::net::SocketAddrV4::from(*v4)));
            let v6 = storage.as_sockaddr_in6().map(|v6| SocketAddr::from(std::net::SocketAddrV6::from(*v6)));
            v4.or(v6).map(Address::Inet).ok_or_else(|| io::ErrorKind::Unsupported.into())
        }
    }
}

fn listen(socket: Socket, options: ListenOptions) -> io::Result<OwnedFd> {
    socket.set_nonblocking(true)?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "the path exists and is not a socket")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

//! The listening sockets of a generation: bound anew, or kept from the generation before.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;

use crate::net::Address;
use crate::settings::{Bind, Settings};
use crate::sys::socket::{self, ListenOptions};

/// One listening socket, shared by the generations that serve on it.
#[derive(Debug)]
pub struct Listener {
    bind: Bind,
    reuse_port: bool,
    socket: OwnedFd,
    address: Address,
}

impl Listener {
    fn open(bind: &Bind, settings: &Settings) -> io::Result<Self> {
        let options = ListenOptions {
            backlog: settings.backlog,
            reuse_port: settings.reuse_port,
            umask: settings.umask,
            owner: (settings.user, settings.group),
        };
        let socket = match bind {
            Bind::Tcp { host, port } => socket::listen_tcp(host, *port, options),
            Bind::Unix(path) => socket::listen_unix(path, options),
            Bind::Fd(fd) => socket::listen_inherited(*fd, options),
        }?;
        let address = socket::local_address(&socket)?;
        Ok(Self { bind: bind.clone(), reuse_port: settings.reuse_port, socket, address })
    }

    /// The path of a Unix socket that this process has made.
    fn own_path(&self) -> Option<PathBuf> {
        match (&self.bind, &self.address) {
            (Bind::Unix(_), Address::Unix(Some(path))) => Some(path.clone()),
            _ => None,
        }
    }

    /// Removes the name of a Unix socket from the file system.
    pub fn unlink(&self) {
        if let Some(path) = self.own_path() {
            // Somebody may have removed it already, which is what is wanted.
            let _ = fs::remove_file(path);
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Inet(address) => write!(f, "http://{address}"),
            Address::Unix(Some(path)) => write!(f, "unix:{}", path.display()),
            Address::Unix(None) => f.write_str("unix:"),
        }
    }
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {}: {error}", show(.bind))]
pub struct BindError {
    /// The address.
    pub bind: Bind,
    /// Why.
    pub error: io::Error,
}

impl BindError {
    /// Whether the address is taken by another process, which may be about to give it up.
    pub fn is_in_use(&self) -> bool {
        self.error.kind() == io::ErrorKind::AddrInUse
    }
}

/// Listens on each address of the settings. What an older generation listens on is shared, so that
/// no connection in its queue is lost.
///
/// # Errors
/// The first address that cannot be had; those opened before it are closed again.
pub fn open_all(settings: &Settings, existing: &[Rc<Listener>]) -> Result<Vec<Rc<Listener>>, BindError> {
    let open = |bind: &Bind| {
        let kept = existing.iter().find(|old| old.bind == *bind && old.reuse_port == settings.reuse_port);
        match kept {
            Some(old) => Ok(Rc::clone(old)),
            None => {
                Listener::open(bind, settings).map(Rc::new).map_err(|error| BindError { bind: bind.clone(), error })
            }
        }
    };
    settings.bind.iter().map(open).collect()
}

/// An address as the operator writes it.
pub fn show(bind: &Bind) -> String {
    match bind {
        Bind::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
        Bind::Tcp { host, port } => format!("{host}:{port}"),
        Bind::Unix(path) => format!("unix:{}", path.display()),
        Bind::Fd(fd) => format!("fd://{fd}"),
    }
}

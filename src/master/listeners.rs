//! The listening sockets of a generation: bound anew, or kept from the generation before.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::net::Address;
use crate::settings::{Bind, Settings};
use crate::sys::socket::{self, ListenOptions};

/// One listening socket, shared by the generations that serve on it. With the last of them goes the name that it has
/// made in the file system.
#[derive(Debug)]
pub struct Listener {
    bind: Bind,
    socket: OwnedFd,
    address: Address,
    name: Option<Name>,
}

/// The name of a Unix socket that this process has made, and the file that it stood for then.
#[derive(Debug)]
struct Name {
    path: PathBuf,
    file: (u64, u64),
}

impl Listener {
    fn open(bind: &Bind, settings: &Settings) -> io::Result<Self> {
        let options = ListenOptions {
            backlog: settings.backlog,
            reuse_port: settings.reuse_port,
            umask: settings.umask,
            owner: (settings.user, settings.group),
        };
        let (socket, name) = match bind {
            Bind::Tcp { host, port } => (socket::listen_tcp(host, *port, options)?, None),
            Bind::Unix(path) => {
                let socket = socket::listen_unix(path, options)?;
                (socket, identity(path).map(|file| Name { path: path.clone(), file }))
            }
            Bind::Fd(fd) => (socket::listen_inherited(*fd, options)?, None),
        };
        let address = socket::local_address(&socket)?;
        Ok(Self { bind: bind.clone(), socket, address, name })
    }

    /// Whether this is what `bind` asks for. Two paths through different links may be the same place.
    fn serves(&self, bind: &Bind) -> bool {
        match (&self.bind, bind) {
            (Bind::Unix(ours), Bind::Unix(asked)) => real(ours) == real(asked),
            (ours, asked) => ours == asked,
        }
    }

    /// Whether this holds the port that `bind` asks for on another address.
    fn occupies(&self, bind: &Bind) -> bool {
        let same_port = |port: u16| matches!(&self.address, Address::Inet(address) if address.port() == port);
        matches!(bind, Bind::Tcp { port, .. } if same_port(*port))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(name) = &self.name
            && identity(&name.path) == Some(name.file)
        {
            // Somebody may have removed it already, which is what is wanted.
            let _ = fs::remove_file(&name.path);
        }
    }
}

/// Which file a path names.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// The path without links in its directory; as it is where that does not exist.
fn real(path: &Path) -> PathBuf {
    let directory = path.parent().and_then(|directory| directory.canonicalize().ok());
    match (directory, path.file_name()) {
        (Some(directory), Some(name)) => directory.join(name),
        _ => path.to_path_buf(),
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

/// Most listeners of a generation: the kernel hands over at most 253 files at one time (unix(7), `SCM_MAX_FD`), and
/// three are not listeners.
pub const LISTENERS: usize = 250 - 3;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The system refuses it.
    #[error("cannot listen on {}: {error}", show(.bind))]
    Refused {
        /// The address.
        bind: Bind,
        /// Why.
        error: io::Error,
    },
    /// The generation that serves holds the port on another address, and keeps it until the new one is there.
    #[error("cannot listen on {}: the server itself holds that port, on {holder}; stop and start it", show(.bind))]
    Own {
        /// The address.
        bind: Bind,
        /// The address of the listener that serves.
        holder: String,
    },
    /// More addresses than can be handed to a zygote.
    #[error("cannot listen on {0} addresses: at most {LISTENERS} are possible (setting bind)")]
    TooMany(usize),
}

impl BindError {
    /// Whether the address is taken by another process, which may be about to give it up.
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::Refused { error, .. } if error.kind() == io::ErrorKind::AddrInUse)
    }
}

/// Listens on each address of the settings. What an older generation listens on is shared, so that
/// no connection in its queue is lost.
///
/// # Errors
/// The first address that cannot be had; those opened before it are closed again.
pub fn open_all(settings: &Settings, existing: &[Rc<Listener>]) -> Result<Vec<Rc<Listener>>, BindError> {
    if settings.bind.len() > LISTENERS {
        return Err(BindError::TooMany(settings.bind.len()));
    }
    let mut unused: Vec<&Rc<Listener>> = existing.iter().collect();
    settings
        .bind
        .iter()
        .map(|bind| match unused.iter().position(|old| old.serves(bind)) {
            Some(place) => Ok(Rc::clone(unused.swap_remove(place))),
            None => open(bind, settings, existing),
        })
        .collect()
}

fn open(bind: &Bind, settings: &Settings, existing: &[Rc<Listener>]) -> Result<Rc<Listener>, BindError> {
    Listener::open(bind, settings).map(Rc::new).map_err(|error| {
        let holder = existing.iter().find(|old| error.kind() == io::ErrorKind::AddrInUse && old.occupies(bind));
        match holder {
            Some(holder) => BindError::Own { bind: bind.clone(), holder: holder.to_string() },
            None => BindError::Refused { bind: bind.clone(), error },
        }
    })
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

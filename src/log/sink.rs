//! Where a log's lines go: a descriptor number that is fixed once chosen, and the file behind it that can be renewed.
//!
//! Used by the error log and the access log alike. Writing takes no lock, so it is safe from any thread and in a child
//! forked while another thread wrote; a log that cannot be written loses lines and counts them, but never stops us.

use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::settings::LogTarget;
use crate::sys::logfile;

/// How long a line waits for a reader (of a pipe, terminal or socket) that has stopped reading.
const PATIENCE: Duration = Duration::from_secs(1);

/// Bytes that a writable pipe takes at once (pipe(7), `PIPE_BUF`).
const PIPE_BUF: usize = 4096;

/// A log file that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory that should hold it is not there.
    #[error("cannot open log file {path:?}: there is no directory {directory:?}")]
    NoDirectory {
        /// The log file.
        path: PathBuf,
        /// The missing directory.
        directory: PathBuf,
    },
    /// The system refused.
    #[error("cannot open log file {path:?}: {source}")]
    Refused {
        /// The log file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl OpenError {
    fn new(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match path.parent().map(Path::to_path_buf) {
            Some(directory) if !directory.as_os_str().is_empty() && !directory.is_dir() => {
                Self::NoDirectory { path, directory }
            }
            _ => Self::Refused { path, source },
        }
    }
}

/// What a reopen has to know again.
#[derive(Debug)]
struct Source {
    /// `None`: a standard descriptor, which cannot be reopened.
    path: Option<PathBuf>,
    /// The descriptor number is the log's own: it may be pointed elsewhere, but is never given up.
    private: bool,
    /// User and group that the files are given to.
    owner: Option<(Option<u32>, Option<u32>)>,
}

/// The end of a log.
#[derive(Debug)]
pub struct Sink {
    /// The standard descriptor that `-` means, in use until a target is opened.
    standard: RawFd,
    fd: AtomicI32,
    /// A write may have to wait for a reader.
    waits: AtomicBool,
    /// The last line was given up: the reader gets no patience until it takes something.
    stalled: AtomicBool,
    lost: AtomicU64,
    source: Mutex<Source>,
}

impl Sink {
    /// A sink that writes to a standard descriptor until it is told otherwise.
    pub const fn standard(fd: RawFd) -> Self {
        Self {
            standard: fd,
            fd: AtomicI32::new(fd),
            waits: AtomicBool::new(true),
            stalled: AtomicBool::new(false),
            lost: AtomicU64::new(0),
            source: Mutex::new(Source { path: None, private: false, owner: None }),
        }
    }

    /// Directs the log to `target`. A file's descriptor number stays the log's for ever, as others may hold it.
    ///
    /// # Errors
    /// The file cannot be opened; then nothing has changed.
    pub fn open(&self, target: &LogTarget) -> Result<(), OpenError> {
        let mut source = self.source();
        let LogTarget::File(path) = target else {
            return self.adopt(self.standard, &mut source).map_err(|error| OpenError::new(Path::new("-"), error));
        };
        let refuse = |error| OpenError::new(path, error);
        if let Some(fd) = inherited(path) {
            return self.adopt(fd, &mut source).map_err(refuse);
        }
        self.renew(path, &mut source).map_err(refuse)?;
        source.path = Some(path.clone());
        Ok(())
    }

    /// Opens the file anew under the same descriptor number, so that a renamed log is continued by a new file. Lines
    /// that other threads write meanwhile go to one of the two.
    ///
    /// # Errors
    /// The file cannot be opened; then the old one stays in use.
    pub fn reopen(&self) -> Result<(), OpenError> {
        let mut source = self.source();
        let Some(path) = source.path.clone() else { return Ok(()) };
        self.renew(&path, &mut source).map_err(|error| OpenError::new(&path, error))
    }

    /// Gives the file, and those that reopening makes later, to a user and a group: the workers, which run as that
    /// user, must be able to reopen it. Standard descriptors and devices are left alone.
    ///
    /// # Errors
    /// Those of fchown(2).
    pub fn chown_to(&self, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
        let mut source = self.source();
        source.owner = Some((user, group));
        if source.path.is_none() || !logfile::is_regular(self.fd()) {
            return Ok(());
        }
        logfile::change_owner(self.fd(), user, group)
    }

    /// The descriptor that lines are written to.
    pub fn fd(&self) -> RawFd {
        self.fd.load(Acquire)
    }

    /// Whether the log is a file (and not a standard descriptor).
    pub fn is_file(&self) -> bool {
        self.source().path.is_some()
    }

    /// Writes whole lines with one write(2) (more only when the system takes less, or a pipe has to be waited for).
    /// What cannot be written is counted as lost.
    pub fn write(&self, lines: &[u8]) {
        if self.try_write(lines).is_ok() {
            if self.stalled.load(Relaxed) {
                self.stalled.store(false, Relaxed);
            }
        } else {
            self.stalled.store(true, Relaxed);
            self.lost.fetch_add(1, Relaxed);
        }
    }

    /// Writes that have been given up since this was last asked, if the log takes lines again.
    pub fn take_lost(&self) -> Option<u64> {
        if self.lost.load(Relaxed) == 0 || self.stalled.load(Relaxed) {
            return None;
        }
        Some(self.lost.swap(0, Relaxed))
    }

    fn try_write(&self, mut lines: &[u8]) -> io::Result<()> {
        let fd = self.fd();
        while !lines.is_empty() {
            let part = if self.waits.load(Relaxed) { self.await_reader(fd, lines)? } else { lines };
            match logfile::write_once(fd, part) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => lines = lines.get(taken..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock && logfile::wait_writable(fd, self.patience()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits for a reader to make room, for a limited time, and says how much may be written without waiting.
    fn await_reader<'a>(&self, fd: RawFd, lines: &'a [u8]) -> io::Result<&'a [u8]> {
        if !logfile::wait_writable(fd, self.patience()) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(lines.get(..PIPE_BUF).unwrap_or(lines))
    }

    fn patience(&self) -> Duration {
        if self.stalled.load(Relaxed) { Duration::ZERO } else { PATIENCE }
    }

    fn renew(&self, path: &Path, source: &mut Source) -> io::Result<()> {
        let file = logfile::open_append(path)?;
        if let Some((user, group)) = source.owner
            && logfile::is_regular(file.as_raw_fd())
        {
            // Only root may do this. A worker has just opened the file, which is all it needs.
            let _ = logfile::change_owner(file.as_raw_fd(), user, group);
        }
        if source.private {
            logfile::replace(file.as_raw_fd(), self.fd())?;
            self.set_fd(self.fd());
        } else {
            source.private = true;
            self.set_fd(file.into_raw_fd());
        }
        Ok(())
    }

    /// Uses a descriptor that the process was started with.
    fn adopt(&self, fd: RawFd, source: &mut Source) -> io::Result<()> {
        let number = if source.private { self.fd() } else { fd };
        logfile::replace(fd, number)?;
        self.set_fd(number);
        source.path = None;
        Ok(())
    }

    fn set_fd(&self, fd: RawFd) {
        self.waits.store(!logfile::is_regular(fd), Relaxed);
        self.stalled.store(false, Relaxed);
        self.fd.store(fd, Release);
    }

    fn source(&self) -> MutexGuard<'_, Source> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The standard descriptor that a path names. Opening such a path fails when the descriptor is a socket (as under
/// systemd) or belongs to another user (as after `user`); using the descriptor itself never does.
fn inherited(path: &Path) -> Option<RawFd> {
    match path.to_str()? {
        "/dev/stdout" => Some(1),
        "/dev/stderr" => Some(2),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests;

//! The file that holds the master's pid.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::sys::process;

/// A pid file that this process has written; removed when dropped, if it still holds this process's pid.
#[derive(Debug)]
pub struct Pidfile {
    path: PathBuf,
    pid: i32,
}

/// Why the file could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PidfileError {
    /// Another server runs.
    #[error("Already running on PID {pid} (or pid file {path:?} is stale)")]
    Running {
        /// Its pid.
        pid: i32,
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write pid file {path:?}: {error}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Pidfile {
    /// Writes this process's pid, in one step: a reader sees the whole file or none.
    ///
    /// # Errors
    /// A process of the pid that is in the file runs; the file cannot be written.
    pub fn create(path: &Path) -> Result<Self, PidfileError> {
        let pidfile = Self { path: path.to_path_buf(), pid: process::pid() };
        pidfile.claim().map(|()| pidfile)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file again if it is not this server's any more: removed, say, by a clean-up of its directory.
    ///
    /// # Errors
    /// As for [`Pidfile::create`].
    pub fn restore(&self) -> Result<(), PidfileError> {
        if read(&self.path) == Some(self.pid) { Ok(()) } else { self.claim() }
    }

    fn claim(&self) -> Result<(), PidfileError> {
        let path = &self.path;
        match read(path).filter(|&other| other != self.pid && process::is_alive(other)) {
            Some(pid) => Err(PidfileError::Running { pid, path: path.clone() }),
            None => write(path, self.pid).map_err(|error| PidfileError::Write { path: path.clone(), error }),
        }
    }
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        if read(&self.path) == Some(self.pid) {
            // The directory may be gone or closed to us by now; there is nobody left to tell.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn read(path: &Path) -> Option<i32> {
    fs::read_to_string(path).ok()?.trim().parse().ok().filter(|&pid| pid > 0)
}

fn write(path: &Path, pid: i32) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{pid}"));
    let temporary = path.with_file_name(name);
    // One from a former process of this pid. What is new cannot be a link that somebody has put there.
    let _ = fs::remove_file(&temporary);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temporary)?;
    let renamed = writeln!(file, "{pid}").and_then(|()| fs::rename(&temporary, path));
    if renamed.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    renamed
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn holds_the_pid_and_goes_with_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("server.pid");
        fs::write(&path, "not a pid").unwrap();
        let pidfile = Pidfile::create(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        drop(pidfile);
        assert!(!path.exists());
    }

    #[test]
    fn refuses_while_the_other_server_runs() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("server.pid");
        fs::write(&path, "1\n").unwrap();
        let error = Pidfile::create(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("Already running on PID 1 (or pid file {path:?} is stale)"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");
    }

    #[test]
    fn a_file_that_another_process_has_taken_over_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("server.pid");
        let pidfile = Pidfile::create(&path).unwrap();
        fs::write(&path, "1\n").unwrap();
        drop(pidfile);
        assert!(path.exists());
    }
}

//! What the settings ask of the machine: the only questions they have, answered by whoever drives them.

use std::path::{Path, PathBuf};

use super::paths::absolute;

/// Answers about the machine.
pub trait Resolve {
    /// The directory in which the server was started. gunicorn takes `PWD` when it names the same directory, so that
    /// symbolic links stay as the user wrote them.
    fn current_dir(&self) -> PathBuf;

    /// Whether the path is a directory.
    fn is_dir(&self, path: &Path) -> bool;

    /// Whether the path is a file (anything but a directory).
    fn is_file(&self, path: &Path) -> bool;

    /// The number of the user of this name (getpwnam(3)).
    fn user(&self, name: &str) -> Option<u32>;

    /// The number of the group of this name (getgrnam(3)).
    fn group(&self, name: &str) -> Option<u32>;
}

impl dyn Resolve + '_ {
    /// A program by its path, which becomes absolute, or by a name for the `PATH`, as execvp(3) tells them apart.
    pub(super) fn program(&self, text: &str) -> PathBuf {
        if text.contains('/') { absolute(&self.current_dir(), Path::new(text)) } else { PathBuf::from(text) }
    }
}

/// A machine that has nothing.
pub(super) struct Nowhere;

impl Resolve for Nowhere {
    fn current_dir(&self) -> PathBuf {
        PathBuf::from("/")
    }

    fn is_dir(&self, _: &Path) -> bool {
        false
    }

    fn is_file(&self, _: &Path) -> bool {
        false
    }

    fn user(&self, _: &str) -> Option<u32> {
        None
    }

    fn group(&self, _: &str) -> Option<u32> {
        None
    }
}

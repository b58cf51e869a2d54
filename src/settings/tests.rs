//! Whole readings of a configuration, from arguments to values and messages.

use std::path::{Path, PathBuf};

use super::Resolve;

/// A machine with one directory, one user, and the files that a test gives it.
pub(super) struct Host {
    pub(super) files: Vec<&'static str>,
}

impl Host {
    pub(super) fn new() -> Self {
        Self { files: Vec::new() }
    }
}

impl Resolve for Host {
    fn current_dir(&self) -> PathBuf {
        PathBuf::from("/srv/app")
    }

    fn is_dir(&self, path: &Path) -> bool {
        ["/srv", "/srv/app", "/srv/app/site"].iter().any(|directory| path == Path::new(directory))
    }

    fn is_file(&self, path: &Path) -> bool {
        self.files.iter().any(|file| path == Path::new(file))
    }

    fn user(&self, name: &str) -> Option<u32> {
        (name == "www-data").then_some(33)
    }

    fn group(&self, name: &str) -> Option<u32> {
        (name == "www-data").then_some(33)
    }
}

//! What the system lets this process have.

use std::io;

use nix::sys::resource::{Resource, getrlimit};

/// How many files this process may have open (`RLIMIT_NOFILE`, getrlimit(2), the soft limit).
///
/// # Errors
/// Those of getrlimit(2).
pub fn open_files() -> io::Result<u64> {
    Ok(getrlimit(Resource::RLIMIT_NOFILE)?.0)
}

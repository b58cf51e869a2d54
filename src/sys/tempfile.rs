//! Temporary files that have no name, so that nothing is left behind however the process ends.

use std::fs::File;
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl, open};
use nix::sys::stat::Mode;
use nix::unistd::{mkstemp, unlink};

/// A new, empty file on the file system of `directory`, without a name: by `O_TMPFILE` (open(2)), or, where the file
/// system does not know it, created and unlinked.
///
/// # Errors
/// Those of open(2) and mkstemp(3).
pub fn unnamed(directory: &Path) -> io::Result<File> {
    let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
    match open(directory, flags, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(fd) => Ok(File::from(fd)),
        Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::ENOENT | Errno::EINVAL) => unlinked(directory),
        Err(errno) => Err(errno.into()),
    }
}

fn unlinked(directory: &Path) -> io::Result<File> {
    let (fd, path) = mkstemp(&directory.join("gunicorn-XXXXXX"))?;
    unlink(&path)?;
    fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(File::from(fd))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Read, Seek, Write};

    use super::*;

    fn check(mut file: File) {
        file.write_all(b"here").unwrap();
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "here");
        assert_eq!(std::os::unix::fs::MetadataExt::nlink(&file.metadata().unwrap()), 0);
    }

    #[test]
    fn both_ways_give_a_file_without_a_name() {
        check(unnamed(&std::env::temp_dir()).unwrap());
        check(unlinked(&std::env::temp_dir()).unwrap());
    }

    #[test]
    fn a_missing_directory_is_an_error() {
        assert_eq!(unnamed(Path::new("/nowhere/at/all")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}

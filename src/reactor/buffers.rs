//! What all connections of a reactor share to keep what waits: the bounds, the files, the flusher.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use super::budget::{Charge, Pool};
use super::config::ReactorConfig;
use super::flusher::Flusher;
use crate::log;
use crate::sys::tempfile;

/// Size from which on a file is not added to, in bytes: its room on the disk is free again only when all of it is
/// sent, and a stream may be without end.
const FILE_BYTES: u64 = 16 * 1024 * 1024;

/// What connections share.
#[derive(Debug)]
pub(super) struct Buffers {
    /// Bytes in memory.
    pub(super) memory: Arc<Pool>,
    /// Bytes in files.
    pub(super) disk: Arc<Pool>,
    pub(super) flusher: Flusher,
    directory: PathBuf,
    /// The last response could not be kept in a file, which is in the log.
    troubled: AtomicBool,
}

impl Buffers {
    pub(super) fn new(config: &ReactorConfig) -> Arc<Self> {
        Arc::new(Self {
            memory: Pool::new(config.buffer_memory),
            disk: Pool::new(config.buffer_disk),
            flusher: Flusher::new(),
            directory: config.temp_dir.clone(),
            troubled: AtomicBool::new(false),
        })
    }

    /// Adds `bytes` at the end of `file`, if it is still there, or of a new one that takes its place. Gives the file
    /// and the place in it; `None`, and one line in the log: it cannot be kept in a file.
    pub(super) fn append(&self, file: &mut Weak<SpoolFile>, bytes: &[u8]) -> Option<(Arc<SpoolFile>, u64)> {
        match self.try_append(file, bytes) {
            Ok(place) => {
                self.troubled.store(false, Relaxed);
                Some(place)
            }
            Err(error) => {
                if !self.troubled.swap(true, Relaxed) {
                    let directory = self.directory.display();
                    log::warning!("Cannot keep responses in {directory}, they wait for their readers: {error}");
                }
                None
            }
        }
    }

    fn try_append(&self, file: &mut Weak<SpoolFile>, bytes: &[u8]) -> io::Result<(Arc<SpoolFile>, u64)> {
        let last = file.upgrade().filter(|file| !file.is_full());
        let current = match last {
            Some(last) => last,
            None => {
                let new = tempfile::unnamed(&self.directory)?;
                Arc::new(SpoolFile { file: new, length: Charge::new(&self.disk) })
            }
        };
        let offset = current.append(bytes)?;
        *file = Arc::downgrade(&current);
        Ok((current, offset))
    }
}

/// Too many bytes in files, by our own bound.
pub(super) fn disk_is_full() -> io::Error {
    io::Error::new(io::ErrorKind::QuotaExceeded, "the worker's files are as large as they may become")
}

/// An unnamed file with output that waits.
#[derive(Debug)]
pub(super) struct SpoolFile {
    file: File,
    length: Charge,
}

impl SpoolFile {
    /// Whether it is not to be added to.
    pub(super) fn is_full(&self) -> bool {
        self.length.bytes() >= FILE_BYTES
    }

    /// Adds `bytes`; gives the place where they begin. If that fails nothing was added.
    fn append(&self, bytes: &[u8]) -> io::Result<u64> {
        let offset = self.length.bytes();
        if !self.length.set(offset + bytes.len() as u64) {
            return Err(disk_is_full());
        }
        self.file.write_all_at(bytes, offset).inspect_err(|_| {
            self.length.set(offset);
        })?;
        Ok(offset)
    }
}

impl AsFd for SpoolFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_added_to_until_it_is_long_enough() {
        let buffers = Buffers::new(&ReactorConfig::default());
        let mut file = Weak::new();
        let (first, offset) = buffers.append(&mut file, b"abc").unwrap();
        assert_eq!(offset, 0);
        let (second, offset) = buffers.append(&mut file, &vec![b'x'; FILE_BYTES as usize]).unwrap();
        assert!(offset == 3 && Arc::ptr_eq(&first, &second) && first.is_full());
        let (third, offset) = buffers.append(&mut file, b"def").unwrap();
        assert!(offset == 0 && !Arc::ptr_eq(&second, &third));
        assert_eq!(buffers.disk.used(), FILE_BYTES + 6);
        drop((first, second));
        assert_eq!(buffers.disk.used(), 3);
        drop(third);
        assert_eq!((buffers.disk.used(), file.strong_count()), (0, 0));
    }

    #[test]
    fn the_bound_and_a_missing_directory_are_told() {
        let buffers = Buffers::new(&ReactorConfig { buffer_disk: 5, ..ReactorConfig::default() });
        let mut file = Weak::new();
        let (_first, _) = buffers.append(&mut file, b"abc").unwrap();
        assert!(buffers.append(&mut file, b"abc").is_none());
        assert!(buffers.append(&mut file, b"de").is_some_and(|(_, offset)| offset == 3));
        let nowhere = ReactorConfig { temp_dir: "/nowhere".into(), ..ReactorConfig::default() };
        assert!(Buffers::new(&nowhere).append(&mut Weak::new(), b"abc").is_none());
    }
}

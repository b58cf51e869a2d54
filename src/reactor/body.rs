//! The body of a request while it arrives: in memory as long as it is short, then in a file.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::Path;

use super::budget::Charge;
use super::buffers::{Buffers, disk_is_full};

use crate::http::Framing;
use crate::sys::tempfile;

/// Longest body that is kept in memory, in bytes.
pub const MEMORY_BYTES: usize = 512 * 1024;

/// Most room that is made before anything has arrived, and that is not charged, in bytes.
const INITIAL_BYTES: usize = 16 * 1024;

/// A request body that has arrived whole, or what has arrived of one that is streamed.
#[derive(Debug)]
pub enum RequestBody {
    /// In memory; empty when there is none.
    Memory(Vec<u8>),
    /// In an unlinked temporary file, positioned at its start, and its length in bytes.
    File(File, u64),
}

impl Default for RequestBody {
    fn default() -> Self {
        Self::Memory(Vec::new())
    }
}

impl RequestBody {
    /// An empty body with room for what `framing` announces, within bounds: an announcement costs a client nothing.
    pub(super) fn expecting(framing: Framing) -> Self {
        let length = match framing {
            Framing::Length(length) => usize::try_from(length).unwrap_or(usize::MAX),
            Framing::Chunked => 0,
        };
        Self::Memory(Vec::with_capacity(length.min(INITIAL_BYTES)))
    }

    /// Adds bytes at the end; moves to a file in `directory` when the body becomes too long for memory.
    ///
    /// # Errors
    /// The file cannot be made or written, or [the worker's bound is reached](is_full).
    pub(super) fn append(&mut self, bytes: &[u8], directory: &Path, held: &Held) -> io::Result<()> {
        match self {
            Self::Memory(memory) => {
                if held.make_room(memory, bytes.len()) {
                    memory.extend_from_slice(bytes);
                    return Ok(());
                }
                let length = memory.len() + bytes.len();
                held.keep_in_file(length as u64)?;
                let mut file = tempfile::unnamed(directory)?;
                file.write_all(memory)?;
                file.write_all(bytes)?;
                *self = Self::File(file, length as u64);
                held.memory.set(0);
            }
            Self::File(file, length) => {
                held.keep_in_file(*length + bytes.len() as u64)?;
                file.write_all(bytes)?;
                *length += bytes.len() as u64;
            }
        }
        Ok(())
    }

    /// The body is whole: whoever reads it begins at its start.
    ///
    /// # Errors
    /// Those of lseek(2).
    pub(super) fn seal(&mut self) -> io::Result<()> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::File(file, _) => file.rewind(),
        }
    }
}

/// Whether a body cannot be kept because there are too many bytes already, by our own bound or on the disk.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::QuotaExceeded | io::ErrorKind::StorageFull)
}

/// What is charged for a body.
#[derive(Debug)]
pub(super) struct Held {
    memory: Charge,
    disk: Charge,
}

impl Held {
    /// For a body that is not there yet.
    pub(super) fn new(buffers: &Buffers) -> Self {
        Self { memory: Charge::new(&buffers.memory), disk: Charge::new(&buffers.disk) }
    }

    /// The body is gone.
    pub(super) fn clear(&self) {
        self.memory.set(0);
        self.disk.set(0);
    }

    /// Makes room for `more` bytes; `false`: they may not be kept in memory.
    fn make_room(&self, memory: &mut Vec<u8>, more: usize) -> bool {
        let length = memory.len() + more;
        if length <= memory.capacity() {
            return true;
        }
        // As much again, so that a byte is copied only so often; the last time no more than there may be.
        let capacity = length.next_power_of_two().clamp(INITIAL_BYTES, MEMORY_BYTES);
        let is_allowed = length <= MEMORY_BYTES && self.memory.set((capacity - INITIAL_BYTES) as u64);
        if is_allowed {
            memory.reserve_exact(capacity - memory.len());
        }
        is_allowed
    }

    fn keep_in_file(&self, length: u64) -> io::Result<()> {
        if self.disk.set(length) { Ok(()) } else { Err(disk_is_full()) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::reactor::ReactorConfig;

    fn held(memory: u64, disk: u64) -> (std::sync::Arc<Buffers>, Held) {
        let buffers =
            Buffers::new(&ReactorConfig { buffer_memory: memory, buffer_disk: disk, ..ReactorConfig::default() });
        let held = Held::new(&buffers);
        (buffers, held)
    }

    #[test]
    fn a_short_body_stays_in_memory() {
        let (buffers, held) = held(u64::MAX, u64::MAX);
        let mut body = RequestBody::expecting(Framing::Length(4));
        body.append(b"ab", Path::new("/nowhere"), &held).unwrap();
        body.append(b"cd", Path::new("/nowhere"), &held).unwrap();
        body.seal().unwrap();
        assert!(matches!(body, RequestBody::Memory(memory) if memory == b"abcd"));
        assert_eq!(buffers.memory.used(), 0);
    }

    #[test]
    fn room_is_made_for_what_has_arrived() {
        let (buffers, held) = held(u64::MAX, u64::MAX);
        let mut body = RequestBody::expecting(Framing::Length(MEMORY_BYTES as u64));
        body.append(&[b'x'; 100], Path::new("/nowhere"), &held).unwrap();
        assert!(matches!(body, RequestBody::Memory(memory) if memory.capacity() == INITIAL_BYTES));
        assert_eq!(buffers.memory.used(), 0);
    }

    #[test]
    fn a_long_body_moves_to_a_file() {
        let (buffers, held) = held(u64::MAX, u64::MAX);
        let mut body = RequestBody::expecting(Framing::Chunked);
        let part = vec![b'x'; MEMORY_BYTES / 2 + 1];
        for _ in 0..3 {
            body.append(&part, &std::env::temp_dir(), &held).unwrap();
        }
        body.seal().unwrap();
        let RequestBody::File(mut file, length) = body else { panic!("it is still in memory") };
        let mut text = Vec::new();
        file.read_to_end(&mut text).unwrap();
        assert_eq!((text.len() as u64, length), (3 * part.len() as u64, 3 * part.len() as u64));
        assert_eq!((buffers.memory.used(), buffers.disk.used()), (0, length));
        held.clear();
        assert_eq!(buffers.disk.used(), 0);
    }

    #[test]
    fn it_moves_to_a_file_at_once_when_there_is_no_memory() {
        let (buffers, held) = held(1000, u64::MAX);
        let mut body = RequestBody::expecting(Framing::Chunked);
        body.append(&[b'x'; INITIAL_BYTES], &std::env::temp_dir(), &held).unwrap();
        assert!(matches!(body, RequestBody::Memory(_)));
        body.append(b"x", &std::env::temp_dir(), &held).unwrap();
        assert!(matches!(body, RequestBody::File(_, length) if length == INITIAL_BYTES as u64 + 1));
        assert_eq!((buffers.memory.used(), buffers.disk.used()), (0, INITIAL_BYTES as u64 + 1));
    }

    #[test]
    fn it_is_refused_when_there_is_no_room_at_all() {
        let (buffers, held) = held(0, MEMORY_BYTES as u64);
        let mut body = RequestBody::expecting(Framing::Chunked);
        body.append(&[b'x'; MEMORY_BYTES], &std::env::temp_dir(), &held).unwrap();
        assert!(is_full(&body.append(b"x", &std::env::temp_dir(), &held).unwrap_err()));
        assert_eq!(buffers.disk.used(), MEMORY_BYTES as u64);
    }
}

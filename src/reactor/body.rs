//! The body of a request while it arrives: in memory as long as it is short, then in a file.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::Path;

use crate::http::Framing;
use crate::sys::tempfile;

/// Longest body that is kept in memory, in bytes.
pub const MEMORY_BYTES: usize = 512 * 1024;

/// Most room that is made before anything has arrived, in bytes.
const INITIAL_BYTES: usize = 16 * 1024;

/// A request body that has arrived whole.
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
    /// The file cannot be made or written.
    pub(super) fn append(&mut self, bytes: &[u8], directory: &Path) -> io::Result<()> {
        match self {
            Self::Memory(memory) if memory.len() + bytes.len() <= MEMORY_BYTES => memory.extend_from_slice(bytes),
            Self::Memory(memory) => {
                let mut file = tempfile::unnamed(directory)?;
                file.write_all(memory)?;
                file.write_all(bytes)?;
                *self = Self::File(file, (memory.len() + bytes.len()) as u64);
            }
            Self::File(file, length) => {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_short_body_stays_in_memory() {
        let mut body = RequestBody::expecting(Framing::Length(4));
        body.append(b"ab", Path::new("/nowhere")).unwrap();
        body.append(b"cd", Path::new("/nowhere")).unwrap();
        body.seal().unwrap();
        assert!(matches!(body, RequestBody::Memory(memory) if memory == b"abcd"));
    }

    #[test]
    fn room_is_made_for_what_has_arrived() {
        let mut body = RequestBody::expecting(Framing::Length(MEMORY_BYTES as u64));
        body.append(&[b'x'; 100], Path::new("/nowhere")).unwrap();
        assert!(matches!(body, RequestBody::Memory(memory) if memory.capacity() == INITIAL_BYTES));
    }

    #[test]
    fn a_long_body_moves_to_a_file() {
        let mut body = RequestBody::expecting(Framing::Chunked);
        let part = vec![b'x'; MEMORY_BYTES / 2 + 1];
        for _ in 0..3 {
            body.append(&part, &std::env::temp_dir()).unwrap();
        }
        body.seal().unwrap();
        let RequestBody::File(mut file, length) = body else { panic!("it is still in memory") };
        let mut text = Vec::new();
        file.read_to_end(&mut text).unwrap();
        assert_eq!((text.len() as u64, length), (3 * part.len() as u64, 3 * part.len() as u64));
    }
}

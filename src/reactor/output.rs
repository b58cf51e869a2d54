//! What a connection has still to send.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::ops::Range;

use super::exchange::Payload;
use crate::net::Stream;

/// Most parts that one writev(2) takes from the queue.
const PARTS: usize = 16;

/// Most bytes of one sendfile(2), so that one connection does not keep the others waiting for long.
const FILE_BYTES: u64 = 1024 * 1024;

/// Copied parts below this size are joined instead of queued one by one, in bytes.
const JOIN_BYTES: usize = 16 * 1024;

/// Something to send.
enum Segment {
    /// Bytes that were copied, from a position.
    Copied(Vec<u8>, usize),
    /// Somebody else's bytes, a range of them.
    Owned(Box<dyn Payload>, Range<usize>),
    /// A range of a file.
    File { file: File, offset: u64, length: u64 },
}

impl Segment {
    /// What is left of it in memory.
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Copied(bytes, from) => &bytes[*from..],
            Self::Owned(payload, range) => (**payload).as_ref().get(range.clone()).unwrap_or_default(),
            Self::File { .. } => &[],
        }
    }

    /// Its first `sent` bytes in memory have been sent.
    fn advance(&mut self, sent: usize) {
        match self {
            Self::Copied(_, from) | Self::Owned(_, Range { start: from, .. }) => *from += sent,
            Self::File { .. } => {}
        }
    }
}

/// The send queue, in order.
#[derive(Default)]
pub(super) struct Output {
    segments: VecDeque<Segment>,
    /// Bytes of memory that the segments hold.
    held: usize,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Output({} segments, {} bytes held)", self.segments.len(), self.held)
    }
}

impl Output {
    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Bytes in memory that wait to be sent.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.segments = VecDeque::new();
        self.held = 0;
    }

    /// Queues a copy of `bytes`.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.held += bytes.len();
        match self.segments.back_mut() {
            Some(Segment::Copied(last, _)) if last.len() + bytes.len() <= JOIN_BYTES => last.extend_from_slice(bytes),
            _ => self.segments.push_back(Segment::Copied(bytes.to_vec(), 0)),
        }
    }

    /// Queues a copy of the parts, without the first `skip` bytes of all of them. Returns how much of `skip` is left.
    pub(super) fn push_rest(&mut self, parts: &[&[u8]], mut skip: usize) -> usize {
        for part in parts {
            self.push(part.get(skip..).unwrap_or_default());
            skip = skip.saturating_sub(part.len());
        }
        skip
    }

    /// Queues a range of somebody else's bytes.
    pub(super) fn push_owned(&mut self, payload: Box<dyn Payload>, range: Range<usize>) {
        let segment = Segment::Owned(payload, range);
        let length = segment.bytes().len();
        if length > 0 {
            self.held += length;
            self.segments.push_back(segment);
        }
    }

    /// Queues `length` bytes of `file` from `offset`.
    pub(super) fn push_file(&mut self, file: File, offset: u64, length: u64) {
        if length > 0 {
            self.segments.push_back(Segment::File { file, offset, length });
        }
    }

    /// Sends until everything is gone (`true`) or the socket takes no more. `progress` is set when anything was sent.
    ///
    /// # Errors
    /// The connection is broken, or a file is shorter than was announced (`UnexpectedEof`).
    pub(super) fn flush(&mut self, stream: &mut Stream, progress: &mut bool) -> io::Result<bool> {
        while let Some(first) = self.segments.front_mut() {
            let sent = match first {
                Segment::File { file, offset, length } => send_file(stream, file, offset, length),
                _ => self.send_memory(stream),
            };
            match sent {
                Ok(()) => *progress = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
            self.drop_sent();
        }
        Ok(true)
    }

    /// Sends from the segments in memory at the front, once.
    fn send_memory(&mut self, stream: &mut Stream) -> io::Result<()> {
        let mut parts = [IoSlice::new(&[]); PARTS];
        let mut count = 0;
        let memory = self.segments.iter().take_while(|segment| !matches!(segment, Segment::File { .. }));
        for (part, segment) in parts.iter_mut().zip(memory) {
            *part = IoSlice::new(segment.bytes());
            count += 1;
        }
        let sent = stream.write_vectored(&parts[..count])?;
        self.advance(sent);
        Ok(())
    }

    /// Marks `sent` bytes at the front as sent.
    fn advance(&mut self, mut sent: usize) {
        self.held -= sent.min(self.held);
        for segment in &mut self.segments {
            let taken = segment.bytes().len().min(sent);
            segment.advance(taken);
            sent -= taken;
            if sent == 0 {
                return;
            }
        }
    }

    /// Drops what is sent in full from the front.
    fn drop_sent(&mut self) {
        while let Some(first) = self.segments.front() {
            let done = match first {
                Segment::File { length, .. } => *length == 0,
                memory => memory.bytes().is_empty(),
            };
            if !done {
                return;
            }
            self.segments.pop_front();
        }
        self.segments = VecDeque::new();
    }
}

/// Sends from a file, once.
fn send_file(stream: &Stream, file: &File, offset: &mut u64, length: &mut u64) -> io::Result<()> {
    let sent = stream.send_file(file, *offset, (*length).min(FILE_BYTES))? as u64;
    if sent == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    *offset += sent;
    *length -= sent.min(*length);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn pair() -> (Stream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Stream::Unix(mio::net::UnixStream::from_std(ours)), theirs)
    }

    fn sent(output: &mut Output) -> io::Result<String> {
        let (mut ours, mut theirs) = pair();
        assert!(output.flush(&mut ours, &mut false)?);
        drop(ours);
        let mut text = String::new();
        theirs.read_to_string(&mut text)?;
        Ok(text)
    }

    fn file(text: &[u8]) -> File {
        let mut file = crate::sys::tempfile::unnamed(&std::env::temp_dir()).unwrap();
        file.write_all(text).unwrap();
        file
    }

    #[test]
    fn everything_leaves_in_order() {
        let mut output = Output::default();
        output.push(b"a");
        output.push(b"b");
        output.push_owned(Box::new(*b"xxcdxx"), 2..4);
        output.push_file(file(b"__ef__"), 2, 2);
        output.push(b"g");
        assert_eq!(output.held(), 5);
        assert_eq!(sent(&mut output).unwrap(), "abcdefg");
        assert!(output.is_empty());
        assert_eq!(output.held(), 0);
    }

    #[test]
    fn a_file_that_is_too_short_is_an_error() {
        let mut output = Output::default();
        output.push_file(file(b"abc"), 1, 3);
        assert_eq!(sent(&mut output).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_full_socket_keeps_the_rest() {
        let (mut ours, mut theirs) = pair();
        let mut output = Output::default();
        for _ in 0..64 {
            output.push(&[b'x'; 64 * 1024]);
        }
        let mut progress = false;
        assert!(!output.flush(&mut ours, &mut progress).unwrap());
        assert!(progress && output.held() > 0);
        let reader = std::thread::spawn(move || std::io::copy(&mut theirs, &mut std::io::sink()).unwrap());
        while !output.flush(&mut ours, &mut progress).unwrap() {
            crate::sys::writable::wait_writable(std::os::fd::AsFd::as_fd(&ours), std::time::Duration::from_secs(10))
                .unwrap();
        }
        drop(ours);
        assert_eq!(reader.join().unwrap(), 64 * 64 * 1024);
    }
}

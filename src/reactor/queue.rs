//! What waits to be sent, in order, and how it is sent.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use super::OUTPUT_BYTES;
use super::budget::{Charge, Pool};
use super::buffers::SpoolFile;
use super::exchange::Payload;
use crate::sys::sendfile::send_file;

/// Most parts that one writev(2) takes from the queue.
const PARTS: usize = 16;

/// Most bytes of one sendfile(2): after each step the caller can see to others.
const FILE_BYTES: u64 = 1024 * 1024;

/// Copied parts below this size are joined instead of queued one by one, in bytes.
pub(super) const JOIN_BYTES: usize = 16 * 1024;

/// Longer parts are copied in pieces of this size, in bytes: what is sent of them is not held any longer.
const PIECE_BYTES: usize = 64 * 1024;

/// Bytes of each queue that are not charged: an error page, the end of a head.
const UNCHARGED_BYTES: usize = 4 * 1024;

/// A file to send from.
#[derive(Debug)]
pub(super) enum Source {
    /// The application's.
    Given(File),
    /// Ours, with what did not find room in memory.
    Spooled(Arc<SpoolFile>),
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Given(file) => file.as_fd(),
            Self::Spooled(file) => (**file).as_fd(),
        }
    }
}

/// Something to send.
enum Segment {
    /// Bytes that were copied, from a position.
    Copied(Vec<u8>, usize),
    /// Somebody else's bytes, a range of them.
    Owned(Box<dyn Payload>, Range<usize>),
    /// A range of a file.
    File { source: Source, offset: u64, length: u64 },
}

impl Segment {
    /// What is left of it in memory.
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Copied(bytes, from) => bytes.get(*from..).unwrap_or_default(),
            Self::Owned(payload, range) => (**payload).as_ref().get(range.clone()).unwrap_or_default(),
            Self::File { .. } => &[],
        }
    }

    /// Bytes of memory that it holds, which is all of it until all is sent.
    fn footprint(&self) -> usize {
        match self {
            Self::Copied(bytes, _) => bytes.len(),
            Self::Owned(payload, _) => (**payload).as_ref().len(),
            Self::File { .. } => 0,
        }
    }

    fn is_sent(&self) -> bool {
        match self {
            Self::File { length, .. } => *length == 0,
            memory => memory.bytes().is_empty(),
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

/// How far one step of sending has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// There is nothing to send.
    Empty,
    /// So many bytes were sent.
    Sent(u64),
    /// The socket takes no more.
    Blocked,
}

/// The send queue, in order.
pub(super) struct Queue {
    segments: VecDeque<Segment>,
    /// Bytes of memory that the segments hold.
    held: usize,
    /// For these, as far as the bounds allow.
    charge: Charge,
    /// The connection was found broken: nothing can be sent.
    is_broken: bool,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Queue({} segments, {} bytes held)", self.segments.len(), self.held)
    }
}

impl Queue {
    pub(super) fn new(memory: &Arc<Pool>) -> Self {
        Self { segments: VecDeque::new(), held: 0, charge: Charge::new(memory), is_broken: false }
    }

    /// Takes everything out.
    pub(super) fn take(&mut self) -> Self {
        let empty = Self::new(self.charge.pool());
        std::mem::replace(self, empty)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    pub(super) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// The connection is broken: what waits will never be sent.
    pub(super) fn give_up(&mut self) {
        self.clear();
        self.is_broken = true;
    }

    /// Whether the last segment is of a file that output is kept in.
    pub(super) fn ends_in_spool(&self) -> bool {
        matches!(self.segments.back(), Some(Segment::File { source: Source::Spooled(_), .. }))
    }

    /// Whether more is held than the bounds allow. What is held and was not charged is charged as soon as that is
    /// possible.
    pub(super) fn is_over(&self) -> bool {
        self.held > OUTPUT_BYTES || !self.charge(self.held)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.segments = VecDeque::new();
        self.held = 0;
        self.charge.set(0);
    }

    /// Queues a copy of `bytes` if the bounds allow it.
    pub(super) fn try_push(&mut self, bytes: &[u8]) -> bool {
        let is_allowed = self.held + bytes.len() <= OUTPUT_BYTES && self.charge(self.held + bytes.len());
        if is_allowed {
            self.push(bytes);
        }
        is_allowed
    }

    /// Queues a copy of `bytes`, whatever the bounds are.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.held += bytes.len();
        for piece in bytes.chunks(PIECE_BYTES) {
            match self.segments.back_mut() {
                Some(Segment::Copied(last, _)) if last.len() + piece.len() <= JOIN_BYTES => {
                    last.extend_from_slice(piece)
                }
                _ => self.segments.push_back(Segment::Copied(piece.to_vec(), 0)),
            }
        }
    }

    /// Takes a range of somebody else's bytes if it holds no more than `most` bytes then, and the bounds of the worker
    /// allow it.
    pub(super) fn try_push_owned(
        &mut self,
        payload: &mut Option<Box<dyn Payload>>,
        range: &Range<usize>,
        most: usize,
    ) -> bool {
        let held = self.held + payload.as_ref().map_or(0, |payload| (**payload).as_ref().len());
        let is_allowed = held <= most && self.charge(held);
        if let Some(payload) = payload.take_if(|_| is_allowed) {
            self.push_owned(payload, range.clone());
        }
        is_allowed
    }

    /// Queues a range of somebody else's bytes, whatever the bounds are.
    pub(super) fn push_owned(&mut self, payload: Box<dyn Payload>, range: Range<usize>) {
        self.held += (*payload).as_ref().len();
        self.segments.push_back(Segment::Owned(payload, range));
    }

    /// Queues `length` bytes of a file from `offset`.
    pub(super) fn push_file(&mut self, source: Source, offset: u64, length: u64) {
        if let Some(Segment::File { source: Source::Spooled(last), offset: start, length: before }) =
            self.segments.back_mut()
            && let Source::Spooled(file) = &source
            && Arc::ptr_eq(last, file)
            && *start + *before == offset
        {
            *before += length;
        } else if length > 0 {
            self.segments.push_back(Segment::File { source, offset, length });
        }
    }

    /// Copies what belongs to somebody else, so that the queue can be sent from a thread which may not touch that.
    pub(super) fn disown(&mut self) {
        let segments = std::mem::take(&mut self.segments);
        self.held = 0;
        for segment in segments {
            if let Segment::File { .. } = &segment {
                self.segments.push_back(segment);
            } else {
                self.push(segment.bytes());
            }
        }
        self.shrink();
    }

    /// Sends once: what one writev(2) or sendfile(2) takes.
    ///
    /// # Errors
    /// The connection is broken, or a file is shorter than was announced (`UnexpectedEof`).
    pub(super) fn step(&mut self, socket: &mut (impl Write + AsFd)) -> io::Result<Step> {
        if self.is_broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let sent = match self.segments.front_mut() {
            None => return Ok(Step::Empty),
            Some(Segment::File { source, offset, length }) => send_from(socket, source, offset, length),
            Some(_) => self.send_memory(socket),
        };
        let sent = match sent {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Step::Blocked),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        self.drop_sent();
        Ok(Step::Sent(sent))
    }

    /// Sends from the segments in memory at the front, once.
    fn send_memory(&mut self, socket: &mut impl Write) -> io::Result<u64> {
        let mut parts = [IoSlice::new(&[]); PARTS];
        let mut count = 0;
        let memory = self.segments.iter().take_while(|segment| !matches!(segment, Segment::File { .. }));
        for (part, segment) in parts.iter_mut().zip(memory) {
            *part = IoSlice::new(segment.bytes());
            count += 1;
        }
        let sent = socket.write_vectored(&parts[..count])?;
        self.advance(sent);
        Ok(sent as u64)
    }

    /// Marks `sent` bytes at the front as sent.
    fn advance(&mut self, mut sent: usize) {
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
        while let Some(first) = self.segments.front().filter(|first| first.is_sent()) {
            self.held -= first.footprint().min(self.held);
            self.segments.pop_front();
        }
        if self.segments.is_empty() {
            self.segments = VecDeque::new();
        }
        self.shrink();
    }

    /// What is not held any more is not charged any more.
    fn shrink(&self) {
        self.charge.set(self.charge.bytes().min(chargeable(self.held)));
    }

    /// Charges for `held` bytes if the bounds allow it.
    fn charge(&self, held: usize) -> bool {
        self.charge.set(chargeable(held))
    }
}

/// What counts of `held` bytes.
fn chargeable(held: usize) -> u64 {
    held.saturating_sub(UNCHARGED_BYTES) as u64
}

/// Sends from a file, once.
fn send_from(socket: &impl AsFd, source: &Source, offset: &mut u64, length: &mut u64) -> io::Result<u64> {
    let sent = send_file(socket.as_fd(), source.as_fd(), *offset, (*length).min(FILE_BYTES))? as u64;
    if sent == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    *offset += sent;
    *length -= sent.min(*length);
    Ok(sent)
}

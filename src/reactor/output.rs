//! What a connection has still to send, and where it waits: in memory, beyond the bounds in a file, and if there can be
//! none, in memory all the same, whereupon the writer has to wait for the client ([`Output::is_full`]).
//!
//! While the flusher sends it, the queue is [a flow's](super::flusher).

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::buffers::{Buffers, SpoolFile};
use super::exchange::Payload;
use super::flusher::Flow;
use super::queue::{JOIN_BYTES, Queue, Source, Step};
use crate::net::Stream;

/// Bytes of a response that wait in memory for the client; beyond, they wait in a file.
pub const OUTPUT_BYTES: usize = 1024 * 1024;

/// As [`OUTPUT_BYTES`], for a part that somebody else owns: it is not made smaller by being copied.
const OWNED_BYTES: usize = 8 * 1024 * 1024;

/// Most bytes that are written to a file at one time.
const PIECE_BYTES: usize = 1024 * 1024;

/// How far sending has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flushed {
    /// Nothing is left.
    All,
    /// The socket takes no more.
    Blocked,
    /// It would take more, but others are to have their turn.
    Enough,
}

/// The output of one connection.
#[derive(Debug)]
pub(super) struct Output {
    /// Empty while there is a flow.
    queue: Queue,
    flow: Option<Flow>,
    /// The file that is added to, as long as there is something to send from it.
    file: Weak<SpoolFile>,
    /// Whether something was queued against the bounds.
    is_forced: bool,
    /// The application uses the socket itself: the flusher must not.
    is_lent: bool,
    buffers: Arc<Buffers>,
}

impl Output {
    pub(super) fn new(buffers: &Arc<Buffers>) -> Self {
        Self {
            queue: Queue::new(&buffers.memory),
            flow: None,
            file: Weak::new(),
            is_forced: false,
            is_lent: false,
            buffers: Arc::clone(buffers),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match &self.flow {
            None => self.queue.is_empty(),
            Some(flow) => flow.with(|queue| queue.is_empty()),
        }
    }

    /// Whether a writer has to wait for the client, since more waits than the bounds allow.
    pub(super) fn is_full(&mut self) -> bool {
        self.disown_if_forked();
        self.is_forced = self.is_forced && self.with(|queue| queue.is_over());
        self.is_forced
    }

    /// Whether the flusher sends it.
    pub(super) fn is_handed_over(&self) -> bool {
        self.flow.is_some()
    }

    /// Whether it can be added to: not so when the flusher has found the connection broken, or the client has
    /// taken nothing of what waits for `limit`, or this is a fork of the process that sends it.
    pub(super) fn is_open(&mut self, limit: Duration) -> bool {
        if self.flow.is_none() {
            return !self.queue.is_broken();
        }
        self.disown_if_forked();
        !self.queue.is_broken() && self.flow.as_ref().is_none_or(|flow| flow.is_alive(limit))
    }

    /// Has the flusher send it from now on; `false`: it cannot.
    pub(super) fn hand_over(&mut self, stream: &Stream) -> bool {
        if self.is_lent {
            return false;
        }
        match self.buffers.flusher.hand_over(stream.as_fd(), self.queue.take()) {
            Ok(flow) => self.flow = Some(flow),
            Err(queue) => self.queue = queue,
        }
        self.flow.is_some()
    }

    /// The application uses the socket itself from now on.
    pub(super) fn lend(&mut self) {
        self.take_back();
        self.is_lent = true;
    }

    /// Takes back from the flusher what it has not sent.
    pub(super) fn take_back(&mut self) {
        self.disown_if_forked();
        if let Some(flow) = self.flow.take() {
            self.queue = flow.take_back();
        }
    }

    /// The exchange has ended.
    pub(super) fn settle(&mut self) {
        self.take_back();
        (self.is_forced, self.is_lent) = (false, false);
    }

    /// In a child of the process that sends it, it is nothing but a broken connection.
    fn disown_if_forked(&mut self) {
        if self.flow.take_if(|flow| !flow.is_ours()).is_some() {
            self.queue.give_up();
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.settle();
        self.queue.clear();
    }

    /// Queues a copy of `bytes`.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() || self.keep_in_memory(|queue| queue.try_push(bytes)) {
            return;
        }
        let kept = self.keep_in_file(bytes);
        if let Some(rest) = bytes.get(kept..).filter(|rest| !rest.is_empty()) {
            self.is_forced = true;
            self.with(|queue| queue.push(rest));
        }
    }

    /// Queues a copy of the parts, without the first `skip` bytes of all of them. Returns how much of `skip` is left.
    pub(super) fn push_rest(&mut self, parts: &[&[u8]], skip: usize) -> usize {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        if length.saturating_sub(skip) <= JOIN_BYTES {
            let mut left = skip;
            let rest = parts.iter().fold(Vec::new(), |mut rest, part| {
                rest.extend_from_slice(part.get(left..).unwrap_or_default());
                left = left.saturating_sub(part.len());
                rest
            });
            self.push(&rest);
            return left;
        }
        let mut left = skip;
        for part in parts {
            self.push(part.get(left..).unwrap_or_default());
            left = left.saturating_sub(part.len());
        }
        left
    }

    /// Queues a range of somebody else's bytes. They are not copied if they may wait in memory.
    pub(super) fn push_owned(&mut self, payload: Box<dyn Payload>, range: Range<usize>) {
        let length = (*payload).as_ref().get(range.clone()).unwrap_or_default().len();
        let mut payload = Some(payload);
        // The flusher may not touch it.
        let is_kept = length == 0
            || self.flow.is_none()
                && self.keep_in_memory(|queue| queue.try_push_owned(&mut payload, &range, OWNED_BYTES));
        let Some(payload) = payload.filter(|_| !is_kept) else { return };
        let bytes = (*payload).as_ref().get(range.clone()).unwrap_or_default();
        if self.flow.is_some() || length <= OUTPUT_BYTES {
            return self.push(bytes);
        }
        let kept = self.keep_in_file(bytes);
        if kept < length {
            self.is_forced = true;
            self.queue.push_owned(payload, range.start + kept..range.end);
        }
    }

    /// Queues `length` bytes of `file` from `offset`.
    pub(super) fn push_file(&mut self, file: File, offset: u64, length: u64) {
        self.with(|queue| queue.push_file(Source::Given(file), offset, length));
    }

    /// Sends until everything is gone, the socket takes no more, or `most` bytes have been sent in this way; these are
    /// added to `moved`. What the flusher has it sends.
    ///
    /// # Errors
    /// The connection is broken, or a file is shorter than was announced (`UnexpectedEof`).
    pub(super) fn flush(&mut self, stream: &mut Stream, moved: &mut u64, most: u64) -> io::Result<Flushed> {
        if self.flow.is_some() {
            return Ok(if self.is_empty() { Flushed::All } else { Flushed::Blocked });
        }
        while *moved < most {
            match self.queue.step(stream)? {
                Step::Empty => return Ok(Flushed::All),
                Step::Sent(bytes) => *moved += bytes,
                Step::Blocked => return Ok(Flushed::Blocked),
            }
        }
        Ok(if self.queue.is_empty() { Flushed::All } else { Flushed::Enough })
    }

    fn with<R>(&mut self, work: impl FnOnce(&mut Queue) -> R) -> R {
        match &self.flow {
            None => work(&mut self.queue),
            Some(flow) => flow.with(work),
        }
    }

    /// Keeps something by `push` unless it is refused. While output goes to a file, what follows does too: files are
    /// few so.
    fn keep_in_memory(&mut self, push: impl FnOnce(&mut Queue) -> bool) -> bool {
        let has_file = self.file.upgrade().is_some_and(|file| !file.is_full());
        self.with(|queue| !(has_file && queue.ends_in_spool()) && push(queue))
    }

    /// Keeps as much of the start of `bytes` as possible in files; says how much. No lock is held for the time of the
    /// writing.
    fn keep_in_file(&mut self, bytes: &[u8]) -> usize {
        let mut kept = 0;
        for piece in bytes.chunks(PIECE_BYTES) {
            let Some((file, offset)) = self.buffers.append(&mut self.file, piece) else { break };
            self.with(|queue| queue.push_file(Source::Spooled(file), offset, piece.len() as u64));
            kept += piece.len();
        }
        kept
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::reactor::ReactorConfig;
    use crate::sys::writable::wait_writable;

    const LIMIT: Duration = Duration::from_secs(10);

    fn output(config: ReactorConfig) -> (Arc<Buffers>, Output) {
        let buffers = Buffers::new(&config);
        let output = Output::new(&buffers);
        (buffers, output)
    }

    fn unbounded() -> ReactorConfig {
        ReactorConfig { buffer_memory: u64::MAX, buffer_disk: u64::MAX, ..ReactorConfig::default() }
    }

    fn pair() -> (Stream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Stream::Unix(mio::net::UnixStream::from_std(ours)), theirs)
    }

    fn sent(output: &mut Output) -> io::Result<String> {
        let (mut ours, mut theirs) = pair();
        assert_eq!(output.flush(&mut ours, &mut 0, u64::MAX)?, Flushed::All);
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
        let (buffers, mut output) = output(unbounded());
        output.push(b"a");
        output.push(b"b");
        output.push_owned(Box::new(*b"xxcdxx"), 2..4);
        output.push_file(file(b"__ef__"), 2, 2);
        output.push(b"g");
        assert_eq!(sent(&mut output).unwrap(), "abcdefg");
        assert!(output.is_empty());
        assert_eq!(buffers.memory.used(), 0);
    }

    #[test]
    fn a_file_that_is_too_short_is_an_error() {
        let (_, mut output) = output(unbounded());
        output.push_file(file(b"abc"), 1, 3);
        assert_eq!(sent(&mut output).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    /// Reads everything on a thread.
    fn reader(mut theirs: UnixStream) -> std::thread::JoinHandle<Vec<u8>> {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            theirs.read_to_end(&mut bytes).unwrap();
            bytes
        })
    }

    fn flush(output: &mut Output, ours: &mut Stream) {
        while output.flush(ours, &mut 0, u64::MAX).unwrap() != Flushed::All {
            wait_writable(ours.as_fd(), LIMIT).unwrap();
        }
    }

    /// Bytes of which each place is different from those near it.
    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|place| (place % 251) as u8).collect()
    }

    #[test]
    fn what_does_not_fit_waits_in_a_file() {
        let (buffers, mut output) = output(unbounded());
        let (mut ours, theirs) = pair();
        let bytes = pattern(4 * 1024 * 1024 + 5);
        bytes.chunks(300_000).for_each(|part| output.push(part));
        assert!(buffers.memory.used() <= OUTPUT_BYTES as u64);
        assert_eq!(buffers.memory.used() + 4096 + buffers.disk.used(), bytes.len() as u64);
        assert!(!output.is_full());
        let mut moved = 0;
        assert_eq!(output.flush(&mut ours, &mut moved, u64::MAX).unwrap(), Flushed::Blocked);
        assert!(moved > 0);
        let reader = reader(theirs);
        flush(&mut output, &mut ours);
        output.settle();
        assert_eq!((buffers.memory.used(), buffers.disk.used()), (0, 0));
        drop(ours);
        assert!(reader.join().unwrap() == bytes);
    }

    #[test]
    fn what_follows_a_file_waits_in_that() {
        let (buffers, mut output) = output(unbounded());
        let (mut ours, theirs) = pair();
        output.push(&pattern(OUTPUT_BYTES));
        let reader = reader(theirs);
        (0..100).for_each(|_| output.push(b"abc"));
        assert_eq!(buffers.disk.used(), 300);
        flush(&mut output, &mut ours);
        // There is room in memory again.
        output.push(b"def");
        flush(&mut output, &mut ours);
        assert_eq!(buffers.disk.used(), 0);
        drop(ours);
        assert!(reader.join().unwrap()[OUTPUT_BYTES..] == *("abc".repeat(100) + "def").as_bytes());
    }

    #[test]
    fn what_somebody_owns_counts_until_all_of_it_is_sent() {
        let (buffers, mut output) = output(unbounded());
        let (mut ours, mut theirs) = pair();
        output.push_owned(Box::new(pattern(1_000_000)), 900_000..1_000_000);
        assert_eq!(buffers.memory.used(), 1_000_000 - 4096);
        let _ = output.flush(&mut ours, &mut 0, u64::MAX).unwrap();
        theirs.set_nonblocking(true).unwrap();
        while !output.is_empty() {
            assert_eq!(buffers.memory.used(), 1_000_000 - 4096);
            let _ = theirs.read(&mut [0; 10_000]);
            output.flush(&mut ours, &mut 0, u64::MAX).unwrap();
        }
        assert_eq!(buffers.memory.used(), 0);
    }

    #[test]
    fn what_somebody_owns_is_copied_when_it_is_long_or_memory_is_short() {
        let (buffers, mut output) = output(ReactorConfig { buffer_memory: 3_000_000, ..unbounded() });
        output.push_owned(Box::new(pattern(OWNED_BYTES + 10)), 10..OWNED_BYTES + 10);
        assert_eq!((buffers.memory.used(), buffers.disk.used()), (0, OWNED_BYTES as u64));
        output.clear();
        output.push_owned(Box::new(pattern(2_000_000)), 0..2_000_000);
        output.push_owned(Box::new(pattern(2_000_000)), 0..2_000_000);
        assert_eq!((buffers.memory.used(), buffers.disk.used()), (2_000_000 - 4096, 2_000_000));
        output.clear();
        assert_eq!((buffers.memory.used(), buffers.disk.used()), (0, 0));
    }

    #[test]
    fn beyond_all_bounds_it_is_full_until_enough_is_sent() {
        for config in [
            ReactorConfig { buffer_memory: 100_000, buffer_disk: 3_000_000, ..ReactorConfig::default() },
            ReactorConfig { buffer_memory: 0, buffer_disk: 0, ..ReactorConfig::default() },
            ReactorConfig { temp_dir: "/nowhere".into(), ..ReactorConfig::default() },
        ] {
            let disk = config.buffer_disk;
            let (buffers, mut output) = output(config);
            let (mut ours, theirs) = pair();
            let bytes = pattern(4_000_000);
            output.push(&bytes[..2_000_000]);
            output.push_owned(Box::new(bytes.clone()), 2_000_000..4_000_000);
            assert!(output.is_full() && buffers.disk.used() <= disk);
            let reader = reader(theirs);
            while output.is_full() {
                wait_writable(ours.as_fd(), LIMIT).unwrap();
                output.flush(&mut ours, &mut 0, u64::MAX).unwrap();
            }
            flush(&mut output, &mut ours);
            drop(ours);
            assert!(reader.join().unwrap() == bytes);
            output.settle();
            assert_eq!((buffers.memory.used(), buffers.disk.used()), (0, 0));
        }
    }

    #[test]
    fn a_few_bytes_cost_nothing() {
        let (buffers, mut output) = output(ReactorConfig { buffer_memory: 0, buffer_disk: 0, ..unbounded() });
        output.push(b"HTTP/1.1 408 Request Timeout\r\n\r\n");
        assert!(!output.is_full());
        assert_eq!(buffers.memory.used(), 0);
    }

    /// An output of which the start waits, with the flusher.
    fn handed_over(config: ReactorConfig, bytes: &[u8]) -> (Arc<Buffers>, Output, Stream, UnixStream) {
        let (buffers, mut output) = output(config);
        let (mut ours, theirs) = pair();
        output.push(bytes);
        assert_eq!(output.flush(&mut ours, &mut 0, u64::MAX).unwrap(), Flushed::Blocked);
        assert!(output.hand_over(&ours));
        (buffers, output, ours, theirs)
    }

    #[test]
    fn the_flusher_sends_what_it_is_given_and_what_is_added() {
        let bytes = pattern(9_000_000);
        let (buffers, mut output, ours, mut theirs) = handed_over(unbounded(), &bytes[..900_000]);
        bytes[900_000..].chunks(100_000).for_each(|part| output.push(part));
        let mut start = vec![0; 9_000_000];
        theirs.read_exact(&mut start).unwrap();
        assert!(start == bytes);
        // It is added to an empty queue: nobody but the flusher sends it.
        for round in 0..100 {
            output.push_owned(Box::new([round; 3]), 0..2);
            let mut end = [0; 2];
            theirs.read_exact(&mut end).unwrap();
            assert_eq!(end, [round; 2]);
        }
        assert!(output.is_open(LIMIT));
        output.settle();
        assert_eq!((buffers.memory.used(), buffers.disk.used()), (0, 0));
        drop(ours);
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn what_is_taken_back_is_what_is_not_sent() {
        let bytes = pattern(3_000_000);
        for pause in 0..40 {
            let (_, mut output, mut ours, theirs) = handed_over(unbounded(), &bytes);
            let reader = reader(theirs);
            (0..pause * 10).for_each(|_| std::thread::yield_now());
            output.take_back();
            assert!(!output.is_handed_over());
            flush(&mut output, &mut ours);
            drop(ours);
            assert!(reader.join().unwrap() == bytes);
        }
    }

    #[test]
    fn a_client_that_vanishes_is_told_by_the_flusher_and_costs_nothing_more() {
        let (buffers, mut output, mut ours, theirs) = handed_over(unbounded(), &pattern(3_000_000));
        drop(theirs);
        let end = std::time::Instant::now() + LIMIT;
        while output.is_open(LIMIT) {
            assert!(std::time::Instant::now() < end);
            std::thread::yield_now();
        }
        assert_eq!(buffers.memory.used(), 0);
        output.take_back();
        assert!(!output.is_open(LIMIT));
        assert!(output.flush(&mut ours, &mut 0, u64::MAX).is_err());
        output.settle();
        assert_eq!(buffers.disk.used(), 0);
    }

    #[test]
    fn a_client_that_takes_nothing_is_not_waited_for_for_ever() {
        let (_, mut output, _ours, _theirs) = handed_over(unbounded(), &pattern(3_000_000));
        assert!(output.is_open(LIMIT));
        std::thread::sleep(Duration::from_millis(10));
        assert!(!output.is_open(Duration::from_millis(5)));
    }

    #[test]
    fn a_flow_that_is_dropped_is_forgotten() {
        let (buffers, output, ours, mut theirs) = handed_over(unbounded(), &pattern(3_000_000));
        drop(output);
        drop(ours);
        // The flusher has no descriptor of it any more.
        let mut rest = Vec::new();
        theirs.read_to_end(&mut rest).unwrap();
        assert!(rest.len() < 3_000_000);
        assert_eq!((buffers.memory.used(), buffers.disk.used()), (0, 0));
    }

    #[test]
    fn a_lent_socket_is_not_handed_over() {
        let (_, mut output) = output(unbounded());
        let (ours, _theirs) = pair();
        output.push(b"abc");
        output.lend();
        assert!(!output.hand_over(&ours));
        output.settle();
        assert!(output.hand_over(&ours));
    }
}

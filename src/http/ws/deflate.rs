//! The two contexts of permessage-deflate (RFC 7692, section 7.2): allocated when first needed, dropped after each
//! message where no context takeover was agreed upon.
//!
//! zlib-rs itself, not flate2 above it, since only it lets the memory of a compressor be chosen.

use std::fmt;

use zlib_rs::{Deflate as Compression, DeflateConfig, DeflateFlush, Inflate, InflateFlush, Status};

use super::error::WsError;
use super::negotiation::Deflate;

/// What ends a flush: the length of an empty block without compression, and its complement. It is not sent (7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Effort, 1 to 9: at zlib's default, 6, JSON and prose become a hundredth smaller for a tenth more of the time; at 1
/// it takes a third, and prose becomes a third larger.
const LEVEL: i32 = 4;

/// zlib's measure for the buffers besides the window, 1 to 9: at 5 they take 14 KiB, and messages are short.
const MEMORY_LEVEL: i32 = 5;

/// Room given to an output at once, in bytes.
const STEPS: std::ops::RangeInclusive<usize> = 256..=65536;

/// Compresses what is sent.
pub(super) struct Deflater {
    context: Option<Box<Compression>>,
    window_bits: u8,
    takeover: bool,
}

impl Deflater {
    pub(super) fn new(agreed: Deflate) -> Self {
        Self { context: None, window_bits: agreed.window_bits, takeover: agreed.server_takeover }
    }

    /// The payload of a message, compressed; `None` if it cannot be (the library says it never fails here).
    pub(super) fn message(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let window_bits = self.window_bits;
        let context = self.context.get_or_insert_with(|| Box::new(new_compression(window_bits)));
        let compressed = compress(context, payload);
        // After a failure the client knows less than the context.
        if !self.takeover || compressed.is_none() {
            self.context = None;
        }
        compressed
    }

    /// Drops the context. The next message refers to none before it, which the client need not know.
    pub(super) fn forget(&mut self) {
        self.context = None;
    }
}

/// A raw stream: a negative number of window bits is zlib's sign for that.
fn new_compression(window_bits: u8) -> Compression {
    Compression::new_with_config(DeflateConfig {
        level: LEVEL,
        window_bits: -i32::from(window_bits),
        mem_level: MEMORY_LEVEL,
        ..DeflateConfig::default()
    })
}

fn compress(context: &mut Compression, mut payload: &[u8]) -> Option<Vec<u8>> {
    let mut compressed = Vec::new();
    loop {
        let start = compressed.len();
        let room = (payload.len() / 2).clamp(*STEPS.start(), *STEPS.end());
        compressed.resize(start + room, 0);
        let (read, written) = (context.total_in(), context.total_out());
        context.compress(payload, &mut compressed[start..], DeflateFlush::SyncFlush).ok()?;
        let written = difference(context.total_out(), written);
        payload = payload.get(difference(context.total_in(), read)..)?;
        compressed.truncate(start + written);
        // zlib's manual: all is flushed once there is room left.
        if payload.is_empty() && written < room {
            break;
        }
    }
    compressed.truncate(compressed.strip_suffix(&TAIL)?.len());
    Some(compressed)
}

/// Decompresses what is received.
pub(super) struct Inflater {
    context: Option<Box<Inflate>>,
    takeover: bool,
}

impl Inflater {
    pub(super) fn new(agreed: Deflate) -> Self {
        Self { context: None, takeover: agreed.client_takeover }
    }

    /// Appends what the next bytes of a message are decompressed to. `out` never holds more than `limit` bytes and one;
    /// what was appended before an error is good.
    pub(super) fn inflate(&mut self, input: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), WsError> {
        // The largest window, since a smaller one takes no less memory.
        let context = self.context.get_or_insert_with(|| Box::new(Inflate::new(false, 15)));
        decompress(context, input, out, limit)
    }

    /// The message has ended. One of no bytes at all, which some senders make of an empty one, has touched nothing.
    pub(super) fn finish(&mut self, is_empty: bool, out: &mut Vec<u8>, limit: usize) -> Result<(), WsError> {
        if !is_empty {
            self.inflate(&TAIL, out, limit)?;
        }
        if !self.takeover {
            self.context = None;
        }
        Ok(())
    }
}

fn decompress(context: &mut Inflate, mut input: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), WsError> {
    let mut filled = out.len();
    let result = loop {
        if filled == out.len() {
            // The one byte beyond the limit tells a message that is too long from one that is not.
            let bound = limit.saturating_add(1);
            let room = (input.len() * 4).clamp(*STEPS.start(), *STEPS.end()).min(bound.saturating_sub(filled));
            grow(out, room, bound);
            out.resize(filled + room, 0);
        }
        let (read, written) = (context.total_in(), context.total_out());
        let status = context.decompress(input, out.get_mut(filled..).unwrap_or_default(), InflateFlush::SyncFlush);
        input = input.get(difference(context.total_in(), read)..).unwrap_or_default();
        filled += difference(context.total_out(), written);
        if filled > limit {
            break Err(WsError::MessageTooLong);
        }
        match status {
            // Section 7.2.3.4: a final block ends the stream, not the message.
            Ok(Status::StreamEnd) => {
                context.reset(false);
                if input.is_empty() {
                    break Ok(());
                }
            }
            // There may be more where there was no room.
            Ok(Status::Ok | Status::BufError) if filled == out.len() => {}
            Ok(Status::Ok | Status::BufError) => break Ok(()),
            Err(_) => break Err(WsError::Deflate),
        }
    };
    out.truncate(filled);
    result
}

/// Makes room for `more` bytes: by doubling, so that little is copied, but not beyond `bound`, if they fit there.
pub(super) fn grow(bytes: &mut Vec<u8>, more: usize, bound: usize) {
    if bytes.len() + more > bytes.capacity() {
        bytes.reserve_exact(grown(bytes, more, bound) - bytes.len());
    }
}

/// The capacity that makes room for so many bytes.
pub(super) fn grown(bytes: &Vec<u8>, more: usize, bound: usize) -> usize {
    (bytes.capacity() * 2).min(bound).max(bytes.len() + more)
}

/// How far a counter has gone.
fn difference(now: u64, before: u64) -> usize {
    usize::try_from(now - before).unwrap_or(usize::MAX)
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").field("has_context", &self.context.is_some()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("has_context", &self.context.is_some()).finish_non_exhaustive()
    }
}

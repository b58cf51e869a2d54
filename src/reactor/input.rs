//! What a connection has received and nobody has consumed yet.
//!
//! One message at a time lies in the buffer: its head, which stays until the response is done, then bytes of its body,
//! which leave as they are decoded, then whatever the client sent ahead (pipelining).

use std::io::{self, Read};
use std::sync::Arc;

use super::budget::{Charge, Pool};

/// Bytes of a fresh buffer: a usual head, and a form with it, in one read.
const INITIAL_BYTES: usize = 16 * 1024;

/// The longest head that can be received, in bytes, whatever the settings allow.
pub const MAX_BYTES: usize = 1024 * 1024;

/// Bytes that a buffer never exceeds: such a head, and room for what follows it.
const LARGEST: usize = MAX_BYTES + INITIAL_BYTES;

/// Room that is made for a read, in bytes, where it can be: a head that nearly fills the buffer must not have the body
/// behind it read byte by byte.
const ROOM: usize = INITIAL_BYTES / 4;

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    /// Bytes, and the socket had more to give, perhaps.
    Some,
    /// Bytes, all that the socket had (a short read, epoll(7)).
    Drained,
    /// Nothing for now.
    Blocked,
    /// The client has ended its side.
    End,
    /// No room: the head is longer than the buffer may become.
    Full,
    /// No room: the worker's bound is reached.
    Refused,
}

/// The receive buffer. `bytes` is always initialised in full, so that it can be handed to read(2).
#[derive(Debug)]
pub(super) struct Input {
    bytes: Vec<u8>,
    /// First byte of the message.
    start: usize,
    /// First byte that is not part of the accepted head (equals `start` before that).
    cursor: usize,
    /// One past the last byte received.
    end: usize,
    /// For what is beyond a fresh buffer.
    charge: Charge,
}

impl Input {
    pub(super) fn new(memory: &Arc<Pool>) -> Self {
        Self { bytes: vec![0; INITIAL_BYTES], start: 0, cursor: 0, end: 0, charge: Charge::new(memory) }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        (self.start, self.cursor, self.end) = (0, 0, 0);
    }

    /// Whether the buffer has not grown, so that it may be kept for another connection.
    pub(super) fn is_small(&self) -> bool {
        self.bytes.len() == INITIAL_BYTES
    }

    /// The message's head once it is accepted, empty before.
    pub(super) fn head(&self) -> &[u8] {
        &self.bytes[self.start..self.cursor]
    }

    /// Received and not consumed.
    pub(super) fn pending(&self) -> &[u8] {
        &self.bytes[self.cursor..self.end]
    }

    /// Received and not consumed, to be decoded in place.
    pub(super) fn pending_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.cursor..self.end]
    }

    /// The first `length` pending bytes are the head: they stay, and what follows is pending.
    pub(super) fn accept_head(&mut self, length: usize) {
        self.cursor = (self.start + length).min(self.end);
    }

    /// Drops the first `length` pending bytes; the head stays where it is.
    pub(super) fn discard(&mut self, length: usize) {
        let from = (self.cursor + length).min(self.end);
        self.bytes.copy_within(from..self.end, self.cursor);
        self.end -= from - self.cursor;
    }

    /// The message is done with: what is pending begins the next one.
    pub(super) fn next_message(&mut self) {
        self.start = self.cursor;
        if self.start == self.end {
            self.clear();
        }
    }

    /// Reads once into the free room.
    pub(super) fn fill(&mut self, stream: &mut impl Read) -> io::Result<Fill> {
        if self.bytes.len() - self.end < ROOM
            && let Some(refusal) = self.make_room()
            && self.end == self.bytes.len()
        {
            return Ok(refusal);
        }
        let room = &mut self.bytes[self.end..];
        match stream.read(room) {
            Ok(0) => Ok(Fill::End),
            Ok(length) => {
                let drained = length < room.len();
                self.end += length;
                Ok(if drained { Fill::Drained } else { Fill::Some })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Fill::Blocked),
            Err(error) => Err(error),
        }
    }

    /// Makes room by moving the message to the front, or by growing. Gives the reason why there is none.
    fn make_room(&mut self) -> Option<Fill> {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.cursor -= self.start;
            self.start = 0;
            return None;
        }
        let grown = (self.bytes.len() * 2).min(LARGEST);
        if grown == self.bytes.len() {
            return Some(Fill::Full);
        }
        if !self.charge.set((grown - INITIAL_BYTES) as u64) {
            return Some(Fill::Refused);
        }
        self.bytes.resize(grown, 0);
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn input() -> Input {
        Input::new(&Pool::new(MAX_BYTES as u64))
    }

    fn filled(mut text: &[u8]) -> Input {
        let mut input = input();
        assert_eq!(input.fill(&mut text).unwrap(), Fill::Drained);
        input
    }

    #[test]
    fn the_head_stays_while_the_body_is_consumed() {
        let mut input = filled(b"HEADbodyNEXT");
        input.accept_head(4);
        assert_eq!(input.pending(), b"bodyNEXT");
        input.discard(4);
        assert_eq!((input.head(), input.pending()), (&b"HEAD"[..], &b"NEXT"[..]));
        input.next_message();
        assert_eq!((input.head(), input.pending()), (&b""[..], &b"NEXT"[..]));
    }

    #[test]
    fn pipelined_bytes_move_to_the_front_when_room_is_needed() {
        let mut input = input();
        input.fill(&mut &vec![b'a'; INITIAL_BYTES][..]).unwrap();
        input.accept_head(INITIAL_BYTES - 2);
        input.next_message();
        assert_eq!(input.fill(&mut &b"bc"[..]).unwrap(), Fill::Drained);
        assert_eq!(input.pending(), b"aabc");
        assert!(input.is_small());
    }

    #[test]
    fn a_body_behind_a_head_that_fills_the_buffer_is_read_in_large_pieces() {
        for length in INITIAL_BYTES - 3..=INITIAL_BYTES {
            let mut input = input();
            while input.pending().len() < length {
                let left = length - input.pending().len();
                input.fill(&mut io::repeat(b'h').take(left as u64)).unwrap();
            }
            input.accept_head(length);
            for _ in 0..3 {
                assert_eq!(input.fill(&mut io::repeat(b'b')).unwrap(), Fill::Some);
                assert!(input.pending().len() >= ROOM, "{length}: {}", input.pending().len());
                input.discard(input.pending().len());
            }
        }
    }

    #[test]
    fn it_grows_up_to_its_bound() {
        let mut input = input();
        let mut endless = io::repeat(b'x');
        while input.fill(&mut endless).unwrap() != Fill::Full {}
        assert_eq!(input.pending().len(), LARGEST);
        assert!(!input.is_small());
    }

    #[test]
    fn its_growth_is_charged() {
        let memory = Pool::new(100_000);
        let mut input = Input::new(&memory);
        assert_eq!(memory.used(), 0);
        let mut endless = io::repeat(b'x');
        while input.fill(&mut endless).unwrap() != Fill::Refused {}
        assert_eq!((input.pending().len(), memory.used()), (4 * INITIAL_BYTES, 3 * INITIAL_BYTES as u64));
        drop(input);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn the_end_is_told() {
        assert_eq!(input().fill(&mut &b""[..]).unwrap(), Fill::End);
    }
}

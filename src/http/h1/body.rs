//! The body of a request: takes it out of its framing (RFC 9112, sections 6 and 7).

use std::ops::Range;

use super::chunk::{SizeLine, Step};
use super::trailers::Trailers;
use crate::http::{Framing, ProtocolError, Rule};

/// Most bytes of chunk extensions in one body. Nobody reads them, so they serve only to keep a server busy.
const EXTENSION_BYTES: usize = 16 * 1024;

/// What a call of [`BodyDecoder::decode`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes of the input that are dealt with. What follows them is for the next call, or the next message.
    pub consumed: usize,
    /// Where in the input body bytes lie; to be used before the next call.
    pub data: Range<usize>,
    /// Whether the body is complete.
    pub done: bool,
}

/// Where in the body the decoder is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// So many bytes are still to come.
    Length(u64),
    /// In the line before a chunk.
    Size(SizeLine),
    /// At the LF of that line.
    SizeLf(u64),
    /// So many bytes of the chunk are still to come; not 0.
    Chunk(u64),
    /// At the CR after a chunk.
    ChunkCr,
    /// At the LF after a chunk.
    ChunkLf,
    /// After the last chunk.
    Trailers(Trailers),
    Done,
}

/// Takes one body out of its framing. The end of the body must be seen: input that stops before `done` is a message
/// that is not complete (RFC 9112, section 8), whatever has been decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyDecoder {
    state: State,
    /// Body bytes that may still come.
    room: u64,
    /// Bytes of chunk extensions that may still come.
    extensions: usize,
}

impl BodyDecoder {
    /// A decoder for a body of any length.
    pub fn new(framing: Framing) -> Self {
        Self::with_limit(framing, None)
    }

    /// A decoder for a body of at most `limit` bytes.
    pub fn with_limit(framing: Framing, limit: Option<u64>) -> Self {
        let state = match framing {
            Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size(SizeLine::START),
        };
        Self { state, room: limit.unwrap_or(u64::MAX), extensions: EXTENSION_BYTES }
    }

    /// Whether the body is complete. True from the start when there is none.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Decodes what `input` holds of the body. The data of several chunks are moved together, within the input, behind
    /// the first of them.
    ///
    /// # Errors
    /// The rule that the framing breaks; then the data found in this call are void, and so is all that follows.
    pub fn decode(&mut self, input: &mut [u8]) -> Result<Decoded, ProtocolError> {
        let mut at = 0;
        let mut data = 0..0;
        while at < input.len() && !self.is_done() {
            at += match self.state {
                State::Length(left) | State::Chunk(left) => self.take(input, at, left, &mut data)?,
                _ => self.step(input.get(at..).unwrap_or_default())?,
            };
        }
        Ok(Decoded { consumed: at, data, done: self.is_done() })
    }

    /// Takes body bytes, of which `left` are announced, from `input` at `at`, and moves them to the end of `data`.
    fn take(
        &mut self,
        input: &mut [u8],
        at: usize,
        left: u64,
        data: &mut Range<usize>,
    ) -> Result<usize, ProtocolError> {
        let available = input.len() - at;
        let length = usize::try_from(left).map_or(available, |left| left.min(available));
        self.room = self.room.checked_sub(length as u64).ok_or_else(|| ProtocolError::new(Rule::BodyTooLong, b""))?;
        if data.start == data.end {
            *data = at..at + length;
        } else {
            input.copy_within(at..at + length, data.end);
            data.end += length;
        }
        let left = left - length as u64;
        self.state = match self.state {
            State::Length(_) if left == 0 => State::Done,
            State::Length(_) => State::Length(left),
            _ if left == 0 => State::ChunkCr,
            _ => State::Chunk(left),
        };
        Ok(length)
    }

    /// Reads framing from `rest`, which is not empty. Returns how many bytes that were.
    fn step(&mut self, rest: &[u8]) -> Result<usize, ProtocolError> {
        let byte = rest.first().copied().unwrap_or_default();
        match &mut self.state {
            State::Size(line) => match line.step(byte)? {
                Step::More => {}
                Step::Extension => self.extensions = spend(self.extensions)?,
                Step::End => self.state = State::SizeLf(line.size),
            },
            State::SizeLf(size) => {
                let size = *size;
                expect(byte, b'\n', Rule::ChunkSize)?;
                self.state = self.chunk(size)?;
            }
            State::ChunkCr => {
                expect(byte, b'\r', Rule::ChunkEnd)?;
                self.state = State::ChunkLf;
            }
            State::ChunkLf => {
                expect(byte, b'\n', Rule::ChunkEnd)?;
                self.state = State::Size(SizeLine::START);
            }
            State::Trailers(trailers) => {
                let (consumed, done) = trailers.read(rest)?;
                if done {
                    self.state = State::Done;
                }
                return Ok(consumed);
            }
            State::Length(_) | State::Chunk(_) | State::Done => return Ok(0),
        }
        Ok(1)
    }

    /// The state at the start of a chunk of `size` bytes; a size beyond the bound is refused before its data are read.
    fn chunk(&self, size: u64) -> Result<State, ProtocolError> {
        match size {
            0 => Ok(State::Trailers(Trailers::default())),
            _ if size > self.room => Err(ProtocolError::new(Rule::BodyTooLong, b"")),
            _ => Ok(State::Chunk(size)),
        }
    }
}

/// One byte less to spend on chunk extensions.
fn spend(left: usize) -> Result<usize, ProtocolError> {
    left.checked_sub(1).ok_or_else(|| ProtocolError::new(Rule::ChunkExtensionsTooLong, b""))
}

/// RFC 9112, section 2.2: lines of the framing end in CRLF; a lone CR or LF is not taken for it.
fn expect(byte: u8, wanted: u8, rule: Rule) -> Result<(), ProtocolError> {
    if byte == wanted { Ok(()) } else { Err(ProtocolError::new(rule, &[byte])) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn decode(framing: Framing, limit: Option<u64>, input: &str) -> Result<(String, usize, bool), Rule> {
        let mut bytes = input.as_bytes().to_vec();
        let decoded = BodyDecoder::with_limit(framing, limit).decode(&mut bytes).map_err(|error| error.kind())?;
        Ok((String::from_utf8(bytes[decoded.data].to_vec()).unwrap(), decoded.consumed, decoded.done))
    }

    #[test]
    fn a_body_of_known_length_is_taken_where_it_lies() {
        assert_eq!(decode(Framing::Length(5), None, "helloGET"), Ok(("hello".to_owned(), 5, true)));
        assert_eq!(decode(Framing::Length(9), None, "hello"), Ok(("hello".to_owned(), 5, false)));
        assert_eq!(decode(Framing::Length(0), None, "GET"), Ok((String::new(), 0, true)));
    }

    #[test]
    fn chunks_are_moved_together() {
        let input = "3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: u\r\n\r\nGET";
        assert_eq!(decode(Framing::Chunked, None, input), Ok(("abcde".to_owned(), input.len() - 3, true)));
        assert_eq!(decode(Framing::Chunked, None, "3\r\nab"), Ok(("ab".to_owned(), 5, false)));
    }

    #[test]
    fn a_body_beyond_its_bound_is_refused_before_its_data_are_read() {
        assert_eq!(decode(Framing::Chunked, Some(4), "5\r\n"), Err(Rule::BodyTooLong));
        assert_eq!(decode(Framing::Chunked, Some(4), "4\r\nabcd\r\n1\r\n"), Err(Rule::BodyTooLong));
        assert_eq!(decode(Framing::Chunked, Some(4), "4\r\nabcd\r\n0\r\n\r\n").unwrap().0, "abcd");
        assert_eq!(decode(Framing::Length(5), Some(4), "hello"), Err(Rule::BodyTooLong));
    }

    #[test]
    fn extensions_are_bounded_over_the_whole_body() {
        let line = format!("1;{}\r\nx\r\n", "e".repeat(1023));
        let most = line.repeat(EXTENSION_BYTES / 1024);
        assert_eq!(decode(Framing::Chunked, None, &most).unwrap().0.len(), EXTENSION_BYTES / 1024);
        assert_eq!(decode(Framing::Chunked, None, &format!("{most}1;e")), Err(Rule::ChunkExtensionsTooLong));
    }

    #[test]
    fn trailers_are_bounded() {
        let trailers = |length: usize| format!("0\r\nX: {}\r\n\r\n", "y".repeat(length));
        let room = 8 * 1024 - "X: \r\n\r\n".len();
        assert!(decode(Framing::Chunked, None, &trailers(room)).unwrap().2);
        assert_eq!(decode(Framing::Chunked, None, &trailers(room + 1)), Err(Rule::TrailersTooLong));
        assert_eq!(decode(Framing::Chunked, None, &format!("0\r\n{}", "y".repeat(8192))), Err(Rule::TrailersTooLong));
    }
}

//! The line before each chunk: its size and its extensions, a byte at a time.
//!
//! ```text
//!   chunk-size [ *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ) ] CRLF     RFC 9112, section 7.1
//!
//!   Size --digit--> Size           Before --";"--> NameStart --tchar--> Name --BWS--> NameEnd
//!   Size --BWS/";"--> extension    Name/NameEnd --"="--> ValueStart --tchar--> Value | --DQUOTE--> Quoted --> ValueEnd
//! ```

use crate::http::syntax::{is_quoted_byte, is_token_byte, is_value_byte};
use crate::http::{ProtocolError, Rule};

/// Most hexadecimal digits of a size: 64 bits. So no size overflows, and zeros cannot go on for ever.
const SIZE_DIGITS: u8 = 16;

/// What a byte of the line led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The line goes on.
    More,
    /// The line goes on, with a byte of an extension, which counts against their bound.
    Extension,
    /// The line is over up to its LF, which must come next.
    End,
}

/// Where in the line the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Size,
    Before,
    NameStart,
    Name,
    NameEnd,
    ValueStart,
    Value,
    Quoted,
    QuotedPair,
    ValueEnd,
}

/// A chunk-size line that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SizeLine {
    place: Place,
    digits: u8,
    /// Bytes in the chunk, as far as its digits have been read.
    pub(super) size: u64,
}

impl SizeLine {
    /// A line of which nothing has been read.
    pub(super) const START: Self = Self { place: Place::Size, digits: 0, size: 0 };

    /// Reads one byte.
    pub(super) fn step(&mut self, byte: u8) -> Result<Step, ProtocolError> {
        if self.place == Place::Size {
            return self.step_size(byte);
        }
        if byte == b'\r' && matches!(self.place, Place::Name | Place::Value | Place::ValueEnd) {
            return Ok(Step::End);
        }
        self.place = self.place.after(byte).ok_or_else(|| ProtocolError::new(Rule::ChunkExtension, &[byte]))?;
        Ok(Step::Extension)
    }

    /// Reads a byte of the size. No sign, no `0x`, no white space before it, and after it only before an extension.
    fn step_size(&mut self, byte: u8) -> Result<Step, ProtocolError> {
        let digit = char::from(byte).to_digit(16);
        match (digit, byte) {
            (Some(digit), _) if self.digits < SIZE_DIGITS => {
                self.size = self.size << 4 | u64::from(digit);
                self.digits += 1;
                Ok(Step::More)
            }
            (None, b'\r') if self.digits > 0 => Ok(Step::End),
            (None, b';') if self.digits > 0 => self.enter(Place::NameStart),
            (None, b' ' | b'\t') if self.digits > 0 => self.enter(Place::Before),
            _ => Err(ProtocolError::new(Rule::ChunkSize, &[byte])),
        }
    }

    fn enter(&mut self, place: Place) -> Result<Step, ProtocolError> {
        self.place = place;
        Ok(Step::Extension)
    }
}

impl Place {
    /// The place after `byte` of an extension; `None`: the byte cannot stand here.
    fn after(self, byte: u8) -> Option<Self> {
        let is_space = matches!(byte, b' ' | b'\t');
        match self {
            Self::Before | Self::ValueEnd if is_space => Some(Self::Before),
            Self::NameStart | Self::ValueStart if is_space => Some(self),
            Self::Name | Self::NameEnd if is_space => Some(Self::NameEnd),
            Self::Value if is_space => Some(Self::Before),
            Self::Before | Self::Name | Self::NameEnd | Self::Value | Self::ValueEnd if byte == b';' => {
                Some(Self::NameStart)
            }
            Self::NameStart | Self::Name if is_token_byte(byte) => Some(Self::Name),
            Self::Name | Self::NameEnd if byte == b'=' => Some(Self::ValueStart),
            Self::ValueStart | Self::Value if is_token_byte(byte) => Some(Self::Value),
            Self::ValueStart if byte == b'"' => Some(Self::Quoted),
            Self::Quoted if byte == b'"' => Some(Self::ValueEnd),
            Self::Quoted if byte == b'\\' => Some(Self::QuotedPair),
            Self::Quoted if is_quoted_byte(byte) => Some(Self::Quoted),
            Self::QuotedPair if is_value_byte(byte) => Some(Self::Quoted),
            _ => None,
        }
    }
}

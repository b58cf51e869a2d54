//! The trailer section of a chunked body (RFC 9112, section 7.1.2): read to its end, bounded, judged line by line.
//!
//! Its fields are not kept, since neither WSGI nor ASGI has a place for them; a line is, while it arrives in parts.

use super::lines::{LineFault, LineScanner};
use crate::http::{ProtocolError, Rule, policy};

/// Longest trailer section, in bytes.
const SECTION_BYTES: usize = 8 * 1024;

/// A trailer section that is being read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Trailers {
    lines: LineScanner,
    section: Vec<u8>,
}

impl Trailers {
    /// Reads from `input`. Returns how many of its bytes belong to the section, and whether they end it.
    pub(super) fn read(&mut self, input: &[u8]) -> Result<(usize, bool), ProtocolError> {
        // Almost always it is empty: then nothing is copied.
        if self.section.is_empty() && input.starts_with(b"\r\n") {
            return Ok((2, true));
        }
        let mut consumed = 0;
        while let Some(rest) = input.get(consumed..).filter(|rest| !rest.is_empty()) {
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |lf| lf + 1);
            let room = SECTION_BYTES.saturating_sub(self.section.len()) + 1;
            self.section.extend_from_slice(rest.get(..end.min(room)).unwrap_or(rest));
            consumed += end;
            if self.judge_line()? {
                return Ok((consumed, true));
            }
        }
        Ok((consumed, false))
    }

    /// Judges the last line of what has been read, if it is whole. `true`: it is the empty line that ends the section.
    fn judge_line(&mut self) -> Result<bool, ProtocolError> {
        let bound = SECTION_BYTES.saturating_sub(self.lines.position());
        let line = self.lines.next_line(&self.section, bound).map_err(|fault| match fault {
            LineFault::TooLong => ProtocolError::new(Rule::TrailersTooLong, b""),
            LineFault::BareLf => ProtocolError::new(Rule::BareLf, b""),
        })?;
        let Some(line) = line.and_then(|line| self.section.get(line)) else { return Ok(false) };
        policy::check_trailer(line)?;
        Ok(line.is_empty())
    }
}

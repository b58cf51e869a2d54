//! Finds the lines of a head or a trailer section, resuming where the last call ended: each byte is looked at once,
//! however slowly it arrives.

use std::ops::Range;

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineFault {
    /// Longer than it may be; seen before its end has arrived.
    TooLong,
    /// Ends in LF without CR (RFC 9112, section 2.2: what a lenient reader takes for the end, a strict one does not).
    BareLf,
}

/// Where the search for lines stands in an input that only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LineScanner {
    line: usize,
    scanned: usize,
}

impl LineScanner {
    /// Start of the line that is being looked for, as an offset into the input.
    pub(crate) fn position(&self) -> usize {
        self.line
    }

    /// The next line, without its CRLF; `None`: its end has not arrived. `bound` is the most bytes that the line may
    /// have, CRLF included; the verdict does not depend on how the bytes were cut on their way here.
    pub(crate) fn next_line(&mut self, input: &[u8], bound: usize) -> Result<Option<Range<usize>>, LineFault> {
        let unseen = input.get(self.scanned..).unwrap_or_default();
        let end = memchr::memchr(b'\n', unseen).map(|at| self.scanned + at);
        self.scanned = end.map_or(input.len(), |lf| lf + 1);
        // Of a line without its end, at least one byte is still to come.
        let least = self.scanned.saturating_sub(self.line) + usize::from(end.is_none());
        if least > bound {
            return Err(LineFault::TooLong);
        }
        let Some(lf) = end else { return Ok(None) };
        let start = std::mem::replace(&mut self.line, lf + 1);
        match input.get(start..lf) {
            Some([.., b'\r']) => Ok(Some(start..lf - 1)),
            _ => Err(LineFault::BareLf),
        }
    }
}

//! What the user has asked to be lenient about is written as a strict client would have written it, in place: the
//! parser and the policy behind it then have one form to judge. The length stays the same.

use std::ops::Range;

use crate::http::Leniency;
use crate::http::syntax::{is_token, trim};

/// Bytes of `HTTP/1.1`.
const VERSION_BYTES: usize = 8;

/// The version of a request line as it was before it was mended.
#[derive(Debug, Clone, Copy)]
pub(super) struct SentVersion {
    at: usize,
    digits: [u8; 3],
}

impl SentVersion {
    /// Writes it back: the application is to see what was sent.
    pub(super) fn restore(self, head: &mut [u8]) {
        head[self.at..self.at + self.digits.len()].copy_from_slice(&self.digits);
    }
}

/// Mends a head, whose lines all end in CRLF.
pub(super) fn mend(head: &mut [u8], leniency: Leniency) -> Option<SentVersion> {
    let line = line_at(head, 0)?;
    if leniency.casefold_method {
        fold_case(&mut head[line.clone()]);
    }
    let sent = if leniency.unconventional_version { mend_version(head, &line) } else { None };
    if leniency.obsolete_folding {
        unfold(head, line.end + 2);
    }
    if leniency.header_spaces {
        let mut at = line.end + 2;
        while let Some(line) = line_at(head, at) {
            at = line.end + 2;
            strip_spaces(&mut head[line]);
        }
    }
    sent
}

/// The line that starts at `at`, without its CRLF.
fn line_at(head: &[u8], at: usize) -> Option<Range<usize>> {
    let end = memchr::memmem::find(head.get(at..)?, b"\r\n")?;
    Some(at..at + end)
}

/// Only what is a method anyway: bytes beyond ASCII are no letters here.
fn fold_case(line: &mut [u8]) {
    let end = memchr::memchr(b' ', line).unwrap_or(line.len());
    if is_token(&line[..end]) {
        line[..end].make_ascii_uppercase();
    }
}

/// Any `digit.digit` becomes the version by whose rules the message is read: RFC 9110, section 2.5, for the minor
/// number; for the major one there is no rule.
fn mend_version(head: &mut [u8], line: &Range<usize>) -> Option<SentVersion> {
    let at = line.end.checked_sub(VERSION_BYTES).filter(|at| *at > line.start)?;
    let digits = match head.get(at..line.end)? {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            [*major, b'.', *minor]
        }
        _ => return None,
    };
    let read_as = if digits < *b"1.1" { *b"1.0" } else { *b"1.1" };
    let at = at + b"HTTP/".len();
    head[at..at + digits.len()].copy_from_slice(&read_as);
    Some(SentVersion { at, digits })
}

/// Joins the lines of folded values. The room that is left over becomes white space at the value's end.
fn unfold(head: &mut [u8], fields: usize) {
    let mut at = fields;
    while let Some(first) = line_at(head, at) {
        let (mut end, mut written) = (first.end, None);
        while let Some(next) = line_at(head, end + 2).filter(|next| is_folded(&head[next.clone()])) {
            let from = written.unwrap_or_else(|| first.start + trim(&head[first.clone()]).len());
            written = Some(join(head, from, next.clone()));
            end = next.end;
        }
        if let Some(written) = written {
            head[written..end].fill(b' ');
        }
        at = end + 2;
        // A first line that begins with white space continues nothing; the parser refuses it.
        if first.is_empty() {
            return;
        }
    }
}

fn is_folded(line: &[u8]) -> bool {
    matches!(line, [b' ' | b'\t', ..])
}

/// Moves the content of a continuation behind `written`, with a space before it; gives the end of both.
fn join(head: &mut [u8], written: usize, line: Range<usize>) -> usize {
    let length = trim(&head[line.clone()]).len();
    let indent = head[line.clone()].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    if length == 0 {
        return written;
    }
    head[written] = b' ';
    head.copy_within(line.start + indent..line.start + indent + length, written + 1);
    written + 1 + length
}

/// Puts the colon right behind the name, and the white space behind the colon.
fn strip_spaces(line: &mut [u8]) {
    let Some(colon) = memchr::memchr(b':', line) else { return };
    let name = line[..colon].iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(0, |last| last + 1);
    // Without a name, it is no field line.
    if (1..colon).contains(&name) {
        line[name] = b':';
        line[name + 1..=colon].fill(b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDING: Leniency = Leniency {
        obsolete_folding: true,
        header_spaces: false,
        unconventional_method: false,
        unconventional_version: false,
        casefold_method: false,
    };

    fn mended(head: &str, leniency: Leniency) -> String {
        let mut bytes = head.as_bytes().to_vec();
        mend(&mut bytes, leniency);
        assert_eq!(bytes.len(), head.len());
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn fields(fields: &str, leniency: Leniency) -> String {
        mended(&format!("GET / HTTP/1.1\r\n{fields}\r\n"), leniency).replace("GET / HTTP/1.1\r\n", "")
    }

    #[test]
    fn folded_lines_become_one_with_white_space_at_its_end() {
        assert_eq!(fields("A: b\r\n c\r\nD: e\r\n", FOLDING), "A: b c  \r\nD: e\r\n\r\n");
        assert_eq!(fields("A: b \r\n\t  c\t\r\n \r\n d\r\n", FOLDING).trim_end(), "A: b c d");
        assert_eq!(fields("A:\r\n b\r\nC: d\r\n", FOLDING), "A: b  \r\nC: d\r\n\r\n");
        assert_eq!(fields(" A: b\r\nC: d\r\n", FOLDING), " A: b\r\nC: d\r\n\r\n");
    }

    #[test]
    fn the_colon_moves_to_its_name() {
        let leniency = Leniency { header_spaces: true, ..Leniency::default() };
        assert_eq!(fields("A \t: b\r\nC: d\r\n : e\r\n", leniency), "A:   b\r\nC: d\r\n : e\r\n\r\n");
    }

    #[test]
    fn methods_are_folded_and_versions_known() {
        let casefold = Leniency { casefold_method: true, ..Leniency::default() };
        assert_eq!(mended("gEt /a HTTP/1.1\r\n\r\n", casefold), "GET /a HTTP/1.1\r\n\r\n");
        assert_eq!(mended("g:t /a HTTP/1.1\r\n\r\n", casefold), "g:t /a HTTP/1.1\r\n\r\n");
        let version = Leniency { unconventional_version: true, ..Leniency::default() };
        for (sent, read) in [("0.9", "1.0"), ("1.0", "1.0"), ("1.2", "1.1"), ("3.0", "1.1"), ("1.x", "1.x")] {
            assert_eq!(mended(&format!("GET / HTTP/{sent}\r\n\r\n"), version), format!("GET / HTTP/{read}\r\n\r\n"));
        }
    }

    #[test]
    fn what_was_sent_can_be_restored() {
        let version = Leniency { unconventional_version: true, ..Leniency::default() };
        let mut head = b"GET / HTTP/1.7\r\n\r\n".to_vec();
        let sent = mend(&mut head, version);
        sent.into_iter().for_each(|sent| sent.restore(&mut head));
        assert_eq!(head, b"GET / HTTP/1.7\r\n\r\n");
    }
}

//! The head of a request: finds its end, has `httparse` cut it into tokens, and the policy judge them.
//!
//! The end is searched for first, line by line and resuming where the last call stopped, so a client that sends one
//! byte at a time costs no more than one that sends all at once, and gets the same verdict: every decision is taken
//! at the end of a line or of the head.

use std::mem::MaybeUninit;
use std::ops::Range;

use httparse::{Header, Status};

use super::lines::{LineFault, LineScanner};
use crate::http::policy::{self, Line};
use crate::http::{Limits, ParsedHead, ProtocolError, Rule, Span, Version};

/// Field lines that are cut up on the stack; a head with more (the limit must have been raised) allocates.
const STACK_FIELDS: usize = 128;

/// Where the search for the end of a head stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeadScan {
    lines: LineScanner,
    /// Start of the request line: 2 when an empty line came before it.
    start: usize,
    /// Lines seen from the request line on.
    seen: usize,
}

impl HeadScan {
    /// Looks for the empty line that ends the head. `Some`: where the head lies, and how many fields it has.
    fn advance(&mut self, input: &[u8], limits: &Limits) -> Result<Option<(Range<usize>, usize)>, ProtocolError> {
        loop {
            let at = self.lines.position();
            let (bound, too_long) = self.line_bound(limits, at);
            let Some(line) = self.lines.next_line(input, bound).map_err(|fault| match fault {
                LineFault::TooLong => ProtocolError::new(too_long, excerpt(input, at..at.saturating_add(bound))),
                LineFault::BareLf => ProtocolError::new(Rule::BareLf, excerpt(input, at..self.lines.position())),
            })?
            else {
                return Ok(None);
            };
            match (line.is_empty(), self.seen) {
                // RFC 9112, section 2.2: at least one empty line before the request line is to be ignored.
                (true, 0) if self.start == 0 => self.start = self.lines.position(),
                (true, 0) => return Err(ProtocolError::new(Rule::RequestLine, b"")),
                (true, seen) => return Ok(Some((self.start..self.lines.position(), seen - 1))),
                (false, seen) if seen > limits.fields => {
                    return Err(ProtocolError::new(Rule::TooManyFields, input.get(line).unwrap_or_default()));
                }
                (false, _) => self.seen += 1,
            }
        }
    }

    /// Most bytes that the line at `at` may have, CRLF included, and the rule that it breaks with more.
    fn line_bound(&self, limits: &Limits, at: usize) -> (usize, Rule) {
        let line = match self.seen {
            0 => (limits.line.saturating_add(2), Rule::RequestLineTooLong),
            _ => (limits.field_size.max(2), Rule::FieldTooLong),
        };
        // Spans hold 32 bits.
        let rest = limits.head.min(u32::MAX as usize).saturating_sub(at);
        if rest < line.0 { (rest, Rule::HeadTooLong) } else { line }
    }
}

/// Parses the head that `input` starts with. `false`: its end has not arrived; call again with the same bytes and
/// more. `head` is reused from request to request, so that its vector grows only while it warms up.
///
/// # Errors
/// The first rule that the head breaks.
pub fn parse_head(input: &[u8], limits: &Limits, head: &mut ParsedHead) -> Result<bool, ProtocolError> {
    let found = match head.scan.advance(input, limits) {
        Ok(None) => return Ok(false),
        other => other,
    };
    head.scan = HeadScan::default();
    let Some((range, fields)) = found? else { return Ok(false) };
    head.len = range.end;
    let line = if fields <= STACK_FIELDS {
        tokenise(input, range, &mut [const { MaybeUninit::uninit() }; STACK_FIELDS], head)
    } else {
        tokenise(input, range, &mut vec![MaybeUninit::uninit(); fields], head)
    }?;
    let verdict = policy::judge(&line, input, &head.fields, limits)?;
    head.framing = verdict.framing;
    head.keep_alive = verdict.keep_alive;
    head.expect_continue = verdict.expect_continue;
    Ok(true)
}

/// Whether `input` holds no part of a request yet: nothing, or the empty line that may come before one. A connection
/// that ends here ended in order (RFC 9112, section 9.5).
pub fn is_between_requests(input: &[u8]) -> bool {
    b"\r\n".starts_with(input)
}

/// Cuts the head at `range` of `input` into method, target, version and fields.
fn tokenise<'i>(
    input: &'i [u8],
    range: Range<usize>,
    storage: &mut [MaybeUninit<Header<'i>>],
    head: &mut ParsedHead,
) -> Result<Line<'i>, ProtocolError> {
    let bytes = input.get(range).unwrap_or_default();
    let mut request = httparse::Request::new(&mut []);
    let status = request.parse_with_uninit_headers(bytes, storage);
    let (Ok(Status::Complete(length)), Some(method), Some(target), Some(minor)) =
        (status, request.method, request.path, request.version)
    else {
        return Err(policy::diagnose(bytes));
    };
    if length != bytes.len() {
        return Err(policy::diagnose(bytes));
    }
    head.method = span(input, method.as_bytes());
    head.target = span(input, target.as_bytes());
    head.version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    head.fields.clear();
    head.fields
        .extend(request.headers.iter().map(|field| (span(input, field.name.as_bytes()), span(input, field.value))));
    Ok(Line { method: method.as_bytes(), target: target.as_bytes(), version: head.version })
}

/// The bytes to show of a line that is refused.
fn excerpt(input: &[u8], range: Range<usize>) -> &[u8] {
    input.get(range).unwrap_or_default()
}

/// Where `part`, which was cut out of `whole`, lies in it.
fn span(whole: &[u8], part: &[u8]) -> Span {
    let start = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
    // The bound on heads keeps both within 32 bits.
    Span { start: start as u32, end: (start + part.len()) as u32 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GET /path HTTP/1.1\r\nHost: a\r\nX: yz\r\n\r\n";

    fn parse(input: &[u8], limits: &Limits) -> Result<bool, Rule> {
        parse_head(input, limits, &mut ParsedHead::default()).map_err(|error| error.kind())
    }

    #[test]
    fn each_limit_is_the_last_length_that_passes() {
        let exact = Limits { line: 18, fields: 2, field_size: 9, head: HEAD.len(), body: None };
        assert_eq!(parse(HEAD, &exact), Ok(true));
        assert_eq!(parse(HEAD, &Limits { line: 17, ..exact.clone() }), Err(Rule::RequestLineTooLong));
        assert_eq!(parse(HEAD, &Limits { fields: 1, ..exact.clone() }), Err(Rule::TooManyFields));
        assert_eq!(parse(HEAD, &Limits { field_size: 8, ..exact.clone() }), Err(Rule::FieldTooLong));
        assert_eq!(parse(HEAD, &Limits { head: HEAD.len() - 1, ..exact }), Err(Rule::HeadTooLong));
    }

    #[test]
    fn a_line_is_refused_before_its_end_has_come() {
        let limits = Limits { line: 10, field_size: 20, ..Limits::default() };
        assert_eq!(parse(b"GET /01234", &limits), Ok(false));
        assert_eq!(parse(b"GET /012345x", &limits), Err(Rule::RequestLineTooLong));
        assert_eq!(parse(b"GET / HTTP\r\nX: 4567890123456789", &limits), Ok(false));
        assert_eq!(parse(b"GET / HTTP\r\nX: 45678901234567890", &limits), Err(Rule::FieldTooLong));
    }

    #[test]
    fn a_body_beyond_its_bound_is_refused_with_the_head() {
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n";
        let limits = Limits { body: Some(10), ..Limits::default() };
        assert_eq!(parse(head, &limits), Err(Rule::BodyTooLong));
        assert_eq!(parse(head, &Limits { body: Some(11), ..limits }), Ok(true));
    }

    #[test]
    fn more_fields_than_the_stack_holds_are_parsed_where_the_limit_allows() {
        let fields: String = (0..STACK_FIELDS * 2).map(|n| format!("X-{n}: {n}\r\n")).collect();
        let input = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut head = ParsedHead::default();
        assert_eq!(parse(input.as_bytes(), &Limits::default()), Err(Rule::TooManyFields));
        let limits = Limits { fields: 1000, ..Limits::default() };
        assert_eq!(parse_head(input.as_bytes(), &limits, &mut head), Ok(true));
        let (name, value) = head.fields.last().unwrap();
        assert_eq!((name.of(input.as_bytes()), value.of(input.as_bytes())), (b"X-255".as_slice(), b"255".as_slice()));
    }

    #[test]
    fn the_search_for_the_end_resumes() {
        let mut head = ParsedHead::default();
        for end in 0..HEAD.len() {
            assert_eq!(parse_head(&HEAD[..end], &Limits::default(), &mut head), Ok(false));
            assert!(end == 0 || head.scan != HeadScan::default());
        }
        assert_eq!(parse_head(HEAD, &Limits::default(), &mut head), Ok(true));
        assert_eq!((head.len, &head.scan), (HEAD.len(), &HeadScan::default()));
    }

    #[test]
    fn an_empty_line_is_not_the_start_of_a_request() {
        for (input, between) in [("", true), ("\r", true), ("\r\n", true), ("\r\n\r", false), ("G", false)] {
            assert_eq!(is_between_requests(input.as_bytes()), between, "{input:?}");
        }
    }

    #[test]
    fn an_error_shows_what_it_is_about_and_cannot_forge_a_line_of_the_log() {
        let error =
            parse_head(b"G\x1bT / HTTP/1.1\r\n\r\n", &Limits::default(), &mut ParsedHead::default()).unwrap_err();
        assert_eq!(error.to_string(), "method (RFC 9110 9.1): \"G\\x1bT\"");
        assert_eq!((error.status(), error.rule()), (400, "method (RFC 9110 9.1)"));
    }
}

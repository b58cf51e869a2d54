//! The head of a request: finds its end, has `httparse` cut it into tokens, and the policy judge them.
//!
//! The end is searched for first, line by line and resuming where the last call stopped, so a client that sends one
//! byte at a time costs no more than one that sends all at once, and gets the same verdict: every decision is taken
//! at the end of a line or of the head.

use std::mem::MaybeUninit;
use std::ops::Range;

use httparse::{Header, Status};

use super::lines::{LineFault, LineScanner};
use super::mend::mend;
use crate::http::policy::{self, Line};
use crate::http::{Acceptance, Leniency, ParsedHead, ProtocolError, Rule, Span, Version};

/// Field lines that are cut up on the stack; a head with more (the limit must have been raised) allocates.
const STACK_FIELDS: usize = 128;

/// Where the search for the end of a head stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeadScan {
    lines: LineScanner,
    /// Start of the request line: 2 when an empty line came before it.
    start: usize,
    /// Lines seen from the request line on; a folded line counts with the one before it.
    seen: usize,
    /// Start of the field that the last line seen belongs to.
    field: usize,
}

impl HeadScan {
    /// Looks for the empty line that ends the head. `Some`: where the head lies, and how many fields it has.
    fn advance(
        &mut self,
        input: &[u8],
        acceptance: &Acceptance,
    ) -> Result<Option<(Range<usize>, usize)>, ProtocolError> {
        loop {
            let at = self.lines.position();
            let is_folded = acceptance.leniency.obsolete_folding && self.continues(input, at);
            let (bound, too_long) = self.line_bound(acceptance, at, is_folded);
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
                (false, _) if is_folded => {}
                (false, seen) if seen > acceptance.limits.fields => {
                    return Err(ProtocolError::new(Rule::TooManyFields, input.get(line).unwrap_or_default()));
                }
                (false, _) => {
                    self.seen += 1;
                    self.field = at;
                }
            }
        }
    }

    /// Whether the line at `at` goes on with the value of the field before it (RFC 9112, section 5.2).
    fn continues(&self, input: &[u8], at: usize) -> bool {
        self.seen > 1 && matches!(input.get(at), Some(b' ' | b'\t'))
    }

    /// Most bytes that the line at `at` may have, CRLF included, and the rule that it breaks with more.
    fn line_bound(&self, Acceptance { limits, .. }: &Acceptance, at: usize, is_folded: bool) -> (usize, Rule) {
        let line = match (self.seen, is_folded) {
            (0, _) => (limits.line.saturating_add(2), Rule::RequestLineTooLong),
            (_, false) => (limits.field_size.max(2), Rule::FieldTooLong),
            (_, true) => (limits.field_size.saturating_sub(at - self.field), Rule::FieldTooLong),
        };
        // Spans hold 32 bits.
        let rest = limits.head.min(u32::MAX as usize).saturating_sub(at);
        if rest < line.0 { (rest, Rule::HeadTooLong) } else { line }
    }
}

/// Parses the head that `input` starts with. `false`: its end has not arrived; call again with the same bytes and
/// more. `head` is reused from request to request, so that its vector grows only while it warms up. The bytes of the
/// head are changed only by what [`Leniency`] asks for.
///
/// # Errors
/// The first rule that the head breaks.
pub fn parse_head(input: &mut [u8], acceptance: &Acceptance, head: &mut ParsedHead) -> Result<bool, ProtocolError> {
    let found = match head.scan.advance(input, acceptance) {
        Ok(None) => return Ok(false),
        other => other,
    };
    head.scan = HeadScan::default();
    let Some((range, fields)) = found? else { return Ok(false) };
    head.len = range.end;
    let mended = if acceptance.leniency.mends() { mend(&mut input[range.clone()], acceptance.leniency) } else { None };
    let judged = judge(input, range.clone(), fields, acceptance, head);
    if let Some(sent) = mended {
        sent.restore(&mut input[range]);
    }
    judged.map(|()| true)
}

/// Cuts the head at `range`, which has so many fields, into tokens, and has the policy judge them.
fn judge(
    input: &[u8],
    range: Range<usize>,
    fields: usize,
    acceptance: &Acceptance,
    head: &mut ParsedHead,
) -> Result<(), ProtocolError> {
    let leniency = acceptance.leniency;
    let line = if fields <= STACK_FIELDS {
        tokenise(input, range, &mut [const { MaybeUninit::uninit() }; STACK_FIELDS], leniency, head)
    } else {
        tokenise(input, range, &mut vec![MaybeUninit::uninit(); fields], leniency, head)
    }?;
    let verdict = policy::judge(&line, input, &head.fields, acceptance)?;
    head.framing = verdict.framing;
    head.keep_alive = verdict.keep_alive;
    head.expect_continue = verdict.expect_continue;
    Ok(())
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
    leniency: Leniency,
    head: &mut ParsedHead,
) -> Result<Line<'i>, ProtocolError> {
    let bytes = input.get(range).unwrap_or_default();
    let mut request = httparse::Request::new(&mut []);
    let status = request.parse_with_uninit_headers(bytes, storage);
    let (Ok(Status::Complete(length)), Some(method), Some(target), Some(minor)) =
        (status, request.method, request.path, request.version)
    else {
        return Err(policy::diagnose(bytes, leniency));
    };
    if length != bytes.len() {
        return Err(policy::diagnose(bytes, leniency));
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
    use crate::http::{Head, Limits};

    const HEAD: &[u8] = b"GET /path HTTP/1.1\r\nHost: a\r\nX: yz\r\n\r\n";

    fn parse(input: &[u8], limits: &Limits) -> Result<bool, Rule> {
        parse_head(&mut input.to_vec(), &limits.clone().into(), &mut ParsedHead::default())
            .map_err(|error| error.kind())
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
        assert_eq!(parse_head(&mut input.clone().into_bytes(), &limits.into(), &mut head), Ok(true));
        let (name, value) = head.fields.last().unwrap();
        assert_eq!((name.of(input.as_bytes()), value.of(input.as_bytes())), (b"X-255".as_slice(), b"255".as_slice()));
    }

    #[test]
    fn the_search_for_the_end_resumes() {
        let mut head = ParsedHead::default();
        for end in 0..HEAD.len() {
            assert_eq!(parse_head(&mut HEAD[..end].to_vec(), &Acceptance::default(), &mut head), Ok(false));
            assert!(end == 0 || head.scan != HeadScan::default());
        }
        assert_eq!(parse_head(&mut HEAD.to_vec(), &Acceptance::default(), &mut head), Ok(true));
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
        let mut input = b"G\x1bT / HTTP/1.1\r\n\r\n".to_vec();
        let error = parse_head(&mut input, &Acceptance::default(), &mut ParsedHead::default()).unwrap_err();
        assert_eq!(error.to_string(), "method (RFC 9110 9.1): \"G\\x1bT\"");
        assert_eq!((error.status(), error.rule()), (400, "method (RFC 9110 9.1)"));
    }

    fn lenient(input: &str, leniency: Leniency) -> Result<Vec<String>, Rule> {
        let limits = Limits { fields: 5, field_size: 20, ..Limits::default() };
        let (mut bytes, acceptance) = (input.as_bytes().to_vec(), Acceptance { limits, leniency });
        let mut head = ParsedHead::default();
        for end in 0..bytes.len() {
            assert_ne!(parse_head(&mut bytes[..end], &acceptance, &mut head), Ok(true), "{end}");
        }
        parse_head(&mut bytes, &acceptance, &mut head).map_err(|error| error.kind())?;
        let head = Head { bytes: &bytes, parsed: &head };
        let fields = head.fields().map(|(name, value)| format!("{}:{}", name.escape_ascii(), value.escape_ascii()));
        Ok([head.method(), head.protocol()].iter().map(|part| part.escape_ascii().to_string()).chain(fields).collect())
    }

    #[test]
    fn each_leniency_takes_what_it_is_for_and_nothing_else() {
        let strict = Leniency::default();
        let folding = Leniency { obsolete_folding: true, ..strict };
        let folded = "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n  c\r\n\td\r\nE: f\r\n\r\n";
        assert_eq!(lenient(folded, folding).unwrap(), ["GET", "HTTP/1.1", "Host:a", "A:b c d", "E:f"]);
        assert_eq!(lenient("GET / HTTP/1.1\r\n Host: a\r\n\r\n", folding), Err(Rule::ObsoleteFolding));
        assert_eq!(lenient(&folded.replace("c", "ccccccccc"), folding), Err(Rule::FieldTooLong));
        let spaces = Leniency { header_spaces: true, ..strict };
        assert_eq!(lenient("GET / HTTP/1.1\r\nHost \t: a\r\n\r\n", spaces).unwrap(), ["GET", "HTTP/1.1", "Host:a"]);
        let method = Leniency { unconventional_method: true, ..strict };
        assert_eq!(lenient("g#t / HTTP/1.1\r\nHost: a\r\n\r\n", method).unwrap(), ["g#t", "HTTP/1.1", "Host:a"]);
        let version = Leniency { unconventional_version: true, ..strict };
        assert_eq!(lenient("GET / HTTP/1.7\r\nHost: a\r\n\r\n", version).unwrap(), ["GET", "HTTP/1.7", "Host:a"]);
        assert_eq!(lenient("GET / HTTP/1.7\r\n\r\n", version), Err(Rule::HostMissing));
        assert_eq!(lenient("GET / HTTP/0.9\r\n\r\n", version).unwrap(), ["GET", "HTTP/0.9"]);
        let casefold = Leniency { casefold_method: true, ..strict };
        assert_eq!(lenient("get / HTTP/1.1\r\nHost: a\r\n\r\n", casefold).unwrap()[0], "GET");
        assert_eq!(lenient("get / HTTP/1.1\r\nHost: a\r\n\r\n", spaces), Err(Rule::Method));
        assert_eq!(lenient(folded, spaces), Err(Rule::ObsoleteFolding));
    }
}

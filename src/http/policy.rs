//! The acceptance policy: which requests are taken, and how their body is framed. Every rule stands here or in
//! [`target`](super::target), once, whoever serves the request; the parser only cuts tokens.
//!
//! The principle: a message on whose meaning two servers could disagree is refused, not repaired.

use crate::http::syntax::{DecimalFault, is_token, is_value, parse_decimal, trim};
use crate::http::target::{self, Authority};
use crate::http::{Acceptance, Framing, Leniency, Limits, ProtocolError, Rule, Span, Version};

/// Shortest and longest method, in bytes: gunicorn's bounds, which all registered methods keep.
const METHOD_BYTES: std::ops::RangeInclusive<usize> = 3..=20;

/// A request line, cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) target: &'a [u8],
    pub(crate) version: Version,
}

/// What follows from an accepted head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    pub(crate) expect_continue: bool,
}

/// Accepts the request or names the rule that it breaks. `fields` are spans into `input`.
pub(crate) fn judge(
    line: &Line<'_>,
    input: &[u8],
    fields: &[(Span, Span)],
    acceptance: &Acceptance,
) -> Result<Verdict, ProtocolError> {
    check_method(line.method, acceptance.leniency)?;
    let authority = target::check(line.method, line.target)?;
    let mut known = Known::default();
    for &(name, value) in fields {
        known.note(name.of(input), value.of(input))?;
    }
    known.check_host(line.version, authority)?;
    let framing = known.framing(line.version, &acceptance.limits)?;
    Ok(Verdict {
        framing,
        keep_alive: known.keep_alive(line),
        // RFC 9110, section 10.1.1: ignored from a 1.0 client, and void when there is no body to wait for.
        expect_continue: known.expects_continue && line.version == Version::Http11 && framing != Framing::Length(0),
    })
}

/// A method that is a token in upper case, as all registered ones are. gunicorn refuses others too, since a server
/// behind might fold their case.
fn check_method(method: &[u8], leniency: Leniency) -> Result<(), ProtocolError> {
    let unconventional = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'#';
    let is_usual = METHOD_BYTES.contains(&method.len()) && !method.iter().any(unconventional);
    if is_token(method) && (is_usual || leniency.unconventional_method) {
        return Ok(());
    }
    Err(ProtocolError::new(Rule::Method, method))
}

/// The fields that decide about framing, routing and the connection, as they are met.
#[derive(Debug, Default)]
struct Known<'a> {
    host: Option<&'a [u8]>,
    content_length: Option<&'a [u8]>,
    content_type: bool,
    codings: Option<Codings>,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
}

impl<'a> Known<'a> {
    /// Looks at one field. Names are told apart by length first: almost all fields are none of these.
    fn note(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), ProtocolError> {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.note_host(value),
            6 if name.eq_ignore_ascii_case(b"expect") => self.note_expect(value),
            10 if name.eq_ignore_ascii_case(b"connection") => {
                self.note_connection(value);
                Ok(())
            }
            12 if name.eq_ignore_ascii_case(b"content-type") => self.note_content_type(name),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.note_content_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.codings.get_or_insert_default().note(value),
            _ => Ok(()),
        }
    }

    /// RFC 9112, section 3.2: more than one Host is refused, whatever they say.
    fn note_host(&mut self, value: &'a [u8]) -> Result<(), ProtocolError> {
        match self.host.replace(value) {
            None => Ok(()),
            Some(_) => Err(ProtocolError::new(Rule::HostRepeated, value)),
        }
    }

    /// RFC 9110, section 10.1.1: an expectation that is not understood is answered with 417.
    fn note_expect(&mut self, value: &[u8]) -> Result<(), ProtocolError> {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(ProtocolError::new(Rule::Expectation, value));
        }
        self.expects_continue = true;
        Ok(())
    }

    /// RFC 9110, section 7.6.1: a list of options, without regard to case.
    fn note_connection(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',').map(trim) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// RFC 9110, section 5.3: the field is no list, so that a second one leaves open which of them counts.
    fn note_content_type(&mut self, name: &[u8]) -> Result<(), ProtocolError> {
        match std::mem::replace(&mut self.content_type, true) {
            false => Ok(()),
            true => Err(ProtocolError::new(Rule::FieldRepeated, name)),
        }
    }

    /// RFC 9112, section 6.3, item 5: equal values may be taken as one or refused; they are refused.
    fn note_content_length(&mut self, value: &'a [u8]) -> Result<(), ProtocolError> {
        match self.content_length.replace(value) {
            None => Ok(()),
            Some(_) => Err(ProtocolError::new(Rule::ContentLengthRepeated, value)),
        }
    }

    /// RFC 9112, section 3.2: a 1.1 request has exactly one Host, a valid one; and 3.2.2: it says what the target says.
    fn check_host(&self, version: Version, target: Option<Authority<'_>>) -> Result<(), ProtocolError> {
        let Some(value) = self.host else {
            return match version {
                Version::Http10 => Ok(()),
                Version::Http11 => Err(ProtocolError::new(Rule::HostMissing, b"")),
            };
        };
        let host = Authority::parse(value).ok_or_else(|| ProtocolError::new(Rule::HostValue, value))?;
        match target {
            Some(target) if !target.is_same(host) => Err(ProtocolError::new(Rule::HostMismatch, value)),
            _ => Ok(()),
        }
    }

    /// How the body is delimited: RFC 9112, section 6.3, for requests (its items 1 and 2 are about responses).
    fn framing(&self, version: Version, limits: &Limits) -> Result<Framing, ProtocolError> {
        match (&self.codings, self.content_length) {
            // Item 3: Transfer-Encoding would override Content-Length; the message is an attempt at smuggling.
            (Some(_), Some(value)) => Err(ProtocolError::new(Rule::ContentLengthWithTransferEncoding, value)),
            // Section 6.1: the framing of a 1.0 message with Transfer-Encoding is faulty.
            (Some(_), None) if version == Version::Http10 => {
                Err(ProtocolError::new(Rule::TransferEncodingVersion, b""))
            }
            // Item 4.
            (Some(codings), None) => codings.framing(),
            // Items 5 and 6.
            (None, Some(value)) => content_length(value, limits),
            // Item 7: a request without either has no body.
            (None, None) => Ok(Framing::Length(0)),
        }
    }

    /// Whether the connection may carry another request (RFC 9112, section 9.3). After CONNECT the bytes are the
    /// tunnel's, whatever was answered (RFC 9931, section 8).
    fn keep_alive(&self, line: &Line<'_>) -> bool {
        !self.close && line.method != b"CONNECT" && (self.keep_alive || line.version == Version::Http11)
    }
}

fn content_length(value: &[u8], limits: &Limits) -> Result<Framing, ProtocolError> {
    match parse_decimal(value) {
        Ok(length) if limits.body.is_none_or(|most| length <= most) => Ok(Framing::Length(length)),
        Ok(_) | Err(DecimalFault::TooLarge) => Err(ProtocolError::new(Rule::BodyTooLong, value)),
        Err(DecimalFault::Syntax) => Err(ProtocolError::new(Rule::ContentLength, value)),
    }
}

/// The transfer codings of a message, over all fields that name them (RFC 9112, section 6.1).
#[derive(Debug, Default, Clone, Copy)]
struct Codings {
    /// `chunked` was the last one.
    ends_chunked: bool,
    /// There was one besides it.
    others: bool,
}

impl Codings {
    fn note(&mut self, value: &[u8]) -> Result<(), ProtocolError> {
        for coding in value.split(|&byte| byte == b',').map(trim) {
            // Whatever comes after `chunked`, a second one included, leaves the length open. A coding here has no
            // parameters: those registered take none, and `chunked;x` is a known way to hide one from a proxy.
            if self.ends_chunked || !is_token(coding) {
                return Err(ProtocolError::new(Rule::TransferEncoding, value));
            }
            match coding.eq_ignore_ascii_case(b"chunked") {
                true => self.ends_chunked = true,
                false => self.others = true,
            }
            if !is_registered(coding) {
                return Err(ProtocolError::new(Rule::TransferCodingUnsupported, value));
            }
        }
        Ok(())
    }

    fn framing(self) -> Result<Framing, ProtocolError> {
        match (self.ends_chunked, self.others) {
            (true, false) => Ok(Framing::Chunked),
            (true, true) => Err(ProtocolError::new(Rule::TransferCodingUnsupported, b"")),
            (false, _) => Err(ProtocolError::new(Rule::TransferEncoding, b"")),
        }
    }
}

/// The codings of the registry (RFC 9112, section 7), and `identity`, which was in it once (RFC 2616, section 3.6).
fn is_registered(coding: &[u8]) -> bool {
    let registered: [&[u8]; 7] = [b"chunked", b"compress", b"deflate", b"gzip", b"identity", b"x-compress", b"x-gzip"];
    registered.iter().any(|name| coding.eq_ignore_ascii_case(name))
}

/// Names the rule that a head breaks which could not be cut into tokens. It has been refused: this may be slow.
pub(crate) fn diagnose(head: &[u8], leniency: Leniency) -> ProtocolError {
    let mut lines = head.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let request_line = lines.next().unwrap_or_default();
    diagnose_request_line(request_line, leniency)
        .or_else(|| lines.find_map(diagnose_field))
        .unwrap_or_else(|| ProtocolError::new(Rule::RequestLine, request_line))
}

fn diagnose_request_line(line: &[u8], leniency: Leniency) -> Option<ProtocolError> {
    if line.contains(&b'\r') {
        return Some(ProtocolError::new(Rule::BareCr, line));
    }
    let mut parts = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Some(ProtocolError::new(Rule::RequestLine, line));
    };
    let judged = check_method(method, leniency)
        .and_then(|()| check_version(version))
        .and_then(|()| target::check(method, target));
    judged.err()
}

/// RFC 9112, section 2.3: one digit each; and RFC 9110, section 2.5: of these, 1.0 and 1.1 are spoken here.
fn check_version(version: &[u8]) -> Result<(), ProtocolError> {
    match version {
        b"HTTP/1.0" | b"HTTP/1.1" => Ok(()),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Err(ProtocolError::new(Rule::VersionUnsupported, version))
        }
        _ => Err(ProtocolError::new(Rule::VersionToken, version)),
    }
}

/// Names the rule that a field line breaks, if any.
pub(crate) fn diagnose_field(line: &[u8]) -> Option<ProtocolError> {
    let colon = memchr::memchr(b':', line);
    let (name, value) = line.split_at(colon.unwrap_or(line.len()));
    let rule = match (line, name) {
        ([], _) => return None,
        ([b' ' | b'\t', ..], _) => Rule::ObsoleteFolding,
        _ if line.contains(&b'\r') => Rule::BareCr,
        (_, []) => Rule::FieldLine,
        _ if colon.is_none() => Rule::FieldLine,
        (_, [.., b' ' | b'\t']) => Rule::FieldNameSpace,
        _ if !is_token(name) => Rule::FieldName,
        _ if !is_value(value) => Rule::FieldValue,
        _ => return None,
    };
    Some(ProtocolError::new(rule, line))
}

/// Fields that are no trailers: about framing, routing, authentication, the connection, the form of the content, and
/// how to treat the request (RFC 9110, section 6.5.1). gunicorn refuses the first six.
const FORBIDDEN_TRAILERS: [&[u8]; 19] = [
    b"host",
    b"content-length",
    b"transfer-encoding",
    b"trailer",
    b"authorization",
    b"te",
    b"connection",
    b"content-encoding",
    b"content-range",
    b"content-type",
    b"cookie",
    b"cache-control",
    b"expect",
    b"forwarded",
    b"max-forwards",
    b"pragma",
    b"proxy-authorization",
    b"range",
    b"upgrade",
];

/// Accepts a line of a trailer section (RFC 9110, section 6.5.1): a field line as in a head, but none that would change
/// what has been decided already.
pub(crate) fn check_trailer(line: &[u8]) -> Result<(), ProtocolError> {
    if let Some(error) = diagnose_field(line) {
        return Err(error);
    }
    let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
    if FORBIDDEN_TRAILERS.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden)) {
        return Err(ProtocolError::new(Rule::TrailerForbidden, name));
    }
    Ok(())
}

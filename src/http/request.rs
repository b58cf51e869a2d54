//! A parsed request head: spans into the bytes it was parsed from, no allocation of its own.

use crate::http::Told;
use crate::http::h1::HeadScan;

/// A range of bytes in the connection's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes this span names; empty when it lies outside `bytes`.
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// HTTP version of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// How the request's body is delimited (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// `Content-Length` bytes; 0 when the request has no body.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// What the parser found, as spans. Reused from request to request.
#[derive(Debug, Clone)]
pub struct ParsedHead {
    /// Method token.
    pub method: Span,
    /// Request target, as sent.
    pub target: Span,
    /// Version.
    pub version: Version,
    /// Field names and values (values without surrounding white space), in order of arrival.
    pub fields: Vec<(Span, Span)>,
    /// How the body is delimited.
    pub framing: Framing,
    /// Whether the connection may be used again (RFC 9112, section 9.3).
    pub keep_alive: bool,
    /// `Expect: 100-continue` from a 1.1 client (RFC 9110, section 10.1.1).
    pub expect_continue: bool,
    /// What a trusted proxy has told besides (see [`Forwarding`](crate::http::Forwarding)).
    pub told: Told,
    /// Bytes of the head: from the start of the input, the empty line that ends it included.
    pub len: usize,
    /// Where the search for the end of the head stands, while it has not arrived.
    pub scan: HeadScan,
}

impl Default for ParsedHead {
    /// A head of which nothing has been read.
    fn default() -> Self {
        Self {
            method: Span::default(),
            target: Span::default(),
            version: Version::Http11,
            fields: Vec::new(),
            framing: Framing::Length(0),
            keep_alive: false,
            expect_continue: false,
            told: Told::default(),
            len: 0,
            scan: HeadScan::default(),
        }
    }
}

/// A head as the application's side reads it.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The bytes that the spans point into.
    pub bytes: &'a [u8],
    /// The spans.
    pub parsed: &'a ParsedHead,
}

impl<'a> Head<'a> {
    /// Method, as sent.
    pub fn method(self) -> &'a [u8] {
        self.parsed.method.of(self.bytes)
    }

    /// Request target, as sent.
    pub fn target(self) -> &'a [u8] {
        self.parsed.target.of(self.bytes)
    }

    /// Version by whose rules the message is read.
    pub fn version(self) -> Version {
        self.parsed.version
    }

    /// Version token, as sent: what follows the target in the request line.
    pub fn protocol(self) -> &'a [u8] {
        let start = self.parsed.target.end as usize + 1;
        self.bytes.get(start..start + b"HTTP/1.1".len()).unwrap_or_default()
    }

    /// Names (case as sent) and values, in order of arrival.
    pub fn fields(self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> {
        self.parsed.fields.iter().map(move |(name, value)| (name.of(self.bytes), value.of(self.bytes)))
    }
}

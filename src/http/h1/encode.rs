//! A response on the wire: its head, the framing of its body, its end.
//!
//! The body's bytes are never copied here: [`Encoder::frame`] says what to put before and after them.
//!
//! What an application sets of the fields that belong to the connection (PEP 3333, "hop-by-hop"), and of Server and
//! Date, is dropped without a word, as by gunicorn; an upgrade to WebSocket passes.

use super::fields::{Summary, append_common, append_content_length, append_fields, append_status_line, check_status};
use crate::http::{ResponseError, ResponseHead, Version};

/// Room for what a head holds besides the application's fields, in bytes.
const HEAD_BYTES: usize = 192;

/// What the response needs to know of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestContext {
    /// Version of the request; the answer names the same one, as gunicorn's does.
    pub version: Version,
    /// Whether the method is HEAD.
    pub is_head: bool,
    /// Whether the client allows and the server wants another request on the connection.
    pub keep_alive: bool,
}

/// How the end of a response's body is told to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// There is no body, whatever the fields say.
    Bodiless,
    /// By Content-Length.
    Length(u64),
    /// By chunks.
    Chunked,
    /// By closing the connection.
    UntilClose,
}

impl Framing {
    /// RFC 9112, section 6.3, for responses, item by item. `length` is the Content-Length, if there is to be one.
    fn decide(request: RequestContext, status: u16, length: Option<u64>) -> Self {
        match length {
            // Item 1.
            _ if request.is_head || is_bodiless(status) => Self::Bodiless,
            // Items 5 and 6 (3 and 4 are about Transfer-Encoding, which is never the application's to set).
            Some(length) => Self::Length(length),
            // Item 4, made so here: only a 1.1 client knows chunks (section 6.1).
            None if request.version == Version::Http11 => Self::Chunked,
            // Item 8.
            None => Self::UntilClose,
        }
    }
}

/// RFC 9110, section 6.4.1: statuses whose responses have no body.
fn is_bodiless(status: u16) -> bool {
    status < 200 || status == 204 || status == 304
}

/// How to send a piece of body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// How many bytes of the piece to send, from its start.
    pub take: usize,
    size_line: SizeLine,
}

impl Frame {
    /// What goes before the bytes: the chunk's size, or nothing.
    pub fn prefix(&self) -> &[u8] {
        self.size_line.bytes()
    }

    /// What goes after them: CRLF, or nothing.
    pub fn suffix(&self) -> &'static [u8] {
        if self.prefix().is_empty() { b"" } else { b"\r\n" }
    }
}

/// `chunk-size CRLF` (RFC 9112, section 7.1), at the end of its buffer; upper case as gunicorn writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SizeLine {
    buffer: [u8; 18],
    start: u8,
}

impl SizeLine {
    const NONE: Self = Self { buffer: [0; 18], start: 18 };

    fn new(mut size: usize) -> Self {
        let mut line = Self { buffer: *b"0000000000000000\r\n", start: 16 };
        for digit in line.buffer.iter_mut().take(16).rev() {
            if size == 0 {
                break;
            }
            *digit = b"0123456789ABCDEF"[size & 0xf];
            size >>= 4;
            line.start -= 1;
        }
        line
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(usize::from(self.start)..).unwrap_or_default()
    }
}

/// How a response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// Complete; the connection may carry another request.
    KeepAlive,
    /// Complete; the connection is to be closed.
    Close,
    /// Shorter than its Content-Length: the connection is to be closed, which tells the client so.
    Incomplete,
}

/// One response on its way out. Made anew for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Encoder {
    framing: Option<Framing>,
    keep_alive: bool,
    hop_by_hop: bool,
    sent: u64,
}

impl Encoder {
    /// A response that has not started.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks the head, decides the framing and appends the encoded head to `out`. `body_length` is the length of the
    /// whole body, if known; it counts when the application gave no Content-Length. `date` is an IMF-fixdate (RFC
    /// 9110, section 5.6.7).
    ///
    /// # Errors
    /// A head that cannot be sent; then nothing is appended and another head may be started.
    pub fn start(
        &mut self,
        head: &ResponseHead<'_>,
        request: RequestContext,
        body_length: Option<u64>,
        date: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ResponseError> {
        check_status(head)?;
        let summary = Summary::of(head.fields)?;
        let framing = Framing::decide(request, head.status, summary.content_length.or(body_length));
        let keep_alive = request.keep_alive && framing != Framing::UntilClose && head.status >= 200 && !summary.upgrade;
        out.reserve(HEAD_BYTES + head.reason.len() + summary.bytes);
        append_status_line(request.version, head.status, head.reason, out);
        append_common(date, out);
        out.extend_from_slice(match (summary.upgrade, keep_alive) {
            (true, _) => b"Connection: upgrade\r\n",
            (false, true) => b"Connection: keep-alive\r\n",
            (false, false) => b"Connection: close\r\n",
        });
        match framing {
            Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            Framing::Length(length) if summary.content_length.is_none() => append_content_length(length, out),
            _ => {}
        }
        // RFC 9110, section 8.6: none in a 1xx or 204. HEAD and 304 keep the application's: it is that of the GET.
        let keeps_length = head.status >= 200 && head.status != 204;
        append_fields(head.fields, keeps_length, out);
        out.extend_from_slice(b"\r\n");
        *self = Self { framing: Some(framing), keep_alive, hop_by_hop: summary.hop_by_hop, sent: 0 };
        Ok(())
    }

    /// Whether the application has set fields of the connection (PEP 3333, "hop-by-hop"): they are left out.
    pub fn has_left_out(&self) -> bool {
        self.hop_by_hop
    }

    /// How to send the next `length` bytes of body: no byte beyond the Content-Length, none if there is to be no body.
    /// They count as sent.
    pub fn frame(&mut self, length: usize) -> Frame {
        let take = match self.framing {
            Some(Framing::Length(total)) => {
                usize::try_from(total.saturating_sub(self.sent)).map_or(length, |left| left.min(length))
            }
            Some(Framing::Chunked | Framing::UntilClose) => length,
            Some(Framing::Bodiless) | None => 0,
        };
        self.sent += take as u64;
        // A chunk of no bytes would end the body.
        let is_chunk = take > 0 && self.framing == Some(Framing::Chunked);
        Frame { take, size_line: if is_chunk { SizeLine::new(take) } else { SizeLine::NONE } }
    }

    /// Ends the response: appends the last chunk if there are chunks, and says what becomes of the connection.
    pub fn finish(&self, out: &mut Vec<u8>) -> Finish {
        self.finish_with(&[], out)
    }

    /// As `finish`, with trailers (RFC 9112, section 7.1.2), which have been checked as the fields of a head are. They
    /// are sent only behind chunks; those that belong to the connection are left out.
    pub fn finish_with(&self, trailers: &[(&[u8], &[u8])], out: &mut Vec<u8>) -> Finish {
        match self.framing {
            Some(Framing::Length(total)) if self.sent < total => return Finish::Incomplete,
            Some(Framing::Chunked) => {
                out.extend_from_slice(b"0\r\n");
                append_fields(trailers, false, out);
                out.extend_from_slice(b"\r\n");
            }
            _ => {}
        }
        if self.keep_alive { Finish::KeepAlive } else { Finish::Close }
    }

    /// Whether the body needs no more bytes: all that Content-Length announces are there, or there is to be none.
    pub fn is_body_complete(&self) -> bool {
        match self.framing {
            Some(Framing::Length(total)) => self.sent >= total,
            Some(Framing::Bodiless) => true,
            Some(Framing::Chunked | Framing::UntilClose) | None => false,
        }
    }

    /// The length that the head announces for the body, if it does and there is one.
    pub fn announced(&self) -> Option<u64> {
        match self.framing {
            Some(Framing::Length(total)) => Some(total),
            _ => None,
        }
    }

    /// Bytes of body that count as sent, without framing.
    pub fn body_bytes(&self) -> u64 {
        self.sent
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DATE: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";
    const GET: RequestContext = RequestContext { version: Version::Http11, is_head: false, keep_alive: true };
    const HEAD: RequestContext = RequestContext { is_head: true, ..GET };
    const GET_10: RequestContext = RequestContext { version: Version::Http10, ..GET };
    const START: &str = "HTTP/1.1 200 OK\r\nServer: gunicorn-rs\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

    type Fields<'a> = &'a [(&'a [u8], &'a [u8])];

    /// Encodes a whole response to `request`, whose body comes in `parts`.
    fn encode(
        request: RequestContext,
        status: u16,
        fields: Fields<'_>,
        length: Option<u64>,
        parts: &[&str],
    ) -> (String, Finish) {
        let mut out = Vec::new();
        let mut encoder = Encoder::new();
        let head = ResponseHead { status, reason: b"OK", fields };
        encoder.start(&head, request, length, DATE, &mut out).unwrap();
        for part in parts {
            let frame = encoder.frame(part.len());
            out.extend_from_slice(frame.prefix());
            out.extend_from_slice(&part.as_bytes()[..frame.take]);
            out.extend_from_slice(frame.suffix());
        }
        let finish = encoder.finish(&mut out);
        (String::from_utf8(out).unwrap(), finish)
    }

    fn error(status: u16, reason: &[u8], fields: Fields<'_>) -> String {
        let mut out = b"before".to_vec();
        let mut encoder = Encoder::new();
        let head = ResponseHead { status, reason, fields };
        let error = encoder.start(&head, GET, None, DATE, &mut out).unwrap_err();
        assert_eq!(out, b"before");
        assert_eq!(encoder, Encoder::new());
        error.to_string()
    }

    #[test]
    fn a_body_of_unknown_length_goes_in_chunks_to_a_1_1_client() {
        let (bytes, finish) = encode(GET, 200, &[(b"X-A", b"b")], None, &["hello", "", " a longer part"]);
        let rest = "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n\
                    5\r\nhello\r\nE\r\n a longer part\r\n0\r\n\r\n";
        assert_eq!((bytes, finish), (format!("{START}{rest}"), Finish::KeepAlive));
    }

    #[test]
    fn a_body_of_unknown_length_ends_with_the_connection_for_a_1_0_client() {
        let (bytes, finish) = encode(GET_10, 200, &[], None, &["hello"]);
        let start = START.replace("1.1", "1.0");
        assert_eq!((bytes, finish), (format!("{start}Connection: close\r\n\r\nhello"), Finish::Close));
    }

    #[test]
    fn a_known_length_is_announced_unless_the_application_does_so() {
        let (bytes, finish) = encode(GET_10, 200, &[], Some(5), &["hello"]);
        assert!(bytes.ends_with("Connection: keep-alive\r\nContent-Length: 5\r\n\r\nhello"), "{bytes}");
        assert_eq!(finish, Finish::KeepAlive);
        let (bytes, _) = encode(GET, 200, &[(b"content-length", b" 3 ")], Some(5), &["hello"]);
        assert!(bytes.ends_with("\r\ncontent-length: 3\r\n\r\nhel"), "{bytes}");
        assert_eq!(bytes.matches("ength").count(), 1);
    }

    #[test]
    fn bytes_beyond_the_content_length_are_dropped_and_missing_ones_close() {
        let fields: Fields<'_> = &[(b"Content-Length", b"7")];
        assert_eq!(encode(GET, 200, fields, None, &["hello", "world"]).1, Finish::KeepAlive);
        let (bytes, finish) = encode(GET, 200, fields, None, &["hello"]);
        assert!(bytes.ends_with("\r\n\r\nhello"));
        assert_eq!(finish, Finish::Incomplete);
    }

    #[test]
    fn head_204_and_304_have_no_body_and_keep_the_connection() {
        let fields: Fields<'_> = &[(b"Content-Length", b"5")];
        for (request, status, announced) in [(HEAD, 200, true), (GET, 304, true), (GET, 204, false), (HEAD, 204, false)]
        {
            let (bytes, finish) = encode(request, status, fields, None, &["hello"]);
            assert!(bytes.ends_with("\r\n\r\n"), "{bytes}");
            assert_eq!(bytes.contains("Content-Length: 5"), announced, "{status}");
            assert_eq!(finish, Finish::KeepAlive);
        }
        let (bytes, _) = encode(HEAD, 200, &[], Some(0), &[]);
        assert!(!bytes.contains("Content-Length") && !bytes.contains("chunked"), "{bytes}");
    }

    #[test]
    fn the_connection_is_not_the_applications() {
        let fields: Fields<'_> = &[
            (b"Connection", b"keep-alive"),
            (b"Transfer-Encoding", b"gzip"),
            (b"SERVER", b"x"),
            (b"Date", b"x"),
            (b"Keep-Alive", b"x"),
            (b"Upgrade", b"h2c"),
            (b"Trailer", b"kept"),
        ];
        let (bytes, finish) = encode(RequestContext { keep_alive: false, ..GET }, 200, fields, Some(0), &[]);
        assert_eq!(bytes, format!("{START}Connection: close\r\nContent-Length: 0\r\nTrailer: kept\r\n\r\n"));
        assert_eq!(finish, Finish::Close);
    }

    #[test]
    fn an_upgrade_to_websocket_passes_and_ends_http() {
        let fields: Fields<'_> = &[(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")];
        let (bytes, finish) = encode(GET, 101, fields, None, &[]);
        assert!(bytes.ends_with("Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"), "{bytes}");
        assert_eq!(finish, Finish::Close);
    }

    #[test]
    fn a_response_cannot_be_split() {
        assert_eq!(error(200, b"OK", &[(b"X", b"a\r\nY: b")]), "invalid value of response header \"X\"");
        assert_eq!(error(200, b"OK", &[(b"X", b"a\nb")]), "invalid value of response header \"X\"");
        assert_eq!(error(200, b"OK", &[(b"X", b"a\0")]), "invalid value of response header \"X\"");
        assert_eq!(error(200, b"OK", &[(b"X\r\nY", b"b")]), "invalid response header name \"X\\r\\nY\"");
        assert_eq!(error(200, b"OK", &[(b"", b"b")]), "invalid response header name \"\"");
        assert_eq!(error(200, b"OK\r\nX: y", &[]), "invalid status \"200 OK\\r\\nX: y\"");
        assert_eq!(error(100, b"Continue", &[]), "invalid status \"100 Continue\"");
        assert_eq!(error(1000, b"", &[]), "invalid status \"1000 \"");
    }

    #[test]
    fn a_content_length_is_one_number() {
        for value in ["x", "-1", "", "5, 5", "18446744073709551616"] {
            let field: (&[u8], &[u8]) = (b"Content-Length", value.as_bytes());
            assert_eq!(error(200, b"OK", &[field]), format!("invalid Content-Length {value:?}"));
        }
        assert_eq!(
            error(200, b"OK", &[(b"Content-Length", b"1"), (b"content-length", b"2")]),
            "invalid Content-Length \"2\""
        );
        let (bytes, _) = encode(GET, 200, &[(b"Content-Length", b"1"), (b"content-length", b"01")], None, &["x"]);
        assert_eq!(bytes.matches("ength").count(), 1);
    }

    #[test]
    fn a_chunk_of_any_size_has_its_size_line() {
        assert_eq!(SizeLine::new(1).bytes(), b"1\r\n");
        assert_eq!(SizeLine::new(0xabcdef).bytes(), b"ABCDEF\r\n");
        assert_eq!(SizeLine::new(usize::MAX).bytes(), b"FFFFFFFFFFFFFFFF\r\n");
    }
}

//! Why a message is refused: one rule each, with its status and the section of the RFC, or other
//! specification, that it enforces.

use std::fmt;

/// Most offending bytes kept for the log.
const EXCERPT_BYTES: usize = 64;

/// What a message broke. The table in `Rule::facts` is the only place where a rule meets its status and its section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A line ends in LF without CR.
    BareLf,
    /// A CR that no LF follows.
    BareCr,
    /// The request line is not `method SP target SP version`.
    RequestLine,
    /// The request line is longer than `limit_request_line`.
    RequestLineTooLong,
    /// The method is not a token, or not one that gunicorn takes (upper case, 3 to 20 bytes).
    Method,
    /// The target holds a byte that no URI may hold, or a fragment.
    TargetByte,
    /// The target has none of the four forms, or one that its method does not allow.
    TargetForm,
    /// A method other than OPTIONS for `*`, the server as a whole.
    AsteriskMethod,
    /// The authority of the target is not one of an `http` or `https` URI.
    TargetAuthority,
    /// The target has a scheme whose resources are not served here.
    ForeignScheme,
    /// The version is not `HTTP/` digit `.` digit.
    VersionToken,
    /// A version of HTTP that is not spoken here.
    VersionUnsupported,
    /// A field line without a colon, or without a name.
    FieldLine,
    /// A field name is not a token.
    FieldName,
    /// White space between a field name and its colon.
    FieldNameSpace,
    /// A field line that continues the one before it.
    ObsoleteFolding,
    /// A control character in a field value.
    FieldValue,
    /// A field line is longer than `limit_request_field_size`.
    FieldTooLong,
    /// More field lines than `limit_request_fields`.
    TooManyFields,
    /// The head is longer than the bound on heads.
    HeadTooLong,
    /// A 1.1 request without Host.
    HostMissing,
    /// More than one Host.
    HostRepeated,
    /// Host is not `uri-host [ ":" port ]`.
    HostValue,
    /// Host names another authority than the target.
    HostMismatch,
    /// A field that can occur once occurs again.
    FieldRepeated,
    /// A field name with an underscore, which an environ cannot tell from one with a hyphen.
    FieldNameAmbiguous,
    /// A trusted proxy tells two schemes.
    SchemeContradiction,
    /// Content-Length is not a number.
    ContentLength,
    /// More than one Content-Length, equal or not.
    ContentLengthRepeated,
    /// Content-Length beside Transfer-Encoding.
    ContentLengthWithTransferEncoding,
    /// Transfer-Encoding is not a list of codings, names chunked twice, or does not end with it.
    TransferEncoding,
    /// Transfer-Encoding in a message older than 1.1.
    TransferEncodingVersion,
    /// A transfer coding other than chunked.
    TransferCodingUnsupported,
    /// The body is longer than the bound on bodies.
    BodyTooLong,
    /// An expectation other than 100-continue.
    Expectation,
    /// A chunk size is not 1 to 16 hexadecimal digits.
    ChunkSize,
    /// A chunk extension breaks its grammar.
    ChunkExtension,
    /// The chunk extensions of one body are longer than their bound.
    ChunkExtensionsTooLong,
    /// Chunk data are not followed by CRLF.
    ChunkEnd,
    /// A trailer field that would change framing, routing or authentication.
    TrailerForbidden,
    /// The trailer section is longer than its bound.
    TrailersTooLong,
    /// The head has taken too long to arrive.
    HeadTime,
    /// The body pauses for too long, or keeps too low a rate.
    BodyTime,
    /// A header of the PROXY protocol that is not well-formed, or tells of a transport other than TCP.
    ProxyHeader,
    /// A header of the PROXY protocol from a peer that is not in `proxy_allow_ips`.
    ProxyForbidden,
    /// A WebSocket is asked for by another method than GET.
    WebSocketMethod,
    /// A request for a WebSocket has a body.
    WebSocketBody,
    /// Sec-WebSocket-Key is not there once, or not 16 bytes in base64.
    WebSocketKey,
    /// Sec-WebSocket-Version is not there once.
    WebSocketVersion,
    /// A version of the WebSocket protocol that is not spoken here.
    WebSocketVersionUnsupported,
    /// Sec-WebSocket-Protocol is not a list of tokens.
    WebSocketProtocol,
    /// Sec-WebSocket-Extensions breaks its grammar.
    WebSocketExtensions,
}

impl Rule {
    /// Status of the answer, and the rule's name with the section that it enforces.
    const fn facts(self) -> (u16, &'static str) {
        match self {
            Self::BareLf => (400, "bare-lf (RFC 9112 2.2)"),
            Self::BareCr => (400, "bare-cr (RFC 9112 2.2)"),
            Self::RequestLine => (400, "request-line (RFC 9112 3)"),
            Self::RequestLineTooLong => (414, "request-line-length (RFC 9112 3)"),
            Self::Method => (400, "method (RFC 9110 9.1)"),
            Self::TargetByte => (400, "target-byte (RFC 3986 2)"),
            Self::TargetForm => (400, "target-form (RFC 9112 3.2)"),
            Self::AsteriskMethod => (405, "asterisk-method (RFC 9110 9.3.7)"),
            Self::ForeignScheme => (421, "foreign-scheme (RFC 9110 7.4)"),
            Self::TargetAuthority => (400, "target-authority (RFC 9110 4.2)"),
            Self::VersionToken => (400, "version-token (RFC 9112 2.3)"),
            Self::VersionUnsupported => (505, "version (RFC 9110 2.5)"),
            Self::FieldLine => (400, "field-line (RFC 9112 5)"),
            Self::FieldName => (400, "field-name (RFC 9110 5.1)"),
            Self::FieldNameSpace => (400, "field-name-space (RFC 9112 5.1)"),
            Self::ObsoleteFolding => (400, "obs-fold (RFC 9112 5.2)"),
            Self::FieldValue => (400, "field-value (RFC 9110 5.5)"),
            Self::FieldTooLong => (431, "field-length (RFC 6585 5)"),
            Self::TooManyFields => (431, "field-count (RFC 6585 5)"),
            Self::HeadTooLong => (431, "head-length (RFC 6585 5)"),
            Self::HostMissing => (400, "host-missing (RFC 9112 3.2)"),
            Self::HostRepeated => (400, "host-repeated (RFC 9112 3.2)"),
            Self::HostValue => (400, "host-value (RFC 9110 7.2)"),
            Self::HostMismatch => (400, "host-mismatch (RFC 9112 3.2.2)"),
            Self::FieldRepeated => (400, "field-repeated (RFC 9110 5.3)"),
            Self::FieldNameAmbiguous => (400, "field-name-ambiguous (RFC 9110 17.10)"),
            Self::SchemeContradiction => (400, "scheme-contradiction (setting secure_scheme_headers)"),
            Self::ContentLength => (400, "content-length (RFC 9110 8.6)"),
            Self::ContentLengthRepeated => (400, "content-length-repeated (RFC 9112 6.3)"),
            Self::ContentLengthWithTransferEncoding => (400, "content-length-and-chunked (RFC 9112 6.1)"),
            Self::TransferEncoding => (400, "transfer-encoding (RFC 9112 6.3)"),
            Self::TransferEncodingVersion => (400, "transfer-encoding-version (RFC 9112 6.1)"),
            Self::TransferCodingUnsupported => (501, "transfer-coding (RFC 9112 6.1)"),
            Self::BodyTooLong => (413, "body-length (RFC 9110 15.5.14)"),
            Self::Expectation => (417, "expect (RFC 9110 10.1.1)"),
            Self::ChunkSize => (400, "chunk-size (RFC 9112 7.1)"),
            Self::ChunkExtension => (400, "chunk-ext (RFC 9112 7.1.1)"),
            Self::ChunkExtensionsTooLong => (400, "chunk-ext-length (RFC 9112 7.1.1)"),
            Self::ChunkEnd => (400, "chunk-end (RFC 9112 7.1)"),
            Self::TrailerForbidden => (400, "trailer-forbidden (RFC 9110 6.5.1)"),
            Self::TrailersTooLong => (431, "trailer-length (RFC 6585 5)"),
            Self::HeadTime => (408, "head-time (setting client_header_timeout)"),
            Self::BodyTime => (408, "body-time (settings client_body_timeout, client_min_rate)"),
            Self::ProxyHeader => (400, "proxy-header (PROXY protocol 2)"),
            Self::ProxyForbidden => (403, "proxy-forbidden (PROXY protocol 2)"),
            Self::WebSocketMethod => (400, "websocket-method (RFC 6455 4.2.1)"),
            Self::WebSocketBody => (400, "websocket-body (RFC 6455 4.2.1)"),
            Self::WebSocketKey => (400, "websocket-key (RFC 6455 4.2.1)"),
            Self::WebSocketVersion => (400, "websocket-version (RFC 6455 4.2.1)"),
            Self::WebSocketVersionUnsupported => (426, "websocket-version-unsupported (RFC 6455 4.4)"),
            Self::WebSocketProtocol => (400, "websocket-protocol (RFC 6455 11.3.4)"),
            Self::WebSocketExtensions => (400, "websocket-extensions (RFC 6455 9.1)"),
        }
    }
}

/// A refused message: which rule it broke, and the first of the bytes that broke it. After it nothing on the
/// connection can be read as a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolError {
    rule: Rule,
    excerpt: Box<[u8]>,
}

impl ProtocolError {
    /// The rule broken by `offending`, of which the first bytes are kept.
    pub(crate) fn new(rule: Rule, offending: &[u8]) -> Self {
        Self { rule, excerpt: offending.get(..EXCERPT_BYTES).unwrap_or(offending).into() }
    }

    /// Status of the answer.
    pub fn status(&self) -> u16 {
        self.rule.facts().0
    }

    /// Name of the rule, with the section that it enforces. Fit to be shown to the client: holds none of its bytes.
    pub fn rule(&self) -> &'static str {
        self.rule.facts().1
    }

    /// The rule.
    pub fn kind(&self) -> Rule {
        self.rule
    }
}

impl fmt::Display for ProtocolError {
    /// For the log: the offending bytes are escaped, so that they cannot forge a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.excerpt.is_empty() {
            true => f.write_str(self.rule()),
            false => write!(f, "{}: \"{}\"", self.rule(), self.excerpt.escape_ascii()),
        }
    }
}

impl std::error::Error for ProtocolError {}

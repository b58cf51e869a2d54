//! The fields of a response: which of the application's are sent, and the few that the server adds.

use crate::http::syntax::{is_token, is_value, parse_decimal, trim};
use crate::http::{ResponseError, ResponseHead, Version};

/// Value of the field Server.
const SERVER: &[u8] = b"gunicorn-rs";

/// What becomes of a field that the application gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Sent as it is.
    Plain,
    /// Decides the framing, and is sent by it.
    ContentLength,
    /// Not sent; may announce an upgrade.
    Connection,
    /// Sent if it names WebSocket.
    Upgrade,
    /// Not sent: it belongs to the connection (PEP 3333, "hop-by-hop"). gunicorn's list.
    HopByHop,
    /// Not sent: the server sets it.
    Dropped,
}

impl Role {
    /// Names are told apart by length first: almost all fields are plain.
    fn of(name: &[u8]) -> Self {
        let (known, role): (&[u8], Self) = match name.len() {
            2 => (b"te", Self::HopByHop),
            4 => (b"date", Self::Dropped),
            6 => (b"server", Self::Dropped),
            7 => (b"upgrade", Self::Upgrade),
            8 => (b"trailers", Self::HopByHop),
            10 if name.eq_ignore_ascii_case(b"keep-alive") => return Self::HopByHop,
            10 => (b"connection", Self::Connection),
            14 => (b"content-length", Self::ContentLength),
            17 => (b"transfer-encoding", Self::HopByHop),
            18 => (b"proxy-authenticate", Self::HopByHop),
            19 => (b"proxy-authorization", Self::HopByHop),
            _ => return Self::Plain,
        };
        if name.eq_ignore_ascii_case(known) { role } else { Self::Plain }
    }
}

/// What the application's fields say about the response as a whole. All of them are valid.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// Content-Length, in bytes.
    pub(super) content_length: Option<u64>,
    /// The response switches to WebSocket, as gunicorn understands it: the connection is not HTTP's any more.
    pub(super) upgrade: bool,
    /// Some of them are the connection's, and are not sent.
    pub(super) hop_by_hop: bool,
    /// Room for the encoded fields, in bytes.
    pub(super) bytes: usize,
}

impl Summary {
    /// Checks all fields.
    pub(super) fn of(fields: &[(&[u8], &[u8])]) -> Result<Self, ResponseError> {
        let mut summary = Self::default();
        for &(name, value) in fields {
            check_field(name, value)?;
            summary.bytes += name.len() + value.len() + b": \r\n".len();
            match Role::of(name) {
                Role::ContentLength => summary.note_content_length(trim(value))?,
                Role::Connection if trim(value).eq_ignore_ascii_case(b"upgrade") => summary.upgrade = true,
                Role::Connection | Role::HopByHop => summary.hop_by_hop = true,
                Role::Plain | Role::Upgrade | Role::Dropped => {}
            }
        }
        Ok(summary)
    }

    fn note_content_length(&mut self, value: &[u8]) -> Result<(), ResponseError> {
        match parse_decimal(value) {
            Ok(length) if self.content_length.is_none_or(|known| known == length) => {
                self.content_length = Some(length);
                Ok(())
            }
            _ => Err(ResponseError::ContentLength(shown(value))),
        }
    }
}

/// RFC 9110, sections 5.1 and 5.5. The value may be a secret, so the error holds only the name.
fn check_field(name: &[u8], value: &[u8]) -> Result<(), ResponseError> {
    match (is_token(name), is_value(value)) {
        (true, true) => Ok(()),
        (false, _) => Err(ResponseError::FieldName(shown(name))),
        (true, false) => Err(ResponseError::FieldValue(shown(name))),
    }
}

/// Checks status line and fields.
pub(crate) fn check(head: &ResponseHead<'_>) -> Result<(), ResponseError> {
    check_status(head)?;
    Summary::of(head.fields).map(drop)
}

/// Checks fields alone.
pub(crate) fn check_fields(fields: &[(&[u8], &[u8])]) -> Result<(), ResponseError> {
    Summary::of(fields).map(drop)
}

/// A status that a final response may have, or 101; and a reason phrase that cannot end the line.
pub(super) fn check_status(head: &ResponseHead<'_>) -> Result<(), ResponseError> {
    if matches!(head.status, 101 | 200..=999) && is_value(head.reason) {
        return Ok(());
    }
    Err(ResponseError::Status(format!("{} {}", head.status, shown(head.reason))))
}

/// Bytes of the application's for an error message: latin-1, as PEP 3333 wants them.
fn shown(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// `HTTP/1.x status reason CRLF`. The space before an empty reason must be there (RFC 9112, section 4).
pub(crate) fn append_status_line(version: Version, status: u16, reason: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(match version {
        Version::Http10 => b"HTTP/1.0 ",
        Version::Http11 => b"HTTP/1.1 ",
    });
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

/// Server and Date, which every response has.
pub(crate) fn append_common(date: &[u8], out: &mut Vec<u8>) {
    append_field(b"Server", SERVER, out);
    append_field(b"Date", date, out);
}

/// `Content-Length`.
pub(super) fn append_content_length(length: u64, out: &mut Vec<u8>) {
    append_field(b"Content-Length", itoa::Buffer::new().format(length).as_bytes(), out);
}

/// Those of the application's checked fields that are sent, in its order; its Content-Length, where it is sent at all,
/// once.
pub(super) fn append_fields(fields: &[(&[u8], &[u8])], mut keeps_length: bool, out: &mut Vec<u8>) {
    for &(name, value) in fields {
        let value = trim(value);
        match Role::of(name) {
            Role::Plain => append_field(name, value, out),
            Role::Upgrade if value.eq_ignore_ascii_case(b"websocket") => append_field(name, value, out),
            Role::ContentLength if keeps_length => {
                keeps_length = false;
                append_field(name, value, out);
            }
            Role::ContentLength | Role::Connection | Role::Upgrade | Role::HopByHop | Role::Dropped => {}
        }
    }
}

/// Those of the application's checked fields that say nothing about connection or framing.
pub(crate) fn append_plain_fields(fields: &[(&[u8], &[u8])], out: &mut Vec<u8>) {
    for &(name, value) in fields.iter().filter(|(name, _)| Role::of(name) == Role::Plain) {
        append_field(name, trim(value), out);
    }
}

/// One field line.
pub(crate) fn append_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

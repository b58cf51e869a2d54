//! A response as the application gives it, and why it may be refused.

use crate::http::h1;

/// The status line and fields of a response, as the application gave them.
#[derive(Debug, Clone, Copy)]
pub struct ResponseHead<'a> {
    /// Status code, 200..=999; 101 ends HTTP on the connection.
    pub status: u16,
    /// Reason phrase; may be empty.
    pub reason: &'a [u8],
    /// Field names and values, in order.
    pub fields: &'a [(&'a [u8], &'a [u8])],
}

impl ResponseHead<'_> {
    /// Whether this head can be sent: what [`h1::Encoder::start`] checks, without encoding anything.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self) -> Result<(), ResponseError> {
        h1::check(self)
    }
}

/// Why a response could not be accepted. Nothing of the rejected part has been sent.
#[derive(Debug, thiserror::Error)]
pub enum ResponseError {
    /// A field name is not a token (RFC 9110, section 5.1).
    #[error("invalid response header name {0:?}")]
    FieldName(String),
    /// A field value holds CR, LF, NUL or another control character (RFC 9110, section 5.5).
    #[error("invalid value of response header {0:?}")]
    FieldValue(String),
    /// The reason phrase holds a control character, or the code is out of range.
    #[error("invalid status {0:?}")]
    Status(String),
    /// Content-Length is not a number, or is given twice with different values.
    #[error("invalid Content-Length {0:?}")]
    ContentLength(String),
    /// A field that only the server may set in this response.
    #[error("response header {0:?} is not the application's to set")]
    ReservedField(String),
    /// The client has gone, or was too slow for the time it has; the response cannot be completed.
    #[error("the client has gone")]
    Gone,
}

//! What an access log line can say about one request: plain bytes, borrowed for the time of writing.

use std::borrow::Cow;
use std::time::Duration;

/// Named values: header fields, or the application's environment.
pub trait Lookup {
    /// The value of a name, whose case does not matter; `name` is in lower case. Several values of one name are
    /// [`joined`].
    fn get(&self, name: &[u8]) -> Option<Cow<'_, [u8]>>;
}

/// The values of one field: joined by commas when there are several (RFC 9110, section 5.3), so that none of them stays
/// out of sight.
pub fn joined<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Option<Cow<'a, [u8]>> {
    let first = Cow::Borrowed(values.next()?);
    Some(values.fold(first, |mut all, value| {
        all.to_mut().push(b',');
        all.to_mut().extend_from_slice(value);
        all
    }))
}

/// One request that has been answered.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// Address of the client without its port; empty for a Unix socket.
    pub peer: &'a [u8],
    /// Method, as sent.
    pub method: &'a [u8],
    /// Request target, as sent.
    pub target: &'a [u8],
    /// Path of the target, percent-encoded.
    pub path: &'a [u8],
    /// Query of the target, without the `?`.
    pub query: &'a [u8],
    /// Such as `HTTP/1.1`.
    pub protocol: &'a [u8],
    /// Status code sent; 0: none was.
    pub status: u16,
    /// Bytes of the response's body that were sent.
    pub length: u64,
    /// From the arrival of the request to the end of its response.
    pub duration: Duration,
    /// Header fields of the request.
    pub request_headers: &'a dyn Lookup,
    /// Header fields of the response.
    pub response_headers: &'a dyn Lookup,
    /// The application's environment (`environ` in WSGI).
    pub environ: &'a dyn Lookup,
}

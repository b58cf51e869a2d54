//! One request and its response, checked out of the reactor while the application runs (skeleton).

use std::fs::File;

use crate::http::Head;
pub use crate::http::{ResponseError, ResponseHead};
use crate::net::Address;

/// A request body that has arrived whole.
#[derive(Debug)]
pub enum RequestBody {
    /// In memory; empty when there is none.
    Memory(Vec<u8>),
    /// In an unlinked temporary file, positioned at its start, and its length in bytes.
    File(File, u64),
}

/// Bytes that somebody else owns (a Python `bytes`, say) and that are sent without being copied.
pub trait Payload: AsRef<[u8]> + Send {}
impl<T: AsRef<[u8]> + Send> Payload for T {}

/// One request and its response. Owns the connection while it lives; goes back by `Reactor::complete`.
#[derive(Debug)]
pub struct Exchange {}

impl Exchange {
    /// The request's head.
    pub fn head(&self) -> Head<'_> {
        unimplemented!()
    }

    /// The other end.
    pub fn peer(&self) -> &Address {
        unimplemented!()
    }

    /// Our end: what the listener is bound to.
    pub fn local(&self) -> &Address {
        unimplemented!()
    }

    /// Whether the transport is encrypted (`https`).
    pub fn is_tls(&self) -> bool {
        false
    }

    /// Descriptor of the client's socket, for `gunicorn.socket`. Owned by the exchange.
    pub fn as_raw_fd(&self) -> std::os::fd::RawFd {
        unimplemented!()
    }

    /// Takes the body out; a second call gives an empty one.
    pub fn take_body(&mut self) -> RequestBody {
        unimplemented!()
    }

    /// Sends a 103 at once (RFC 8297). Does nothing to a 1.0 client or when the response has started.
    ///
    /// # Errors
    /// A field that cannot be sent.
    pub fn early_hints(&mut self, _fields: &[(&[u8], &[u8])]) -> Result<(), ResponseError> {
        unimplemented!()
    }

    /// Starts the final response: checks and encodes the head, decides the framing. The bytes leave with the first
    /// `write`, or with `finish`. `body_length` is what the caller knows of the body when it has the whole
    /// of it in hand (used only if the fields hold no Content-Length).
    ///
    /// # Errors
    /// A head that cannot be sent; then nothing has changed and another head may be started.
    pub fn start(&mut self, _head: &ResponseHead<'_>, _body_length: Option<u64>) -> Result<(), ResponseError> {
        unimplemented!()
    }

    /// Whether any byte of the final response may have left (after that, only `abort` can end it early).
    pub fn is_head_sent(&self) -> bool {
        unimplemented!()
    }

    /// Sends a part of the body. Bytes beyond the Content-Length are dropped, bytes for a response without a body
    /// (HEAD, 204, 304) too. Takes what the socket does not take at once into the output buffer; waits for the client
    /// when that is full.
    ///
    /// # Errors
    /// [`ResponseError::Gone`].
    pub fn write(&mut self, _data: &[u8]) -> Result<(), ResponseError> {
        unimplemented!()
    }

    /// As `write`, without copying what the socket does not take at once.
    ///
    /// # Errors
    /// [`ResponseError::Gone`].
    pub fn write_owned(&mut self, _data: Box<dyn Payload>) -> Result<(), ResponseError> {
        unimplemented!()
    }

    /// Sends `length` bytes of `file` from `offset`, by sendfile(2) where the transport can.
    ///
    /// # Errors
    /// [`ResponseError::Gone`].
    pub fn send_file(&mut self, _file: File, _offset: u64, _length: u64) -> Result<(), ResponseError> {
        unimplemented!()
    }

    /// Ends the response: flushes the head if the body was empty, writes the last chunk. A response that
    /// fell short of its Content-Length closes the connection.
    ///
    /// # Errors
    /// [`ResponseError::Gone`].
    pub fn finish(&mut self) -> Result<(), ResponseError> {
        unimplemented!()
    }

    /// Answers with this status and, where there is something to say, `detail`, instead of the application; the
    /// connection is closed after it. Cuts the response if its head has been sent.
    pub fn refuse(&mut self, _status: u16, _detail: &str) {
        unimplemented!()
    }

    /// Cuts the response: what is buffered may still leave, then the connection is closed without the last chunk,
    /// so that the client sees that it is incomplete.
    pub fn abort(&mut self) {
        unimplemented!()
    }

    /// Status sent (0: none yet) and body bytes sent so far, for the access log.
    pub fn sent(&self) -> (u16, u64) {
        unimplemented!()
    }
}

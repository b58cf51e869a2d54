//! How far the response to a request has come.

use crate::http::h1::Encoder;

/// Whether the application may still add to the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Stage {
    /// It may.
    #[default]
    Open,
    /// It is complete; the connection may carry another request.
    KeepAlive,
    /// It is as complete as it gets; the connection is to be closed when all is sent.
    Close,
    /// The client has gone: nothing can be sent.
    Gone,
}

/// The response of one request.
#[derive(Debug, Default)]
pub(super) struct Response {
    pub(super) encoder: Encoder,
    pub(super) stage: Stage,
    /// The encoded head, which is kept after it has left, for the access log.
    pub(super) head: Vec<u8>,
    /// Whether any of the head may have left.
    pub(super) is_head_sent: bool,
    /// Bytes of body that the application has given, those beyond the Content-Length included.
    pub(super) given: u64,
    /// 0 before the start.
    pub(super) status: u16,
}

impl Response {
    /// Makes it ready for another request; keeps the memory.
    pub(super) fn reset(&mut self) {
        self.encoder = Encoder::new();
        self.stage = Stage::Open;
        self.head.clear();
        self.is_head_sent = false;
        self.given = 0;
        self.status = 0;
    }

    pub(super) fn head_capacity(&self) -> usize {
        self.head.capacity()
    }
}

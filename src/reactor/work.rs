//! What a connection needs only while a request is on it. Idle connections have none of it, and the few that are
//! at work share a few of these: so the memory that a request touches is warm, and ten thousand idle clients are cheap.

use std::sync::Arc;

use super::body::{Held, RequestBody};
use super::buffers::Buffers;
use super::input::Input;
use super::response::Response;
use super::streaming::BodyError;
use crate::http::h1::BodyDecoder;
use crate::http::{Framing, ParsedHead};

/// Most of these that are kept for later: as many as one turn hands out.
const KEPT: usize = super::EXCHANGES as usize;

/// Longest buffer for response heads that is kept for later, in bytes.
const KEPT_HEAD_BYTES: usize = 16 * 1024;

/// The state of one request and its response.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) input: Input,
    pub(super) head: ParsedHead,
    pub(super) decoder: BodyDecoder,
    pub(super) body: RequestBody,
    /// What the body holds, whoever has it, until the request is done with.
    pub(super) held: Held,
    /// Why the rest of the body cannot be had.
    pub(super) body_error: Option<BodyError>,
    pub(super) response: Response,
}

impl Work {
    fn new(buffers: &Buffers) -> Self {
        let head = ParsedHead::default();
        Self {
            input: Input::new(&buffers.memory),
            decoder: BodyDecoder::new(head.framing),
            head,
            body: RequestBody::default(),
            held: Held::new(buffers),
            body_error: None,
            response: Response::default(),
        }
    }

    /// The request is done with; bytes of the next one may be there.
    pub(super) fn next_request(&mut self) {
        self.input.next_message();
        self.reset();
    }

    fn reset(&mut self) {
        self.head.scan = Default::default();
        self.body = RequestBody::default();
        self.held.clear();
        // The body may have been left unread.
        self.decoder = BodyDecoder::new(Framing::Length(0));
        self.body_error = None;
        self.response.reset();
    }
}

/// Unused ones.
#[derive(Debug)]
#[expect(clippy::vec_box, reason = "boxed they come and boxed they go: only the pointer moves")]
pub(super) struct WorkPool {
    kept: Vec<Box<Work>>,
    buffers: Arc<Buffers>,
}

impl WorkPool {
    /// An empty pool.
    pub(super) fn new(buffers: &Arc<Buffers>) -> Self {
        Self { kept: Vec::new(), buffers: Arc::clone(buffers) }
    }

    /// A fresh one.
    pub(super) fn take(&mut self) -> Box<Work> {
        self.kept.pop().unwrap_or_else(|| Box::new(Work::new(&self.buffers)))
    }

    /// Takes one back.
    pub(super) fn give(&mut self, mut work: Box<Work>) {
        if self.kept.len() < KEPT && work.input.is_small() && work.response.head_capacity() <= KEPT_HEAD_BYTES {
            work.input.clear();
            work.reset();
            self.kept.push(work);
        }
    }
}

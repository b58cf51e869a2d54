//! A frame on its way out: its head, and its payload as it lies.

use std::borrow::Cow;

use super::frame::{HEAD_BYTES, Opcode, encode_head};

/// An encoded frame. The payload of what is not compressed is the caller's own, so that it need not be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing<'p> {
    head: [u8; HEAD_BYTES],
    head_bytes: usize,
    payload: Cow<'p, [u8]>,
}

impl<'p> Outgoing<'p> {
    pub(super) fn new(opcode: Opcode, is_compressed: bool, payload: Cow<'p, [u8]>) -> Self {
        let (head, head_bytes) = encode_head(opcode, is_compressed, payload.len());
        Self { head, head_bytes, payload }
    }

    /// What goes first.
    pub fn head(&self) -> &[u8] {
        self.head.get(..self.head_bytes).unwrap_or_default()
    }

    /// What follows.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The payload, to be kept.
    pub fn into_payload(self) -> Cow<'p, [u8]> {
        self.payload
    }

    /// Appends both.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        out.reserve(self.head_bytes + self.payload.len());
        out.extend_from_slice(self.head());
        out.extend_from_slice(&self.payload);
    }
}

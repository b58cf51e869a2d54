//! What the server sends: each message is one frame, compressed where that was agreed upon.

use std::borrow::Cow;

use super::close::Close;
use super::deflate::Deflater;
use super::frame::{CONTROL_BYTES, Opcode};
use super::negotiation::Deflate;
use super::outgoing::Outgoing;

/// Shorter messages are sent as they are: there is little to win. RFC 7692, section 6, leaves the choice for each.
const LEAST_BYTES: usize = 64;

/// Encodes frames, in the order in which they are to be sent: what is compressed refers to what was sent before it.
#[derive(Debug)]
pub struct Sender {
    deflater: Option<Deflater>,
}

impl Sender {
    /// A sender that compresses, if that was agreed upon.
    pub fn new(agreed: Option<Deflate>) -> Self {
        Self { deflater: agreed.map(Deflater::new) }
    }

    /// A text message.
    pub fn text<'p>(&mut self, text: &'p str) -> Outgoing<'p> {
        self.message(Opcode::Text, text.as_bytes())
    }

    /// A binary message.
    pub fn binary<'p>(&mut self, payload: &'p [u8]) -> Outgoing<'p> {
        self.message(Opcode::Binary, payload)
    }

    fn message<'p>(&mut self, opcode: Opcode, payload: &'p [u8]) -> Outgoing<'p> {
        let deflater = self.deflater.as_mut().filter(|_| payload.len() >= LEAST_BYTES);
        match deflater.and_then(|deflater| deflater.message(payload)) {
            Some(compressed) => Outgoing::new(opcode, true, Cow::Owned(compressed)),
            None => Outgoing::new(opcode, false, Cow::Borrowed(payload)),
        }
    }

    /// A ping, with the first 125 bytes of the payload.
    pub fn ping<'p>(&self, payload: &'p [u8]) -> Outgoing<'p> {
        control(Opcode::Ping, Cow::Borrowed(payload.get(..CONTROL_BYTES).unwrap_or(payload)))
    }

    /// The answer to a ping, with its payload.
    pub fn pong<'p>(&self, payload: &'p [u8]) -> Outgoing<'p> {
        control(Opcode::Pong, Cow::Borrowed(payload.get(..CONTROL_BYTES).unwrap_or(payload)))
    }

    /// The last frame of all.
    pub fn close(&self, close: Close<'_>) -> Outgoing<'static> {
        control(Opcode::Close, Cow::Owned(close.payload()))
    }

    /// Frees the memory of the compression; see the module's documentation.
    pub fn forget(&mut self) {
        if let Some(deflater) = &mut self.deflater {
            deflater.forget();
        }
    }
}

fn control(opcode: Opcode, payload: Cow<'_, [u8]>) -> Outgoing<'_> {
    Outgoing::new(opcode, false, payload)
}

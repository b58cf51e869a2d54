//! WebSocket (RFC 6455) with permessage-deflate (RFC 7692) on the server's side, without I/O.
//!
//! ```text
//!  request head --> opening --> Opening --> handshake --> Handshake --> encode --> output (101)
//!                      |                                     |
//!                      v                                     v deflate
//!                ProtocolError                           WebSocket
//!
//!  input bytes --> WebSocket::feed --> Incoming: Text, Binary, Closed, Failed
//!                      |  Receiver: FrameHead, unmask, Inflater, UTF-8
//!                      '--> output (pongs, the answer to Close)
//!  application --> WebSocket::text, binary, close --> Outgoing: head and payload --> output
//!                         Sender: Deflater
//!  clock ------> WebSocket::on_time --> Action: Send (a ping), Disconnect
//! ```
//!
//! Whoever drives this keeps the bytes. [`WebSocket::feed`] consumes all but the beginning of a frame head or of a
//! control frame, 131 bytes at most, which are to be fed again with what follows them. A message that arrives in one
//! piece is unmasked where it lies and lent; any other is collected, and given away.
//!
//! Why not tungstenite's protocol layer, as was planned: it wants a stream to read from and write to; it takes a frame
//! only once all of it is there, so that bad UTF-8 shows only then; and it refuses the reserved bit by which
//! permessage-deflate marks what is compressed. What could be used of it (frame heads and masks) are a hundred lines.
//! It is the client in our tests instead.
//!
//! # What a connection costs
//!
//! Less than 200 bytes, and nothing on the heap but a message in progress and the contexts of the compression. Those
//! are allocated by the first message that needs them: a compressor with the default window (4 KiB) takes 161 KiB, with
//! the largest (32 KiB) 273 KiB, a decompressor 46 KiB. Where no context takeover was agreed upon they are gone after
//! each message. Else the compressor can be dropped at any time ([`WebSocket::forget_sent`]), at the price of the next
//! message being compressed like a first one; the decompressor must stay.

mod close;
mod deflate;
mod error;
mod extension;
mod frame;
mod handshake;
mod liveness;
mod mask;
mod negotiation;
mod outgoing;
mod receiver;
mod sender;
#[cfg(test)]
mod tests;
mod websocket;

pub use close::{Close, CloseCode};
pub use error::WsError;
pub use handshake::{Handshake, Opening, opening};
pub use negotiation::{Deflate, DeflateOptions};
pub use outgoing::Outgoing;
pub use receiver::{Event, Fed, Receiver};
pub use sender::Sender;
pub use websocket::{Action, Incoming, Loss, Options, Received, SendError, WebSocket};

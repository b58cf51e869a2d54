//! Why a connection is failed: one rule each, with the code of the Close that tells the client, and the section that it
//! enforces.

use std::fmt;

use super::close::CloseCode;

/// What the client broke. After it nothing that follows on the connection is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WsError {
    /// A reserved bit is set that nothing agreed upon gives a meaning.
    ReservedBits,
    /// An opcode that has no meaning.
    ReservedOpcode,
    /// A control frame that is not the last fragment of itself.
    ControlFragmented,
    /// A control frame of more than 125 bytes.
    ControlTooLong,
    /// A frame from a client that is not masked.
    Unmasked,
    /// A length that a shorter form could hold.
    LengthForm,
    /// A length of 64 bits.
    LengthTooLarge,
    /// A new message before the end of the last.
    MessageInMessage,
    /// A continuation of nothing.
    ContinuationOfNothing,
    /// The payload of a Close is one byte.
    CloseLength,
    /// A Close has a code that may not be sent.
    CloseCode,
    /// A text, or the reason of a Close, is not UTF-8.
    Utf8,
    /// A compressed message is not a DEFLATE stream.
    Deflate,
    /// The message is longer than `websocket_max_message_size`.
    MessageTooLong,
}

impl WsError {
    /// Code of the Close that answers it, and the rule's name with the section that it enforces.
    const fn facts(self) -> (CloseCode, &'static str) {
        const PROTOCOL: CloseCode = CloseCode::PROTOCOL_ERROR;
        match self {
            Self::ReservedBits => (PROTOCOL, "reserved bits (RFC 6455 5.2)"),
            Self::ReservedOpcode => (PROTOCOL, "reserved opcode (RFC 6455 5.2)"),
            Self::ControlFragmented => (PROTOCOL, "fragmented control frame (RFC 6455 5.5)"),
            Self::ControlTooLong => (PROTOCOL, "control frame length (RFC 6455 5.5)"),
            Self::Unmasked => (PROTOCOL, "mask missing (RFC 6455 5.1)"),
            Self::LengthForm => (PROTOCOL, "length not minimal (RFC 6455 5.2)"),
            Self::LengthTooLarge => (PROTOCOL, "length of 64 bits (RFC 6455 5.2)"),
            Self::MessageInMessage => (PROTOCOL, "continuation expected (RFC 6455 5.4)"),
            Self::ContinuationOfNothing => (PROTOCOL, "continuation of nothing (RFC 6455 5.4)"),
            Self::CloseLength => (PROTOCOL, "close length (RFC 6455 5.5.1)"),
            Self::CloseCode => (PROTOCOL, "close code (RFC 6455 7.4)"),
            Self::Utf8 => (CloseCode::INVALID_PAYLOAD, "UTF-8 (RFC 6455 8.1)"),
            Self::Deflate => (CloseCode::INVALID_PAYLOAD, "compressed data (RFC 7692 7.2.2)"),
            Self::MessageTooLong => (CloseCode::TOO_BIG, "message length (RFC 6455 10.4)"),
        }
    }

    /// Code of the Close that tells the client.
    pub fn code(self) -> CloseCode {
        self.facts().0
    }

    /// Name of the rule, with the section that it enforces. Fit to be shown to the client: holds none of its bytes.
    pub fn rule(self) -> &'static str {
        self.facts().1
    }
}

impl fmt::Display for WsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule())
    }
}

impl std::error::Error for WsError {}

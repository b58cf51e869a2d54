//! The payload of a Close frame: a code and a reason (RFC 6455, sections 5.5.1 and 7.4).

use super::error::WsError;
use super::frame::CONTROL_BYTES;

/// Room for a reason beside the code, in bytes.
const REASON_BYTES: usize = CONTROL_BYTES - 2;

/// Why a connection is closed: a number that may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// An endpoint goes away.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// The payload is not what its type says.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// The message is too big.
    pub const TOO_BIG: Self = Self(1009);
    /// The server met what it did not expect.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// The service restarts; the client may come again.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// There is no room for it now.
    pub const TRY_AGAIN_LATER: Self = Self(1013);

    /// `None`: the code may not be sent (section 7.4). 1004 has no meaning yet, 1005, 1006 and 1015 stand for what was
    /// not sent; up to 1014 is registered with IANA, 3000 to 4999 is for libraries and applications.
    pub fn new(code: u16) -> Option<Self> {
        matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999).then_some(Self(code))
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

/// What a Close says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Close<'a> {
    /// The code; an application sees 1005 where there is none.
    pub code: Option<CloseCode>,
    /// The reason; empty without a code.
    pub reason: &'a str,
}

impl<'a> Close<'a> {
    /// Reads the payload of a Close.
    pub(super) fn parse(payload: &'a [u8]) -> Result<Self, WsError> {
        match payload {
            [] => Ok(Self { code: None, reason: "" }),
            [_] => Err(WsError::CloseLength),
            [high, low, reason @ ..] => {
                let code = CloseCode::new(u16::from_be_bytes([*high, *low])).ok_or(WsError::CloseCode)?;
                let reason = str::from_utf8(reason).map_err(|_| WsError::Utf8)?;
                Ok(Self { code: Some(code), reason })
            }
        }
    }

    /// The payload. A reason that has no room is cut before a character.
    pub(super) fn payload(self) -> Vec<u8> {
        let Some(code) = self.code else { return Vec::new() };
        let end = (0..=REASON_BYTES).rev().find(|&end| self.reason.is_char_boundary(end)).unwrap_or_default();
        let reason = self.reason.get(..end).unwrap_or_default();
        [&code.0.to_be_bytes(), reason.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Autobahn's 7.7.x and 7.9.x, and what is registered since.
    #[test]
    fn codes_that_may_be_sent() {
        for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
            assert_eq!(CloseCode::new(code).map(CloseCode::get), Some(code));
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
            assert_eq!(CloseCode::new(code), None, "{code}");
        }
    }

    #[test]
    fn a_payload_is_nothing_or_a_code_and_a_reason() {
        assert_eq!(Close::parse(b""), Ok(Close { code: None, reason: "" }));
        assert_eq!(Close::parse(b"\x03"), Err(WsError::CloseLength));
        assert_eq!(Close::parse(b"\x03\xe8"), Ok(Close { code: Some(CloseCode::NORMAL), reason: "" }));
        assert_eq!(Close::parse(b"\x0f\xa0bye"), Ok(Close { code: CloseCode::new(4000), reason: "bye" }));
        assert_eq!(Close::parse(b"\x03\xedbye"), Err(WsError::CloseCode));
        assert_eq!(Close::parse(b"\x03\xe8\xce\xba\xe1"), Err(WsError::Utf8));
    }

    #[test]
    fn a_long_reason_is_cut_before_a_character() {
        let reason = "é".repeat(100);
        let payload = Close { code: Some(CloseCode::NORMAL), reason: &reason }.payload();
        assert_eq!(payload.len(), 124);
        assert_eq!(Close::parse(&payload), Ok(Close { code: Some(CloseCode::NORMAL), reason: &"é".repeat(61) }));
    }
}

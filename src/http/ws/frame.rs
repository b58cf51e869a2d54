//! The head of a frame (RFC 6455, section 5.2).

use super::error::WsError;
use super::mask::Mask;

/// Longest payload of a control frame, in bytes (RFC 6455, section 5.5); also the longest that a head of two bytes has.
pub(super) const CONTROL_BYTES: usize = 125;

/// Longest head of a frame that is not masked, in bytes.
pub(super) const HEAD_BYTES: usize = 10;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_AND_RSV3: u8 = 0x30;
const OPCODE: u8 = 0x0f;
const MASK: u8 = 0x80;
const LENGTH: u8 = 0x7f;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    fn of(first: u8) -> Option<Self> {
        const ALL: [Opcode; 6] =
            [Opcode::Continuation, Opcode::Text, Opcode::Binary, Opcode::Close, Opcode::Ping, Opcode::Pong];
        ALL.into_iter().find(|opcode| *opcode as u8 == first & OPCODE)
    }

    /// Section 5.5.
    pub(super) fn is_control(self) -> bool {
        self as u8 >= Self::Close as u8
    }
}

/// What a frame's head may be, besides well-formed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    /// permessage-deflate was agreed upon.
    pub(super) deflate: bool,
    /// A message has begun and not ended.
    pub(super) in_message: bool,
}

/// The head of a client's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) opcode: Opcode,
    /// The message, or the control frame, ends with this frame.
    pub(super) is_final: bool,
    /// The message is compressed (RFC 7692, section 6).
    pub(super) is_compressed: bool,
    pub(super) mask: Mask,
    /// Bytes of payload.
    pub(super) length: u64,
}

impl FrameHead {
    /// The head at the start of the input, and how many bytes it has; `None` when more of it must come. Each byte is
    /// judged as soon as it is there, and before those that follow it.
    pub(super) fn parse(input: &[u8], context: Context) -> Result<Option<(Self, usize)>, WsError> {
        let Some(&first) = input.first() else { return Ok(None) };
        let opcode = check_first(first, context)?;
        let Some(&second) = input.get(1) else { return Ok(None) };
        check_second(second, opcode)?;
        let Some((length, rest)) = parse_length(second & LENGTH, input.get(2..).unwrap_or_default())? else {
            return Ok(None);
        };
        let Some((key, rest)) = rest.split_first_chunk() else { return Ok(None) };
        let head = Self {
            opcode,
            is_final: first & FIN != 0,
            is_compressed: first & RSV1 != 0,
            mask: Mask::new(*key),
            length,
        };
        Ok(Some((head, input.len() - rest.len())))
    }
}

fn check_first(first: u8, context: Context) -> Result<Opcode, WsError> {
    let opcode = Opcode::of(first).ok_or(WsError::ReservedOpcode)?;
    // RFC 7692, section 6.1: the bit stands in the first frame of a message, and in no control frame.
    let may_compress = context.deflate && matches!(opcode, Opcode::Text | Opcode::Binary);
    if first & RSV2_AND_RSV3 != 0 || (first & RSV1 != 0 && !may_compress) {
        return Err(WsError::ReservedBits);
    }
    match opcode {
        Opcode::Continuation if !context.in_message => Err(WsError::ContinuationOfNothing),
        Opcode::Text | Opcode::Binary if context.in_message => Err(WsError::MessageInMessage),
        Opcode::Close | Opcode::Ping | Opcode::Pong if first & FIN == 0 => Err(WsError::ControlFragmented),
        _ => Ok(opcode),
    }
}

fn check_second(second: u8, opcode: Opcode) -> Result<(), WsError> {
    if second & MASK == 0 {
        return Err(WsError::Unmasked);
    }
    match opcode.is_control() && usize::from(second & LENGTH) > CONTROL_BYTES {
        true => Err(WsError::ControlTooLong),
        false => Ok(()),
    }
}

/// The length of the payload and what follows it. Section 5.2: in the shortest form that holds it, and below 2^63.
fn parse_length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, WsError> {
    let (length, least, rest) = match short {
        126 => match rest.split_first_chunk() {
            Some((bytes, rest)) => (u64::from(u16::from_be_bytes(*bytes)), 126, rest),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk() {
            Some((bytes, rest)) => (u64::from_be_bytes(*bytes), 0x1_0000, rest),
            None => return Ok(None),
        },
        short => (u64::from(short), 0, rest),
    };
    match length {
        length if length < least => Err(WsError::LengthForm),
        length if length >> 63 != 0 => Err(WsError::LengthTooLarge),
        length => Ok(Some((length, rest))),
    }
}

/// The head of a server's frame, which holds a whole message or control frame and is never masked (section 5.1), and
/// how many bytes it has.
pub(super) fn encode_head(opcode: Opcode, is_compressed: bool, length: usize) -> ([u8; HEAD_BYTES], usize) {
    let mut head = [0; HEAD_BYTES];
    head[0] = FIN | if is_compressed { RSV1 } else { 0 } | opcode as u8;
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if length <= CONTROL_BYTES => {
            head[1] = short;
            (head, 2)
        }
        (_, Ok(medium)) => {
            head[1] = 126;
            head[2..4].copy_from_slice(&medium.to_be_bytes());
            (head, 4)
        }
        _ => {
            head[1] = 127;
            head[2..].copy_from_slice(&(length as u64).to_be_bytes());
            (head, HEAD_BYTES)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PLAIN: Context = Context { deflate: false, in_message: false };
    const DEFLATE: Context = Context { deflate: true, in_message: false };
    const IN_MESSAGE: Context = Context { deflate: true, in_message: true };

    #[test]
    fn a_head_is_read_once_it_is_there() {
        let cases: [(&[u8], u64); 6] = [
            (b"\x81\x85key!", 5),
            (b"\x82\xfdkey!", 125),
            (b"\x82\xfe\0\x7ekey!", 126),
            (b"\x82\xfe\xff\xffkey!", 65535),
            (b"\x82\xff\0\0\0\0\0\x01\0\0key!", 65536),
            (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xffkey!", u64::MAX >> 1),
        ];
        for (bytes, length) in cases {
            for end in 0..bytes.len() {
                assert_eq!(FrameHead::parse(&bytes[..end], PLAIN), Ok(None));
            }
            let (head, taken) = FrameHead::parse(&[bytes, b"rest"].concat(), PLAIN).unwrap().unwrap();
            assert_eq!((head.length, head.mask, taken), (length, Mask::new(*b"key!"), bytes.len()));
        }
    }

    #[test]
    fn a_bad_head_is_known_by_its_first_bad_byte() {
        let cases: [(&[u8], Context, WsError); 20] = [
            (b"\xc1", PLAIN, WsError::ReservedBits),
            (b"\xa1", DEFLATE, WsError::ReservedBits),
            (b"\x91", DEFLATE, WsError::ReservedBits),
            (b"\xc9", DEFLATE, WsError::ReservedBits),
            (b"\xc0", IN_MESSAGE, WsError::ReservedBits),
            (b"\x83", PLAIN, WsError::ReservedOpcode),
            (b"\x87", PLAIN, WsError::ReservedOpcode),
            (b"\x8b", PLAIN, WsError::ReservedOpcode),
            (b"\x8f", PLAIN, WsError::ReservedOpcode),
            (b"\x08", PLAIN, WsError::ControlFragmented),
            (b"\x09", PLAIN, WsError::ControlFragmented),
            (b"\x80", PLAIN, WsError::ContinuationOfNothing),
            (b"\x01", IN_MESSAGE, WsError::MessageInMessage),
            (b"\x82", IN_MESSAGE, WsError::MessageInMessage),
            (b"\x81\x05", PLAIN, WsError::Unmasked),
            (b"\x89\xfe", PLAIN, WsError::ControlTooLong),
            (b"\x88\xff", PLAIN, WsError::ControlTooLong),
            (b"\x82\xfe\0\x7d", PLAIN, WsError::LengthForm),
            (b"\x82\xff\0\0\0\0\0\0\xff\xff", PLAIN, WsError::LengthForm),
            (b"\x82\xff\x80\0\0\0\0\0\0\0", PLAIN, WsError::LengthTooLarge),
        ];
        for (bytes, context, error) in cases {
            assert_eq!(FrameHead::parse(bytes, context), Err(error), "{bytes:x?}");
            assert_eq!(FrameHead::parse(&bytes[..bytes.len() - 1], context), Ok(None), "{bytes:x?}");
        }
    }

    #[test]
    fn lengths_are_written_in_their_shortest_form() {
        let cases: [(usize, &[u8]); 6] = [
            (0, b"\x82\0"),
            (125, b"\x82\x7d"),
            (126, b"\x82\x7e\0\x7e"),
            (65535, b"\x82\x7e\xff\xff"),
            (65536, b"\x82\x7f\0\0\0\0\0\x01\0\0"),
            (usize::MAX >> 1, b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"),
        ];
        for (length, bytes) in cases {
            let (head, taken) = encode_head(Opcode::Binary, false, length);
            assert_eq!(&head[..taken], bytes);
        }
        assert_eq!(encode_head(Opcode::Text, true, 7).0[..2], *b"\xc1\x07");
    }
}

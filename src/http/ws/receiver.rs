//! What a client sends: frames in, whole messages out.
//!
//! ```text
//!          .--------- frame of a message ---------.
//!          |                                      v
//!   .--> Head <--- its end, or the message's --- Payload <-. more of it
//!   '------'  control frame, or a whole message    '-------'
//!        |
//!        '-- Close --> Closed         anything --- rule broken --> Failed
//! ```
//!
//! A text is checked as its bytes arrive, so that a bad one is known by its first bad byte, whatever of it is still to
//! come, in whatever fragments, compressed or not (RFC 6455, section 8.1).

use std::borrow::Cow;
use std::ops::Range;

use super::close::{Close, CloseCode};
use super::deflate::{Inflater, grow, grown};
use super::error::WsError;
use super::frame::{Context, FrameHead, Opcode};
use super::mask::Mask;
use super::negotiation::Deflate;

/// What a client has sent. A payload is borrowed from the input if it lay there as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// A text message: UTF-8.
    Text(Cow<'a, [u8]>),
    /// A binary message.
    Binary(Cow<'a, [u8]>),
    /// To be answered with a pong of the same payload.
    Ping(&'a [u8]),
    /// The answer to a ping, or an unasked one.
    Pong(&'a [u8]),
    /// The last frame of all; what follows it is dropped.
    Close(Close<'a>),
}

/// What became of an input.
#[derive(Debug, PartialEq, Eq)]
pub struct Fed<'a> {
    /// How many of its bytes have been used up. Without an event the others, 131 at most, must come again with more.
    pub consumed: usize,
    /// The first thing that it says.
    pub event: Option<Event<'a>>,
}

/// The same as [`Event`] as places in the input.
#[derive(Debug)]
pub(super) enum Found {
    /// A message that lies in the input.
    Lying(Kind, Range<usize>),
    /// A message that was collected.
    Collected(Kind, Vec<u8>),
    Ping(Range<usize>),
    Pong(Range<usize>),
    /// The code, and the place of the reason: UTF-8.
    Close(Option<CloseCode>, Range<usize>),
}

impl Found {
    pub(super) fn event(self, input: &[u8]) -> Event<'_> {
        let bytes = |range: Range<usize>| input.get(range).unwrap_or_default();
        match self {
            Self::Lying(kind, range) => kind.event(Cow::Borrowed(bytes(range))),
            Self::Collected(kind, bytes) => kind.event(Cow::Owned(bytes)),
            Self::Ping(range) => Event::Ping(bytes(range)),
            Self::Pong(range) => Event::Pong(bytes(range)),
            Self::Close(code, reason) => {
                Event::Close(Close { code, reason: str::from_utf8(bytes(reason)).unwrap_or_default() })
            }
        }
    }
}

/// What a message holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Binary,
}

impl Kind {
    fn event(self, payload: Cow<'_, [u8]>) -> Event<'_> {
        match self {
            Self::Text => Event::Text(payload),
            Self::Binary => Event::Binary(payload),
        }
    }
}

/// A message that has begun.
#[derive(Debug)]
struct Message {
    kind: Kind,
    is_compressed: bool,
    /// A compressed one has had no byte of payload yet.
    is_empty: bool,
    /// What it says so far.
    bytes: Vec<u8>,
    /// How many of them are UTF-8.
    checked: usize,
}

impl Message {
    /// Checks what has come since. The last bytes may be the beginning of a character, unless the message `is_over`.
    fn check(&mut self, is_over: bool) -> Result<(), WsError> {
        if self.kind == Kind::Binary {
            return Ok(());
        }
        match str::from_utf8(self.bytes.get(self.checked..).unwrap_or_default()) {
            Ok(text) => self.checked += text.len(),
            Err(error) if error.error_len().is_some() || is_over => return Err(WsError::Utf8),
            Err(error) => self.checked += error.valid_up_to(),
        }
        Ok(())
    }
}

/// The rest of a frame's payload.
#[derive(Debug, Clone, Copy)]
struct Payload {
    left: u64,
    mask: Mask,
    /// The message ends with it.
    is_final: bool,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Head,
    Payload(Payload),
    Closed,
    Failed(WsError),
}

/// What one step has done: used up so many bytes, and found something or not.
type Step = Result<Option<(usize, Option<Found>)>, WsError>;

/// Reads the frames of a client.
#[derive(Debug)]
pub struct Receiver {
    max_message_size: usize,
    inflater: Option<Inflater>,
    stage: Stage,
    message: Option<Message>,
}

impl Receiver {
    /// A receiver of messages of at most so many bytes, which decompresses if that was agreed upon.
    pub fn new(max_message_size: usize, agreed: Option<Deflate>) -> Self {
        Self { max_message_size, inflater: agreed.map(Inflater::new), stage: Stage::Head, message: None }
    }

    /// Bytes of memory that a message in progress has, or will have when `more` bytes of it have come. What is
    /// compressed may become more than comes.
    pub fn held(&self, more: usize) -> usize {
        let Some(message) = &self.message else { return 0 };
        match message.bytes.len().saturating_add(more) > message.bytes.capacity() {
            true => grown(&message.bytes, more, self.max_message_size),
            false => message.bytes.capacity(),
        }
    }

    /// Reads the first thing that the input says; payloads are unmasked in place. To be called until there is no event.
    ///
    /// # Errors
    /// The first rule that the client broke; from then on always that.
    pub fn feed<'a>(&mut self, input: &'a mut [u8]) -> Result<Fed<'a>, WsError> {
        let (consumed, found) = self.read(input)?;
        Ok(Fed { consumed, event: found.map(|found| found.event(input)) })
    }

    /// The same, with places instead of borrows.
    pub(super) fn read(&mut self, input: &mut [u8]) -> Result<(usize, Option<Found>), WsError> {
        let mut at = 0;
        loop {
            match self.step(input, at) {
                Ok(None) => return Ok((at, None)),
                Ok(Some((taken, found))) => {
                    at += taken;
                    if found.is_some() {
                        return Ok((at, found));
                    }
                }
                Err(error) => {
                    self.stage = Stage::Failed(error);
                    (self.message, self.inflater) = (None, None);
                    return Err(error);
                }
            }
        }
    }

    fn step(&mut self, input: &mut [u8], at: usize) -> Step {
        match self.stage {
            Stage::Head => self.begin_frame(input, at),
            Stage::Payload(payload) => self.go_on(payload, input.get_mut(at..).unwrap_or_default()),
            Stage::Closed if at < input.len() => Ok(Some((input.len() - at, None))),
            Stage::Closed => Ok(None),
            Stage::Failed(error) => Err(error),
        }
    }

    fn begin_frame(&mut self, input: &mut [u8], at: usize) -> Step {
        let context = Context { deflate: self.inflater.is_some(), in_message: self.message.is_some() };
        let Some((head, head_bytes)) = FrameHead::parse(input.get(at..).unwrap_or_default(), context)? else {
            return Ok(None);
        };
        if !head.opcode.is_control() {
            self.check_length(head)?;
        }
        let start = at + head_bytes;
        let end = usize::try_from(head.length).ok().and_then(|length| start.checked_add(length));
        let whole = end.map(|end| start..end).filter(|range| range.end <= input.len());
        match (head.opcode, whole) {
            (Opcode::Close | Opcode::Ping | Opcode::Pong, None) => Ok(None),
            (Opcode::Close | Opcode::Ping | Opcode::Pong, Some(range)) => {
                let found = self.control(head, input, range.clone())?;
                Ok(Some((range.end - at, Some(found))))
            }
            (Opcode::Text | Opcode::Binary, Some(range)) if head.is_final && !head.is_compressed => {
                let found = lying(head, input, range.clone())?;
                Ok(Some((range.end - at, Some(found))))
            }
            (Opcode::Text | Opcode::Binary | Opcode::Continuation, _) => {
                self.begin_payload(head);
                Ok(Some((head_bytes, None)))
            }
        }
    }

    /// What is announced to be too long need not come. A compressed message shows its length when it is decompressed.
    fn check_length(&self, head: FrameHead) -> Result<(), WsError> {
        let (is_compressed, so_far) = match &self.message {
            Some(message) => (message.is_compressed, message.bytes.len()),
            None => (head.is_compressed, 0),
        };
        match !is_compressed && head.length > self.max_message_size.saturating_sub(so_far) as u64 {
            true => Err(WsError::MessageTooLong),
            false => Ok(()),
        }
    }

    fn control(&mut self, head: FrameHead, input: &mut [u8], range: Range<usize>) -> Result<Found, WsError> {
        let payload = unmask(head, input, range.clone());
        match head.opcode {
            Opcode::Ping => Ok(Found::Ping(range)),
            Opcode::Pong => Ok(Found::Pong(range)),
            _ => {
                let Close { code, reason } = Close::parse(payload)?;
                let reason = range.end - reason.len()..range.end;
                self.stage = Stage::Closed;
                (self.message, self.inflater) = (None, None);
                Ok(Found::Close(code, reason))
            }
        }
    }

    fn begin_payload(&mut self, head: FrameHead) {
        if head.opcode != Opcode::Continuation {
            let kind = if head.opcode == Opcode::Text { Kind::Text } else { Kind::Binary };
            let is_compressed = head.is_compressed;
            self.message = Some(Message { kind, is_compressed, is_empty: true, bytes: Vec::new(), checked: 0 });
        }
        self.stage = Stage::Payload(Payload { left: head.length, mask: head.mask, is_final: head.is_final });
    }

    fn go_on(&mut self, mut payload: Payload, rest: &mut [u8]) -> Step {
        let taken = usize::try_from(payload.left).unwrap_or(usize::MAX).min(rest.len());
        if taken == 0 && payload.left > 0 {
            return Ok(None);
        }
        let bytes = rest.get_mut(..taken).unwrap_or_default();
        payload.mask.apply(bytes);
        payload.left -= taken as u64;
        self.collect(bytes)?;
        if payload.left > 0 {
            self.stage = Stage::Payload(payload);
            return Ok(Some((taken, None)));
        }
        self.stage = Stage::Head;
        let found = if payload.is_final { self.finish()? } else { None };
        Ok(Some((taken, found)))
    }

    /// Adds unmasked bytes of payload to the message.
    fn collect(&mut self, payload: &[u8]) -> Result<(), WsError> {
        let Some(message) = self.message.as_mut().filter(|_| !payload.is_empty()) else { return Ok(()) };
        message.is_empty = false;
        match self.inflater.as_mut().filter(|_| message.is_compressed) {
            Some(inflater) => {
                let inflated = inflater.inflate(payload, &mut message.bytes, self.max_message_size);
                // What is bad before the error is found first, however the bytes were cut.
                message.check(false)?;
                inflated
            }
            None => {
                grow(&mut message.bytes, payload.len(), self.max_message_size);
                message.bytes.extend_from_slice(payload);
                message.check(false)
            }
        }
    }

    fn finish(&mut self) -> Result<Option<Found>, WsError> {
        let Some(mut message) = self.message.take() else { return Ok(None) };
        if let Some(inflater) = self.inflater.as_mut().filter(|_| message.is_compressed) {
            let inflated = inflater.finish(message.is_empty, &mut message.bytes, self.max_message_size);
            message.check(false)?;
            inflated?;
        }
        message.check(true)?;
        Ok(Some(Found::Collected(message.kind, message.bytes)))
    }
}

/// A message that lies in the input.
fn lying(head: FrameHead, input: &mut [u8], range: Range<usize>) -> Result<Found, WsError> {
    let payload = unmask(head, input, range.clone());
    match head.opcode {
        Opcode::Text if str::from_utf8(payload).is_err() => Err(WsError::Utf8),
        Opcode::Text => Ok(Found::Lying(Kind::Text, range)),
        _ => Ok(Found::Lying(Kind::Binary, range)),
    }
}

fn unmask(mut head: FrameHead, input: &mut [u8], range: Range<usize>) -> &[u8] {
    let payload = input.get_mut(range).unwrap_or_default();
    head.mask.apply(payload);
    payload
}

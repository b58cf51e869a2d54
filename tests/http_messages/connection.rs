//! A connection without a socket: drives the codec as the reactor does, and writes down what happened.

use gunicorn::http::h1::{BodyDecoder, parse_head};
use gunicorn::http::{Acceptance, Head, Limits, ParsedHead, ProtocolError, Version};

/// Something that happened on the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A whole message.
    Message { line: String, fields: Vec<(Vec<u8>, Vec<u8>)> },
    /// A refused one; nothing follows.
    Refused(ProtocolError),
    /// The bytes ended within a message.
    Incomplete,
}

/// What the client has sent, and how far it has been understood.
#[derive(Default)]
struct Connection {
    acceptance: Acceptance,
    head: ParsedHead,
    input: Vec<u8>,
    /// The message whose body is being read, as far as it is known.
    reading: Option<(BodyDecoder, Event, Vec<u8>)>,
    events: Vec<Event>,
    ended: bool,
}

/// Limits that messages of a few hundred bytes meet, all of them.
pub(crate) fn narrow_limits() -> Limits {
    Limits { line: 60, fields: 6, field_size: 80, head: 300, body: Some(64) }
}

/// Feeds the pieces, one after the other.
pub(crate) fn run<'p>(pieces: impl IntoIterator<Item = &'p [u8]>, limits: &Limits) -> Vec<Event> {
    let mut connection = Connection { acceptance: limits.clone().into(), ..Connection::default() };
    for piece in pieces {
        if connection.ended {
            break;
        }
        connection.input.extend_from_slice(piece);
        while connection.advance() {}
    }
    if !connection.ended
        && (connection.reading.is_some() || !connection.input.is_empty() || connection.events.is_empty())
    {
        connection.events.push(Event::Incomplete);
    }
    connection.events
}

impl Connection {
    /// Understands one thing more, if it can.
    fn advance(&mut self) -> bool {
        let step = match self.reading.take() {
            _ if self.ended => return false,
            None => self.read_head(),
            Some((decoder, message, body)) => self.read_body(decoder, message, body),
        };
        step.unwrap_or_else(|error| {
            self.events.push(Event::Refused(error));
            self.ended = true;
            false
        })
    }

    fn read_head(&mut self) -> Result<bool, ProtocolError> {
        if !parse_head(&mut self.input, &self.acceptance, &mut self.head)? {
            return Ok(false);
        }
        let message = describe(Head { bytes: &self.input, parsed: &self.head });
        self.input.drain(..self.head.len);
        self.reading =
            Some((BodyDecoder::with_limit(self.head.framing, self.acceptance.limits.body), message, Vec::new()));
        Ok(true)
    }

    fn read_body(
        &mut self,
        mut decoder: BodyDecoder,
        message: Event,
        mut body: Vec<u8>,
    ) -> Result<bool, ProtocolError> {
        let decoded = decoder.decode(&mut self.input)?;
        body.extend_from_slice(&self.input[decoded.data]);
        self.input.drain(..decoded.consumed);
        if !decoded.done {
            self.reading = Some((decoder, message, body));
            return Ok(false);
        }
        self.events.push(with_body(message, &body));
        self.ended = !self.head.keep_alive;
        Ok(true)
    }
}

/// The message of this head, without its body.
pub(crate) fn describe(head: Head<'_>) -> Event {
    let version = if head.version() == Version::Http10 { "1.0" } else { "1.1" };
    let keep_alive = if head.parsed.keep_alive { "keep-alive" } else { "close" };
    let expect = if head.parsed.expect_continue { " 100-continue" } else { "" };
    Event::Message {
        line: format!("{} {} {version} {keep_alive}{expect}", show(head.method()), show(head.target())),
        fields: head.fields().map(|(name, value)| (name.to_vec(), value.to_vec())).collect(),
    }
}

/// The message with its body.
pub(crate) fn with_body(message: Event, body: &[u8]) -> Event {
    let Event::Message { mut line, fields } = message else { unreachable!("only messages have bodies") };
    if !body.is_empty() {
        line.push_str(&format!(" \"{}\"", show(body)));
    }
    Event::Message { line, fields }
}

/// Bytes as the tables write them.
fn show(bytes: &[u8]) -> String {
    let quote = |&byte: &u8| match byte {
        b'"' | b'\'' => char::from(byte).to_string(),
        _ => byte.escape_ascii().to_string(),
    };
    bytes.iter().map(quote).collect()
}

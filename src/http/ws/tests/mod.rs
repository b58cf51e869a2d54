//! The specification of the codec: what a client sends, and what becomes of it.
#![allow(clippy::unwrap_used)]

mod autobahn;
mod client;
mod compression;
mod life;
mod memory;
mod properties;

use std::time::Duration;

use super::*;
use crate::time::Time;

const NOW: Time = Time::from_micros(1_000_000_000);

const OPTIONS: Options = Options {
    max_message_size: 16 << 20,
    ping_interval: Some(Duration::from_secs(20)),
    ping_timeout: Some(Duration::from_secs(10)),
    close_timeout: Duration::from_secs(5),
};

/// All that can be agreed upon.
fn agreements() -> impl Iterator<Item = Deflate> {
    let takeovers = [(true, true), (true, false), (false, true), (false, false)];
    (9..=15).flat_map(move |window_bits| {
        takeovers.map(|(server_takeover, client_takeover)| Deflate {
            window_bits,
            tells_window_bits: true,
            server_takeover,
            client_takeover,
        })
    })
}

/// A client's frame, masked, whatever it is; `first` is its first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            frame.push(0xfe);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0xff);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// Frames of a server, as first byte and payload.
fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, length, rest @ ..] = bytes {
        let (length, rest) = match length {
            126 => (usize::from(u16::from_be_bytes(rest[..2].try_into().unwrap())), &rest[2..]),
            127 => (u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize, &rest[8..]),
            length => (usize::from(*length), rest),
        };
        frames.push((*first, rest[..length].to_vec()));
        bytes = &rest[length..];
    }
    assert!(bytes.is_empty());
    frames
}

/// How a WebSocket ends for the application: what the client's Close says, or the rule that it broke.
type End = Result<(u16, String), WsError>;

/// A server whose application sends back what it gets.
struct Echo {
    websocket: WebSocket,
    /// What has not been used up.
    input: Vec<u8>,
    output: Vec<u8>,
    /// How it ended for the application.
    end: Option<End>,
}

impl Echo {
    fn new(options: &Options, agreed: Option<Deflate>) -> Self {
        let websocket = WebSocket::new(options, agreed, NOW);
        Self { websocket, input: Vec::new(), output: Vec::new(), end: None }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        while self.step() {}
        assert!(self.input.len() <= 131, "{} bytes are left", self.input.len());
    }

    /// Handles one thing, if there is one.
    fn step(&mut self) -> bool {
        let Received { consumed, incoming } = self.websocket.feed(NOW, &mut self.input, &mut self.output);
        let is_something = incoming.is_some();
        let end = match incoming {
            None => None,
            Some(Incoming::Text(text)) => {
                self.websocket.text(str::from_utf8(&text).unwrap()).unwrap().append_to(&mut self.output);
                None
            }
            Some(Incoming::Binary(bytes)) => {
                self.websocket.binary(&bytes).unwrap().append_to(&mut self.output);
                None
            }
            Some(Incoming::Closed(Close { code, reason })) => {
                Some(Ok((code.map_or(1005, CloseCode::get), reason.to_owned())))
            }
            Some(Incoming::Failed(error)) => Some(Err(error)),
        };
        assert!(end.is_none() || self.end.is_none(), "it ends once");
        self.end = end.or(self.end.take());
        self.input.drain(..consumed);
        is_something
    }

    /// What the server has sent, a frame a line: first byte, payload (a Close without its reason).
    fn sent(&self) -> String {
        let spell = |(first, payload): (u8, Vec<u8>)| match first {
            0x88 if payload.is_empty() => "88".to_owned(),
            0x88 => format!("88 {}", u16::from_be_bytes([payload[0], payload[1]])),
            first => format!("{first:x} {}", payload.escape_ascii()),
        };
        frames(&self.output).into_iter().map(spell).collect::<Vec<_>>().join("\n")
    }
}

/// What the server sends, and how it ends, for bytes in these pieces.
fn echo<'b>(pieces: impl IntoIterator<Item = &'b [u8]>) -> (String, Option<End>) {
    let mut echo = Echo::new(&OPTIONS, None);
    pieces.into_iter().for_each(|piece| echo.feed(piece));
    (echo.sent(), echo.end)
}

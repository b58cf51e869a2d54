//! WebSocket: the offers of the handshake, and frames.

use std::time::Duration;

use gunicorn::http::h1::parse_head;
use gunicorn::http::ws::{
    Close, Deflate, DeflateOptions, Event, Incoming, Options, Receiver, WebSocket, WsError, opening,
};
use gunicorn::http::{Acceptance, Head, ParsedHead};
use gunicorn::time::Time;

use crate::same_however_cut;

/// A bound that messages of a few hundred bytes meet.
const NARROW_BYTES: usize = 200;

const OPTIONS: Options = Options {
    max_message_size: NARROW_BYTES,
    ping_interval: Some(Duration::from_secs(20)),
    ping_timeout: Some(Duration::from_secs(20)),
    close_timeout: Duration::from_secs(5),
};

/// What a receiver says.
#[derive(Debug, PartialEq)]
enum Said {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

/// Frames, with and without compression; then the same to a server that echoes; then the bytes as offers.
pub fn ws(bytes: &[u8]) {
    for agreed in [None, agree(b"", true), agree(b"", false)] {
        for limit in [NARROW_BYTES, 1 << 20] {
            same_however_cut(bytes, |pieces| receive(pieces, limit, agreed));
        }
        same_however_cut(bytes, |pieces| echo(pieces, agreed));
    }
    agree(bytes, true);
}

/// What a handshake agrees upon, if the bytes are an offer besides a good one.
fn agree(offers: &[u8], takeover: bool) -> Option<Deflate> {
    let mut input = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: "
        .to_vec();
    input.extend_from_slice(offers);
    input.extend_from_slice(b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
    let mut parsed = ParsedHead::default();
    if !parse_head(&mut input, &Acceptance::default(), &mut parsed).ok()? {
        return None;
    }
    let options = DeflateOptions { server_takeover: takeover, client_takeover: takeover, window_bits: 9 };
    let opening = opening(Head { bytes: &input, parsed: &parsed }).ok()??;
    let handshake = opening.handshake(Some(options));
    let mut out = Vec::new();
    for subprotocol in opening.subprotocols() {
        handshake.encode(Some(subprotocol), &[], b"", &mut out).expect("what was offered can be chosen");
    }
    handshake.encode(None, &[], b"", &mut out).expect("there is nothing that could be bad");
    handshake.deflate()
}

fn receive(pieces: &[&[u8]], limit: usize, agreed: Option<Deflate>) -> (Vec<Said>, Option<WsError>) {
    let mut receiver = Receiver::new(limit, agreed);
    let (mut said, mut input) = (Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let fed = match receiver.feed(&mut input) {
                Ok(fed) => fed,
                Err(error) => return (said, Some(error)),
            };
            let consumed = fed.consumed;
            let is_over = fed.event.is_none();
            said.extend(fed.event.map(|event| keep(event, limit)));
            input.drain(..consumed);
            if is_over {
                break;
            }
        }
        assert!(input.len() <= 131, "{} bytes are left", input.len());
    }
    (said, None)
}

fn keep(event: Event<'_>, limit: usize) -> Said {
    match event {
        Event::Text(text) => {
            assert!(text.len() <= limit, "{} bytes of {limit}", text.len());
            Said::Text(String::from_utf8(text.into_owned()).expect("a text is UTF-8"))
        }
        Event::Binary(bytes) => {
            assert!(bytes.len() <= limit, "{} bytes of {limit}", bytes.len());
            Said::Binary(bytes.into_owned())
        }
        Event::Ping(payload) => Said::Ping(payload.to_vec()),
        Event::Pong(payload) => Said::Pong(payload.to_vec()),
        Event::Close(Close { code, reason }) => Said::Close(code.map(|code| code.get()), reason.to_owned()),
    }
}

/// All that a server sends whose application sends back what it gets.
fn echo(pieces: &[&[u8]], agreed: Option<Deflate>) -> (Vec<u8>, bool) {
    let mut websocket = WebSocket::new(&OPTIONS, agreed, Time::default());
    let (mut input, mut out) = (Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let received = websocket.feed(Time::default(), &mut input, &mut out);
            let consumed = received.consumed;
            match received.incoming {
                Some(Incoming::Text(text)) => {
                    let text = str::from_utf8(&text).expect("a text is UTF-8");
                    websocket.text(text).expect("it is open").append_to(&mut out);
                }
                Some(Incoming::Binary(bytes)) => websocket.binary(&bytes).expect("it is open").append_to(&mut out),
                Some(Incoming::Closed(_) | Incoming::Failed(_)) => assert!(websocket.is_over()),
                None => {
                    input.drain(..consumed);
                    break;
                }
            }
            input.drain(..consumed);
        }
    }
    (out, websocket.is_over())
}

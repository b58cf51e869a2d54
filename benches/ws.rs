//! What the WebSocket codec costs for a message and its echo: `cargo bench --bench ws`.
//!
//! Unmasking costs about what copying does: a binary echo of 64 KiB, which copies twice and unmasks, takes three to four
//! times as long as the copy beside it. Without vector code it would take more than twenty times as long.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gunicorn::http::ws::{Deflate, DeflateOptions, Incoming, Options, WebSocket, opening};
use gunicorn::http::{Acceptance, Head, ParsedHead, h1};
use gunicorn::time::Time;

const OPTIONS: Options = Options {
    max_message_size: 1 << 24,
    ping_interval: None,
    ping_timeout: None,
    close_timeout: Duration::from_secs(5),
};

const SIZES: [(&str, usize); 3] = [("16 B", 16), ("1 KiB", 1024), ("64 KiB", 65536)];

const OPENING: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

fn with_opening<T>(then: impl FnOnce(Head<'_>) -> T) -> T {
    let (mut input, mut parsed) = (OPENING.to_vec(), ParsedHead::default());
    h1::parse_head(&mut input, &Acceptance::default(), &mut parsed).unwrap();
    then(Head { bytes: &input, parsed: &parsed })
}

fn agreed(options: DeflateOptions) -> Option<Deflate> {
    with_opening(|head| opening(head).unwrap().unwrap().handshake(Some(options)).deflate())
}

/// A client's frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = match u16::try_from(payload.len()) {
        Ok(short @ 0..=125) => vec![first, 0x80 | short as u8],
        Ok(medium) => [&[first, 0xfe][..], &medium.to_be_bytes()].concat(),
        Err(_) => [&[first, 0xff][..], &(payload.len() as u64).to_be_bytes()].concat(),
    };
    frame.extend_from_slice(&key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// Text as an API sends it.
fn text(length: usize) -> String {
    let items =
        (0..).map(|id| format!("{{\"id\": {id}, \"name\": \"item {}\", \"price\": {}.5}}, ", id * 7 % 31, id % 97));
    items.scan(0, |total, item| (*total < length).then(|| (*total += item.len(), item).1)).collect::<String>()[..length]
        .to_owned()
}

fn echo(websocket: &mut WebSocket, input: &mut [u8], out: &mut Vec<u8>) -> usize {
    out.clear();
    match websocket.feed(Time::default(), input, &mut Vec::new()).incoming.unwrap() {
        Incoming::Text(text) => websocket.text(str::from_utf8(&text).unwrap()).unwrap().append_to(out),
        Incoming::Binary(bytes) => websocket.binary(&bytes).unwrap().append_to(out),
        other => panic!("{other:?}"),
    }
    out.len()
}

fn plain(c: &mut Criterion) {
    let mut group = c.benchmark_group("echo");
    for (name, size) in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let (mut input, mut out) = (vec![0; size + 14], Vec::new());
        for (kind, first) in [("text", 0x81), ("binary", 0x82)] {
            let sent = frame(first, text(size).as_bytes());
            input.resize(sent.len(), 0);
            let mut websocket = WebSocket::new(&OPTIONS, None, Time::default());
            group.bench_function(format!("{kind} {name}"), |b| {
                b.iter(|| {
                    // It was unmasked in place.
                    input.copy_from_slice(&sent);
                    echo(&mut websocket, black_box(&mut input), &mut out)
                });
            });
        }
        let source = vec![1; size];
        group.bench_function(format!("copy {name}"), |b| {
            b.iter(|| {
                out.clear();
                out.extend_from_slice(black_box(&source));
            });
        });
    }
    group.finish();
}

fn deflate(c: &mut Criterion) {
    let mut group = c.benchmark_group("compressed");
    for (name, size) in SIZES.into_iter().skip(1) {
        let text = text(size);
        for takeover in [true, false] {
            let options =
                DeflateOptions { server_takeover: takeover, client_takeover: takeover, ..DeflateOptions::default() };
            let kind = if takeover { "with" } else { "without" };
            let mut websocket = WebSocket::new(&OPTIONS, agreed(options), Time::default());
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(format!("send {name} {kind} takeover"), |b| {
                b.iter(|| websocket.text(black_box(&text)).unwrap().payload().len());
            });
            let first = WebSocket::new(&OPTIONS, agreed(options), Time::default());
            let sent = frame(0xc1, { first }.text(&text).unwrap().payload());
            let (mut input, mut out) = (sent.clone(), Vec::new());
            group.bench_function(format!("receive {name} {kind} takeover"), |b| {
                b.iter(|| {
                    input.copy_from_slice(&sent);
                    websocket.feed(Time::default(), black_box(&mut input), &mut out).incoming.is_some()
                });
            });
        }
    }
    group.finish();
}

fn handshake(c: &mut Criterion) {
    c.bench_function("handshake", |b| {
        with_opening(|head| {
            let mut out = Vec::new();
            b.iter(|| {
                out.clear();
                let opening = opening(black_box(head)).unwrap().unwrap();
                let handshake = opening.handshake(Some(DeflateOptions::default()));
                handshake.encode(None, &[], b"Sun, 06 Nov 1994 08:49:37 GMT", &mut out).unwrap();
                out.len()
            });
        });
    });
}

criterion_group!(ws, plain, deflate, handshake);
criterion_main!(ws);

//! What the codec costs for a small request and its answer: `cargo bench --bench codec`.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use gunicorn::http::h1::{BodyDecoder, Encoder, RequestContext, parse_head};
use gunicorn::http::{Acceptance, Framing, ParsedHead, ResponseHead, Version};

/// As `wrk` sends it.
const SMALL: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n";

/// As a browser sends it.
const BROWSER: &[u8] = b"GET /static/app/main.js?v=20261122 HTTP/1.1\r\nHost: www.example.org\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\nAccept: */*\r\n\
    Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive\r\n\
    Referer: https://www.example.org/account/settings\r\nCookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\
    Sec-Fetch-Dest: script\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Site: same-origin\r\n\r\n";

const DATE: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";

fn parse(c: &mut Criterion) {
    let (acceptance, mut head) = (Acceptance::default(), ParsedHead::default());
    for (name, input) in [("parse small", SMALL), ("parse browser", BROWSER)] {
        let mut input = input.to_vec();
        c.bench_function(name, |b| b.iter(|| parse_head(black_box(&mut input), &acceptance, &mut head).unwrap()));
    }
    c.bench_function("parse browser, a byte at a time", |b| {
        let mut input = BROWSER.to_vec();
        b.iter(|| (1..=BROWSER.len()).map(|end| parse_head(&mut input[..end], &acceptance, &mut head).unwrap()).last());
    });
}

fn decode(c: &mut Criterion) {
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let body = format!("{}0\r\n\r\n", chunk.repeat(16)).into_bytes();
    let mut input = body.clone();
    c.bench_function("decode 64 KiB in 4 KiB chunks", |b| {
        b.iter(|| {
            input.copy_from_slice(&body);
            BodyDecoder::new(Framing::Chunked).decode(black_box(&mut input)).unwrap().data
        });
    });
}

fn encode(c: &mut Criterion) {
    let request = RequestContext { version: Version::Http11, is_head: false, keep_alive: true };
    let fields: [(&[u8], &[u8]); 2] = [(b"Content-Type", b"text/plain; charset=utf-8"), (b"Content-Length", b"13")];
    let response = ResponseHead { status: 200, reason: b"OK", fields: &fields };
    let mut out = Vec::new();
    c.bench_function("encode hello world", |b| {
        b.iter(|| {
            out.clear();
            let mut encoder = Encoder::new();
            encoder.start(black_box(&response), request, None, DATE, &mut out).unwrap();
            let take = encoder.frame(13).take;
            (take, encoder.finish(&mut out))
        });
    });
}

criterion_group!(codec, parse, decode, encode);
criterion_main!(codec);

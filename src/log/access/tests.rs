//! The access log from a record to its file.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::super::sink::tests::TemporaryLog;
use super::*;

struct Nothing;

impl Lookup for Nothing {
    fn get(&self, _name: &[u8]) -> Option<std::borrow::Cow<'_, [u8]>> {
        None
    }
}

#[test]
fn a_record_becomes_one_line_of_the_file() {
    let log = TemporaryLog::new();
    let sink = Sink::standard(1);
    sink.open(&LogTarget::File(log.path())).unwrap();
    let format = Format::parse("%(h)s %(t)s %(m)s").unwrap();
    let record = Record {
        peer: b"::1",
        method: b"GET",
        target: b"/",
        path: b"/",
        query: b"",
        protocol: b"HTTP/1.1",
        status: 200,
        length: 0,
        duration: Duration::ZERO,
        request_headers: &Nothing,
        response_headers: &Nothing,
        environ: &Nothing,
    };
    write_to(&sink, &format, &record);
    write_to(&sink, &format, &Record { method: b"HEAD", ..record });
    let text = log.text();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("::1 [") && lines[0].ends_with("] GET"), "{text}");
    assert!(lines[1].ends_with("] HEAD"), "{text}");
    assert_eq!((lines.len(), text.ends_with('\n')), (2, true));
}

/// `cargo test --release --lib -- --ignored --nocapture access_line_cost`
#[test]
#[ignore = "a measurement"]
fn access_line_cost() {
    let log = TemporaryLog::new();
    let sink = Sink::standard(1);
    sink.open(&LogTarget::File(log.path())).unwrap();
    let format = Format::parse(r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#).unwrap();
    struct Agent;
    impl Lookup for Agent {
        fn get(&self, name: &[u8]) -> Option<std::borrow::Cow<'_, [u8]>> {
            (name == b"user-agent")
                .then(|| b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"[..].into())
        }
    }
    let record = Record {
        peer: b"127.0.0.1",
        method: b"GET",
        target: b"/path?query",
        path: b"/path",
        query: b"query",
        protocol: b"HTTP/1.1",
        status: 200,
        length: 1234,
        duration: Duration::from_micros(77),
        request_headers: &Agent,
        response_headers: &Nothing,
        environ: &Nothing,
    };
    for _ in 0..5 {
        let mut line = Vec::new();
        let begin = std::time::Instant::now();
        for _ in 0..200_000 {
            line.clear();
            format.append(&mut line, std::hint::black_box(&record), b"[22/Nov/2026:22:06:21 +0000]");
            std::hint::black_box(&line);
        }
        let formatting = begin.elapsed() / 200_000;
        let begin = std::time::Instant::now();
        for _ in 0..200_000 {
            write_to(&sink, &format, std::hint::black_box(&record));
        }
        println!("formatting {formatting:?}, with writing to a file {:?}", begin.elapsed() / 200_000);
    }
}

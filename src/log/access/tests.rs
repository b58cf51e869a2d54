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

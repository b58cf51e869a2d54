//! What a line of the access log costs, with and without its write(2) to a file: `cargo bench --bench access_log`.
#![allow(clippy::unwrap_used, missing_docs)]

use std::borrow::Cow;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use gunicorn::log::access::{self, Format, Lookup, Record};
use gunicorn::settings::LogTarget;

const COMBINED: &str = r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#;
const AGENT: &[u8] = b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

struct Agent;

impl Lookup for Agent {
    fn get(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        (name == b"user-agent").then_some(Cow::Borrowed(AGENT))
    }
}

const RECORD: Record<'_> = Record {
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
    response_headers: &Agent,
    environ: &Agent,
};

fn access_line(c: &mut Criterion) {
    let format = Format::parse(COMBINED).unwrap();
    let mut line = Vec::new();
    c.bench_function("format an access line", |b| {
        b.iter(|| {
            line.clear();
            format.append(&mut line, black_box(&RECORD), b"[22/Nov/2026:22:06:21 +0000]");
            line.len()
        });
    });
    let directory = tempfile::tempdir().unwrap();
    access::init(&LogTarget::File(directory.path().join("access.log")), format).unwrap();
    c.bench_function("write an access line to a file", |b| b.iter(|| access::write(black_box(&RECORD))));
}

criterion_group!(access_log, access_line);
criterion_main!(access_log);

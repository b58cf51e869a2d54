//! Formats as users write them, next to the lines that gunicorn 27.0.1 wrote for the same formats and requests.
#![allow(clippy::unwrap_used)]

use std::borrow::Cow;
use std::time::Duration;

use proptest::prelude::*;

use super::super::record::{Lookup, joined};
use super::*;

type Pairs<'a> = &'a [(&'a str, &'a [u8])];

struct Fields<'a>(Pairs<'a>);

impl Lookup for Fields<'_> {
    fn get(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        joined(self.0.iter().filter(|(each, _)| each.as_bytes().eq_ignore_ascii_case(name)).map(|(_, value)| *value))
    }
}

const TIME: &[u8] = b"[22/Nov/2026:22:06:21 +0000]";
const RESPONSE: &Fields<'_> = &Fields(&[("Content-Type", b"text/plain"), ("X-Reply", b"he said \"hi\"")]);
const ENVIRON: &Fields<'_> = &Fields(&[("REQUEST_METHOD", b"GET"), ("wsgi.url_scheme", b"http")]);
const BARE: Record<'_> = Record {
    peer: b"127.0.0.1",
    method: b"GET",
    target: b"/",
    path: b"/",
    query: b"",
    protocol: b"HTTP/1.1",
    status: 200,
    length: 5,
    duration: Duration::from_micros(12_345_678),
    request_headers: &Fields(&[("Host", b"x")]),
    response_headers: RESPONSE,
    environ: ENVIRON,
};
const RICH: Record<'_> = Record {
    target: b"/a%20b/%41?q=1&r=%22",
    path: b"/a%20b/%41",
    query: b"q=1&r=%22",
    length: 1234,
    request_headers: &Fields(&[
        ("User-Agent", b"cur\"l/8"),
        ("Referer", b"http://e.x/?a=b"),
        ("X-Len", b"1234"),
        ("Authorization", b"Basic YWxpY2U6c2VjcmV0"),
    ]),
    ..BARE
};
const TWICE: Record<'_> = Record {
    method: b"OPTIONS",
    target: b"/*",
    path: b"/*",
    length: 7,
    request_headers: &Fields(&[("User-Agent", b"a"), ("User-Agent", b"b"), ("Authorization", b"Bearer q")]),
    ..BARE
};
const EMPTY_AGENT: Record<'_> = Record {
    method: b"HEAD",
    target: b"http://h.x:80/p/q?z",
    path: b"/p/q",
    query: b"z",
    length: 0,
    request_headers: &Fields(&[("User-Agent", b"")]),
    ..BARE
};

fn line(format: &str, record: &Record<'_>) -> String {
    let mut line = Vec::new();
    Format::parse(format).unwrap().append(&mut line, record, TIME);
    String::from_utf8(line).unwrap()
}

fn lines<const N: usize>(format: &str, records: [&Record<'_>; N]) -> [String; N] {
    records.map(|record| line(format, record))
}

fn refusal(format: &str) -> String {
    Format::parse(format).unwrap_err().to_string()
}

#[test]
fn the_default_format_gives_gunicorns_lines() {
    assert_eq!(
        lines(r#"%(h)s %(l)s %(u)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#, [&BARE, &RICH, &EMPTY_AGENT, &TWICE]),
        [
            r#"127.0.0.1 - - "GET / HTTP/1.1" 200 5 "-" "-""#,
            r#"127.0.0.1 - alice "GET /a%20b/%41?q=1&r=%22 HTTP/1.1" 200 1234 "http://e.x/?a=b" "cur\"l/8""#,
            r#"127.0.0.1 - - "HEAD http://h.x:80/p/q?z HTTP/1.1" 200 0 "-" """#,
            r#"127.0.0.1 - - "OPTIONS /* HTTP/1.1" 200 7 "-" "a,b""#,
        ]
    );
}

#[test]
fn parts_of_the_request_line_and_unknown_atoms_give_gunicorns_lines() {
    assert_eq!(
        lines("%(m)s|%(U)s|%(q)s|%(H)s|%(B)s|%(s)s|%(zz)s|%({nope}i)s|%({x}z)s", [&BARE, &RICH, &EMPTY_AGENT]),
        [
            "GET|/||HTTP/1.1|5|200|-|-|-",
            "GET|/a b/A|q=1&r=%22|HTTP/1.1|1234|200|-|-|-",
            "HEAD|/p/q|z|HTTP/1.1|0|200|-|-|-",
        ]
    );
}

#[test]
fn headers_and_environ_give_gunicorns_lines() {
    let format =
        "%({X-Len}i)s|%({x-reply}o)s|%({Content-Type}o)s|%({REQUEST_METHOD}e)s|%({wsgi.url_scheme}e)s|%({X-LEN}I)s";
    assert_eq!(
        lines(format, [&BARE, &RICH]),
        [r#"-|he said \"hi\"|text/plain|GET|http|-"#, r#"1234|he said \"hi\"|text/plain|GET|http|1234"#]
    );
}

#[test]
fn widths_and_percent_signs_give_gunicorns_lines() {
    let format = "100%% [%(s)-6s] [%(s)6s] [%(B)08d] [%(a).3s] [%(m)10.2s] [%(B)d] [%(T)d] [%()s] [%({a(b)}i)s]";
    assert_eq!(
        lines(format, [&Record { duration: Duration::ZERO, ..RICH }]),
        ["100% [200   ] [   200] [00001234] [cur] [        GE] [1234] [0] [-] [-]"]
    );
}

#[test]
fn json_stays_json() {
    let format = r#"{"m": "%(m)s", "a": "%(a)s", "u": "%(U)s"}"#;
    let record = Record { path: b"/%C3%A9\"\n", ..RICH };
    assert_eq!(line(format, &record), r#"{"m": "GET", "a": "cur\"l/8", "u": "/\u00c3\u00a9\"\u000a"}"#);
    serde_json::from_str::<serde_json::Value>(&line(format, &record)).unwrap();
}

#[test]
fn times() {
    assert_eq!(line("%(T)s %(M)s %(D)s %(L)s", &BARE), "12 12345 12345678 12.345678");
    assert_eq!(line("%(L)s", &Record { duration: Duration::from_micros(42), ..BARE }), "0.000042");
    assert_eq!(line("%(t)s", &BARE), "[22/Nov/2026:22:06:21 +0000]");
}

#[test]
fn the_process_id_is_in_brackets() {
    assert_eq!(line("%(p)s", &BARE), format!("<{}>", std::process::id()));
}

#[test]
fn what_is_missing_is_a_dash() {
    assert_eq!(line("%(h)s %(s)s", &Record { peer: b"", status: 0, ..BARE }), "- -");
}

#[test]
fn a_user_name_is_one_word() {
    // "a b] x" and a colon.
    let headers = Fields(&[("authorization", b"Basic YSBiXSB4Og==")]);
    assert_eq!(line("%(u)s", &Record { request_headers: &headers, ..BARE }), r"a\x20b]\x20x");
}

#[test]
fn a_cut_value_cannot_quote_what_follows_it() {
    let headers = Fields(&[("user-agent", b"\"\"")]);
    assert_eq!(line(r#""%(a).1s""#, &Record { request_headers: &headers, ..BARE }), r#""\"""#);
}

#[test]
fn line_ends_in_the_format_do_not_break_the_line() {
    assert_eq!(line("\n%(m)s\n%(s)s\t%(b)s\r\n", &BARE), "GET 200\t5");
}

#[test]
fn a_format_that_python_could_not_follow_is_refused() {
    assert_eq!(
        [
            refusal("100% %(s)s"),
            refusal("%(s)s %s"),
            refusal("%(h"),
            refusal("a %(h)r"),
            refusal("%(s)d"),
            refusal("%(h)9999s")
        ],
        [
            r#"access log format: '%' needs a name in parentheses, as in %(h)s; a percent sign is written %%, at "% %(s)s""#,
            r#"access log format: '%' needs a name in parentheses, as in %(h)s; a percent sign is written %%, at "%s""#,
            r#"access log format: missing ')' at "%(h""#,
            r#"access log format: the name needs a conversion after it: s, or d for the numbers B, D, M and T, at "%(h)r""#,
            r#"access log format: the name needs a conversion after it: s, or d for the numbers B, D, M and T, at "%(s)d""#,
            r#"access log format: width or precision above 4096 at "%(h)9999s""#,
        ]
    );
}

proptest! {
    /// Whatever the client sends, and wherever the format puts it.
    #[test]
    fn a_record_is_one_line_of_printable_bytes_with_its_quotes_paired(
        value in proptest::collection::vec(any::<u8>(), 0..40),
        shape in "(-?[0-9]{1,2})?(\\.[0-9]{1,2})?",
        is_json in any::<bool>(),
    ) {
        let pairs = [("x", &value[..]), ("authorization", &value[..])];
        let all = &Fields(&pairs);
        let record = Record {
            peer: &value, method: &value, target: &value, path: &value, query: &value, protocol: &value,
            request_headers: all, response_headers: all, environ: all, ..BARE
        };
        let names = ["h", "u", "r", "m", "U", "q", "H", "{x}i", "{x}o", "{x}e"];
        let fields: Vec<String> = names.iter().enumerate().map(|(i, name)| format!(r#""{i}":"%({name}){shape}s""#)).collect();
        let format = if is_json { format!("{{{}}}", fields.join(",")) } else { fields.join(",") };
        let line = line(&format, &record);
        prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        let mut unescaped = line.replace(r"\\", "").replace(r#"\""#, "");
        unescaped.retain(|character| character == '"');
        prop_assert_eq!(unescaped.len(), names.len() * 4);
        if is_json {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok());
        }
    }

    #[test]
    fn no_format_panics(format in "[%()sd{}ie.0-9 -]{0,20}") {
        if let Ok(format) = Format::parse(&format) {
            format.append(&mut Vec::new(), &RICH, TIME);
        }
    }
}

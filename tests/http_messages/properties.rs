//! For any bytes, good or bad: the outcome does not depend on how they were cut, and nothing panics.

use proptest::prelude::*;

use crate::connection::{narrow_limits, run};

/// A field of a request: most are good, some decide about framing, some are bad.
fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[A-Za-z-]{1,12}: ?[ -~]{0,30}",
        2 => "Host: [a-z.]{0,8}(:[0-9]{0,5})?",
        1 => "Connection: (close|keep-alive|te, ?close)",
        1 => "Content-Length: [0-9]{1,2}",
        1 => "Transfer-Encoding: (chunked|gzip, chunked|x)",
        1 => "Expect: 100-continue",
        1 => "[ -~\t]{0,90}",
    ]
}

/// A request: most often a good one, with a body that fits its framing or does not.
fn request() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        6 => Just("GET / HTTP/1.1".to_owned()),
        2 => Just("POST /path?query HTTP/1.1".to_owned()),
        1 => Just("HEAD http://a/ HTTP/1.0".to_owned()),
        1 => "[A-Z]{2,5} [ -~]{0,60} HTTP/[0-9]\\.[0-9]",
    ];
    let framed = prop_oneof![
        3 => Just(String::new()),
        1 => "[a-z]{0,70}".prop_map(|body| format!("Content-Length: {}\r\n\r\n{body}", body.len())),
        2 => (prop::collection::vec("[a-z]{1,20}", 0..4), "(;[a-z]{1,5}(=\"[ -~]{0,3}\")?)?", "(X: y\r\n)?").prop_map(chunked),
    ];
    (prop::bool::ANY, line, prop::collection::vec(field(), 0..6), framed).prop_map(|(empty, line, fields, framed)| {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        let end = if framed.is_empty() { "\r\n" } else { "" };
        format!("{}{line}\r\nHost: a\r\n{fields}{framed}{end}", if empty { "\r\n" } else { "" })
    })
}

fn chunked((chunks, extension, trailers): (Vec<String>, String, String)) -> String {
    let chunks: String = chunks.iter().map(|chunk| format!("{:x}{extension}\r\n{chunk}\r\n", chunk.len())).collect();
    format!("Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n{trailers}\r\n")
}

/// A sequence of requests, with some of their bytes replaced, removed or doubled.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let mutation = (any::<prop::sample::Index>(), prop::sample::select(b"\r\n\0 \t:;,0a\x7f\xff".to_vec()), 0..3u8);
    (prop::collection::vec(request(), 1..4), prop::collection::vec(mutation, 0..3)).prop_map(|(requests, mutations)| {
        let mut bytes = requests.concat().into_bytes();
        for (index, byte, kind) in mutations {
            let at = index.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn a_byte_at_a_time_equals_all_at_once(bytes in stream(), size in 2..40usize) {
        let whole = run([bytes.as_slice()], &narrow_limits());
        prop_assert_eq!(&run(bytes.chunks(1), &narrow_limits()), &whole);
        prop_assert_eq!(&run(bytes.chunks(size), &narrow_limits()), &whole);
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let whole = run([bytes.as_slice()], &narrow_limits());
        prop_assert_eq!(run(bytes.chunks(1), &narrow_limits()), whole);
    }
}

//! A keep-alive request allocates nothing in the codec once its buffers have grown.
#![allow(clippy::unwrap_used)]

use gunicorn::http::h1::{BodyDecoder, Encoder, Finish, RequestContext, parse_head};
use gunicorn::http::{Acceptance, Forwarding, ParsedHead, ResponseHead, Trust, Version};

const REQUEST: &[u8] = b"POST /form HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nTransfer-Encoding: chunked\r\n\r\n\
    3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";

/// Parses the request, decodes its body and encodes an answer to it.
fn exchange(forwarding: &Forwarding, head: &mut ParsedHead, input: &mut [u8], out: &mut Vec<u8>) {
    assert!(!parse_head(&mut input[..20], &Acceptance::default(), head).unwrap());
    assert!(parse_head(input, &Acceptance::default(), head).unwrap());
    forwarding.judge(input, Trust { is_proxy: true, names_client: true }, head).unwrap();
    assert!(BodyDecoder::new(head.framing).decode(&mut input[head.len..]).unwrap().done);
    out.clear();
    let request = RequestContext { version: Version::Http11, is_head: false, keep_alive: head.keep_alive };
    let fields: [(&[u8], &[u8]); 1] = [(b"Content-Type", b"text/plain")];
    let response = ResponseHead { status: 200, reason: b"OK", fields: &fields };
    let mut encoder = Encoder::new();
    encoder.start(&response, request, None, b"Sun, 06 Nov 1994 08:49:37 GMT", out).unwrap();
    assert_eq!(encoder.frame(5).prefix(), b"5\r\n");
    assert_eq!(encoder.finish(out), Finish::KeepAlive);
}

#[test]
fn a_request_allocates_nothing_once_the_buffers_have_grown() {
    let forwarding = Forwarding::default();
    let (mut head, mut out) = (ParsedHead::default(), Vec::new());
    let (mut first, mut second) = (REQUEST.to_vec(), REQUEST.to_vec());
    exchange(&forwarding, &mut head, &mut first, &mut out);
    let allocations = allocation_counter::measure(|| exchange(&forwarding, &mut head, &mut second, &mut out));
    assert_eq!(allocations.count_total, 0);
}

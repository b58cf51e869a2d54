//! The head of a request.

use gunicorn::http::h1::parse_head;
use gunicorn::http::{Framing, Head, Limits, ParsedHead, ProtocolError, Version};

use crate::{driver, same_however_cut};

/// All that a head says.
#[derive(Debug, PartialEq)]
struct Said {
    method: Vec<u8>,
    target: Vec<u8>,
    version: Version,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    framing: Framing,
    keep_alive: bool,
    expect_continue: bool,
    len: usize,
}

/// A head, alone.
pub fn head(bytes: &[u8]) {
    for limits in [Limits::default(), driver::narrow_limits()] {
        same_however_cut(bytes, |pieces| read(pieces, &limits));
    }
}

/// `None`: the end of the head has not arrived.
fn read(pieces: &[&[u8]], limits: &Limits) -> Result<Option<Said>, ProtocolError> {
    let mut head = ParsedHead::default();
    let mut input = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        if parse_head(&input, limits, &mut head)? {
            return Ok(Some(said(&input, &head)));
        }
    }
    Ok(None)
}

fn said(input: &[u8], parsed: &ParsedHead) -> Said {
    assert!(parsed.len <= input.len(), "a head of {} bytes in {}", parsed.len, input.len());
    let head = Head { bytes: &input[..parsed.len], parsed };
    Said {
        method: head.method().to_vec(),
        target: head.target().to_vec(),
        version: head.version(),
        fields: head.fields().map(|(name, value)| (name.to_vec(), value.to_vec())).collect(),
        framing: parsed.framing,
        keep_alive: parsed.keep_alive,
        expect_continue: parsed.expect_continue,
        len: parsed.len,
    }
}

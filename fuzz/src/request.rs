//! The head of a request.

use gunicorn::http::h1::parse_head;
use gunicorn::http::{
    Acceptance, ForwardedClient, Forwarding, Framing, Head, HeaderMap, Leniency, Limits, ParsedHead, ProtocolError,
    Told, Trust, Version,
};

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
    told: Told,
    len: usize,
}

/// All of it.
const LENIENT: Leniency = Leniency {
    obsolete_folding: true,
    header_spaces: true,
    unconventional_method: true,
    unconventional_version: true,
    casefold_method: true,
};

/// A head, alone, as strict and as lenient as can be, from a proxy that is believed and from a client that is not.
pub fn head(bytes: &[u8]) {
    for limits in [Limits::default(), driver::narrow_limits()] {
        for (leniency, header_map) in [(Leniency::default(), HeaderMap::Drop), (LENIENT, HeaderMap::Refuse)] {
            let acceptance = Acceptance { limits: limits.clone(), leniency };
            let forwarding = Forwarding::default().header_map(header_map).client(ForwardedClient::XForwardedFor);
            let is_trusted = header_map == HeaderMap::Refuse;
            same_however_cut(bytes, |pieces| read(pieces, &acceptance, &forwarding, is_trusted));
        }
    }
}

/// `None`: the end of the head has not arrived.
fn read(
    pieces: &[&[u8]],
    acceptance: &Acceptance,
    forwarding: &Forwarding,
    is_trusted: bool,
) -> Result<Option<Said>, ProtocolError> {
    let mut head = ParsedHead::default();
    let mut input = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        if parse_head(&mut input, acceptance, &mut head)? {
            forwarding.judge(&input, Trust { is_proxy: is_trusted, names_client: is_trusted }, &mut head)?;
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
        told: parsed.told,
        len: parsed.len,
    }
}

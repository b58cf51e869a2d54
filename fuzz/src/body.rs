//! A chunked body.

use gunicorn::http::h1::BodyDecoder;
use gunicorn::http::{Framing, ProtocolError};

use crate::same_however_cut;

/// A bound that bodies of a few hundred bytes meet.
const NARROW_BYTES: u64 = 64;

/// A chunked body, alone.
pub fn chunked(bytes: &[u8]) {
    for limit in [None, Some(NARROW_BYTES)] {
        same_however_cut(bytes, |pieces| read(pieces, limit));
    }
    if let Ok((body, _, true)) = read(&[bytes], None) {
        let again = read(&[&encoded(&body)], None);
        assert_eq!(again.map(|(body, ..)| body), Ok(body), "the same body, sent plainly");
    }
}

/// The body, how many bytes it was encoded in, and whether it is complete.
fn read(pieces: &[&[u8]], limit: Option<u64>) -> Result<(Vec<u8>, usize, bool), ProtocolError> {
    let mut decoder = BodyDecoder::with_limit(Framing::Chunked, limit);
    let (mut body, mut consumed) = (Vec::new(), 0);
    for piece in pieces {
        let mut input = piece.to_vec();
        let decoded = decoder.decode(&mut input)?;
        assert_eq!(decoded.done, decoder.is_done());
        assert!(decoded.done || decoded.consumed == input.len(), "an open body leaves no byte");
        body.extend_from_slice(&input[decoded.data]);
        consumed += decoded.consumed;
    }
    assert!(limit.is_none_or(|limit| body.len() as u64 <= limit), "{} bytes beyond {limit:?}", body.len());
    Ok((body, consumed, decoder.is_done()))
}

/// As one chunk.
fn encoded(body: &[u8]) -> Vec<u8> {
    let chunk = [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat();
    let chunk = if body.is_empty() { Vec::new() } else { chunk };
    [&chunk, &b"0\r\n\r\n"[..]].concat()
}

//! The request target as an environ wants it: path and query of the four forms of RFC 9112, section 3.2.
//!
//! Divides as Python's `urllib.parse.urlsplit` does, since that is what gunicorn's users see.

use std::borrow::Cow;

/// Path and query of a target, still percent-encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// Path; empty in an absolute target without one.
    pub(super) path: &'a [u8],
    /// Query without its question mark; empty when there is none.
    pub(super) query: &'a [u8],
}

impl<'a> Target<'a> {
    /// Divides `target`, in which the codec lets no fragment be.
    pub(super) fn divide(target: &'a [u8]) -> Self {
        let (path, query) =
            memchr::memchr(b'?', target).map_or((target, &b""[..]), |mark| (&target[..mark], &target[mark + 1..]));
        Self { path: if path.starts_with(b"/") { path } else { after_authority(path) }, query }
    }
}

/// The path of what may start with a scheme and an authority.
fn after_authority(rest: &[u8]) -> &[u8] {
    let rest = match memchr::memchr(b':', rest) {
        Some(colon) if is_scheme(&rest[..colon]) => &rest[colon + 1..],
        _ => rest,
    };
    match rest.strip_prefix(b"//") {
        Some(authority) => &authority[memchr::memchr(b'/', authority).unwrap_or(authority.len())..],
        None => rest,
    }
}

/// RFC 3986, section 3.1.
fn is_scheme(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
}

/// The path with its percent-encoded octets as octets. What only looks encoded stays as it is.
pub(super) fn unquote(path: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'%', path) else { return Cow::Borrowed(path) };
    let mut plain = Vec::with_capacity(path.len());
    plain.extend_from_slice(&path[..first]);
    let mut rest = &path[first..];
    while let Some((&byte, after)) = rest.split_first() {
        let octet = if byte == b'%' { octet(after) } else { None };
        plain.push(octet.unwrap_or(byte));
        rest = if octet.is_some() { &after[2..] } else { after };
    }
    Cow::Owned(plain)
}

/// The octet that two hexadecimal digits at the start of `bytes` name.
fn octet(bytes: &[u8]) -> Option<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|&digit| char::from(digit).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

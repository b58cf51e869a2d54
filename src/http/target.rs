//! The request target: its four forms, which method may use which, the authority in it (RFC 9112, section 3.2), and its
//! path and query as an environ and a log want them.

use std::borrow::Cow;

use crate::http::syntax::{is_host_byte, is_target};
use crate::http::{ProtocolError, Rule};

/// Path and query of a target, still percent-encoded, divided as Python's `urllib.parse.urlsplit` does, since that is
/// what gunicorn's users see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// Path; empty in an absolute target without one.
    pub path: &'a [u8],
    /// Query without its question mark; empty when there is none.
    pub query: &'a [u8],
}

impl<'a> Target<'a> {
    /// Divides `target`, in which the codec lets no fragment be.
    pub fn divide(target: &'a [u8]) -> Self {
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
pub fn unquote(path: &[u8]) -> Cow<'_, [u8]> {
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

/// Checks the target of a request with this method. `Some`: the authority that it names, for Host to agree with.
pub(crate) fn check<'a>(method: &[u8], target: &'a [u8]) -> Result<Option<Authority<'a>>, ProtocolError> {
    // A fragment is never sent (RFC 9110, section 7.1): a server that cuts it and one that does not see two paths.
    if !is_target(target) || memchr::memchr(b'#', target).is_some() {
        return Err(ProtocolError::new(Rule::TargetByte, target));
    }
    match (method, target) {
        (b"CONNECT", _) => authority_form(target).map(Some),
        (_, [b'/', ..]) | (b"OPTIONS", b"*") => Ok(None),
        // RFC 9112, section 3.2.4. What the server as a whole can be asked is its options.
        (_, b"*") => Err(ProtocolError::new(Rule::AsteriskMethod, method)),
        _ => absolute_form(target).map(Some),
    }
}

/// `uri-host ":" port`, both present (RFC 9112, section 3.2.3).
fn authority_form(target: &[u8]) -> Result<Authority<'_>, ProtocolError> {
    match Authority::parse(target) {
        Some(authority) if !authority.host.is_empty() && !authority.port.is_empty() => Ok(authority),
        _ => Err(ProtocolError::new(Rule::TargetForm, target)),
    }
}

/// `http://authority/...` or `https://...` (RFC 9112, section 3.2.2). Another scheme's resources are not served here
/// (RFC 9110, section 7.4); an empty host (RFC 9110, section 4.2.1) and user information (4.2.4) are refused.
fn absolute_form(target: &[u8]) -> Result<Authority<'_>, ProtocolError> {
    let Some(scheme) = memchr::memmem::find(target, b"://") else {
        return Err(ProtocolError::new(Rule::TargetForm, target));
    };
    let (scheme, rest) = (&target[..scheme], &target[scheme + 3..]);
    let default_port: &[u8] = match scheme {
        _ if scheme.eq_ignore_ascii_case(b"http") => b"80",
        _ if scheme.eq_ignore_ascii_case(b"https") => b"443",
        _ if is_scheme(scheme) => return Err(ProtocolError::new(Rule::ForeignScheme, target)),
        _ => return Err(ProtocolError::new(Rule::TargetForm, target)),
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    match Authority::parse(&rest[..end]) {
        Some(authority) if !authority.host.is_empty() => Ok(Authority { default_port, ..authority }),
        _ => Err(ProtocolError::new(Rule::TargetAuthority, target)),
    }
}

/// `uri-host [ ":" port ]` (RFC 9110, section 7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Authority<'a> {
    host: &'a [u8],
    port: &'a [u8],
    /// The port that goes without saying under the target's scheme; empty: none does.
    default_port: &'a [u8],
}

impl<'a> Authority<'a> {
    /// `None`: breaks the grammar. Empty host and port are within it.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (host, port) = match bytes {
            [b'[', rest @ ..] => {
                let close = memchr::memchr(b']', rest)?;
                if !is_ip_literal(&rest[..close]) {
                    return None;
                }
                bytes.split_at(close + 2)
            }
            _ => {
                let (name, port) = bytes.split_at(memchr::memchr(b':', bytes).unwrap_or(bytes.len()));
                if !is_reg_name(name) {
                    return None;
                }
                (name, port)
            }
        };
        let port = match port {
            [] => port,
            [b':', digits @ ..] if is_port(digits) => digits,
            _ => return None,
        };
        Some(Self { host, port, default_port: b"" })
    }

    /// Whether `host`, the value of Host, names this authority: without regard to case, and with the scheme's default
    /// port equal to none (RFC 9110, section 4.2.3).
    pub(crate) fn is_same(self, host: Authority<'_>) -> bool {
        let is_default = |port: &[u8]| port.is_empty() || port == self.default_port;
        self.host.eq_ignore_ascii_case(host.host)
            && (self.port == host.port || is_default(self.port) && is_default(host.port))
    }
}

/// `reg-name`, or an IPv4 address, which looks like one (RFC 3986, section 3.2.2).
fn is_reg_name(mut bytes: &[u8]) -> bool {
    loop {
        bytes = match bytes {
            [] => return true,
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest,
            [byte, rest @ ..] if is_host_byte(*byte) => rest,
            _ => return false,
        };
    }
}

/// What may stand in brackets: an IPv6 address (the `IPvFuture` of RFC 3986 has never come).
fn is_ip_literal(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok())
}

/// Digits of a port that exists, or none.
fn is_port(digits: &[u8]) -> bool {
    digits.len() <= 5
        && digits.iter().all(u8::is_ascii_digit)
        && digits.iter().fold(0u32, |port, digit| port * 10 + u32::from(digit - b'0')) <= 65535
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divided(target: &str) -> (&[u8], &[u8]) {
        let Target { path, query } = Target::divide(target.as_bytes());
        (path, query)
    }

    #[test]
    fn a_target_is_divided_whatever_its_form() {
        assert_eq!(divided("/a?b?c"), (&b"/a"[..], &b"b?c"[..]));
        assert_eq!(divided("/a"), (&b"/a"[..], &b""[..]));
        assert_eq!(divided("//a://b"), (&b"//a://b"[..], &b""[..]));
        assert_eq!(divided("http://host:80/a?b"), (&b"/a"[..], &b"b"[..]));
        assert_eq!(divided("http://host"), (&b""[..], &b""[..]));
        assert_eq!(divided("*"), (&b"*"[..], &b""[..]));
    }

    #[test]
    fn only_what_is_encoded_is_decoded() {
        assert_eq!(*unquote(b"/a%20b%0Ac%22%e9"), b"/a b\nc\"\xe9"[..]);
        assert_eq!(*unquote(b"/100%/%zz/%4"), b"/100%/%zz/%4"[..]);
        assert!(matches!(unquote(b"/plain"), Cow::Borrowed(_)));
    }
}

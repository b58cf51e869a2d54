//! What a proxy in front tells by header fields: the scheme, the mount point, the client's address. Whom to believe is
//! decided here once, for every worker kind.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::http::Networks;
use crate::http::syntax::{is_quoted_byte, is_token, is_value_byte, trim};

/// What becomes of a field whose name has an underscore: as an environ key it could not be told from the one with a
/// hyphen (gunicorn's `header_map`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum HeaderMap {
    /// It is left out.
    #[default]
    Drop,
    /// The request is refused.
    Refuse,
    /// It is taken.
    Dangerous,
}

/// Which field of a trusted proxy names the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ForwardedClient {
    /// None: the client is who has connected.
    #[default]
    Off,
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The client that the values of `X-Forwarded-For` or `Forwarded` fields name, in order of arrival: going from the
/// last hop towards the first, the first address that is none of the trusted proxies'; the farthest one when all are. A
/// hop that names no address (`unknown`, `_hidden`, nonsense) ends the walk: who stands before it is not to be
/// believed. The port is 0 where none is told. `None`: no address was told.
pub fn forwarded_client<'a>(
    which: ForwardedClient,
    values: impl Iterator<Item = &'a [u8]>,
    trusted: &Networks,
) -> Option<(IpAddr, u16)> {
    let mut client = None;
    for value in values {
        match which {
            ForwardedClient::Off => {}
            ForwardedClient::XForwardedFor => {
                let entries = value.split(|&byte| byte == b',').map(trim);
                // Empty members of a list do not count (RFC 9110, section 5.6.1.2).
                for entry in entries.filter(|entry| !entry.is_empty()) {
                    client = farther(client, entry_hop(entry), trusted);
                }
            }
            ForwardedClient::Forwarded => {
                for element in parts(value, b',') {
                    client = farther(client, element_hop(element), trusted);
                }
            }
        }
    }
    client
}

type Hop = (IpAddr, u16);

/// What the walk from the last hop has come to, seen from the first: with `hop` behind those that have led to `client`.
/// To go forward finds the same, and quoted strings cannot be read backward.
fn farther(client: Option<Hop>, hop: Option<Hop>, trusted: &Networks) -> Option<Hop> {
    match (client, hop) {
        (Some(client), Some((address, _))) if trusted.contains(address) => Some(client),
        (_, hop) => hop,
    }
}

/// An entry of `X-Forwarded-For`, which no specification describes: an address, one of IPv6 with or without brackets,
/// with or without a port.
fn entry_hop(entry: &[u8]) -> Option<Hop> {
    let bare = std::str::from_utf8(entry).ok().and_then(|text| text.parse::<Ipv6Addr>().ok());
    bare.map_or_else(|| node(entry), |address| Some((address.into(), 0)))
}

/// A `forwarded-element`: pairs of a name and a value, of which one is `for` (RFC 7239, section 4).
fn element_hop(element: &[u8]) -> Option<Hop> {
    let mut named = None;
    for pair in parts(element, b';') {
        let (name, value) = pair.split_at_checked(memchr::memchr(b'=', pair)?)?;
        let value = text(value.get(1..)?)?;
        if !is_token(name) || name.eq_ignore_ascii_case(b"for") && named.replace(value).is_some() {
            return None;
        }
    }
    node(&named?)
}

/// The parts of `bytes` between marks outside of quoted strings, trimmed, the empty ones left out. A string that is not
/// closed holds all the rest.
fn parts(bytes: &[u8], mark: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    let parts = std::iter::from_fn(move || {
        let bytes = rest?;
        let end = find_unquoted(bytes, mark);
        rest = end.and_then(|end| bytes.get(end + 1..));
        Some(trim(&bytes[..end.unwrap_or(bytes.len())]))
    });
    parts.filter(|part| !part.is_empty())
}

fn find_unquoted(bytes: &[u8], mark: u8) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    bytes.iter().position(|&byte| {
        let found = byte == mark && !quoted;
        let escape = byte == b'\\' && quoted && !escaped;
        quoted ^= byte == b'"' && !escaped;
        escaped = escape;
        found
    })
}

/// What a `token` or a `quoted-string` stands for (RFC 9110, section 5.6.4); `None`: it is neither.
fn text(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let [b'"', inside @ .., b'"'] = value else { return is_token(value).then_some(Cow::Borrowed(value)) };
    if inside.iter().all(|&byte| is_quoted_byte(byte)) {
        return Some(Cow::Borrowed(inside));
    }
    let mut plain = Vec::with_capacity(inside.len());
    let mut bytes = inside.iter();
    while let Some(&byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => *bytes.next().filter(|&&escaped| is_value_byte(escaped))?,
            _ if is_quoted_byte(byte) => byte,
            _ => return None,
        });
    }
    Some(Cow::Owned(plain))
}

/// A `node` that is an address: `IPv4address` or `[IPv6address]`, with or without a port (RFC 7239, section 6).
fn node(node: &[u8]) -> Option<Hop> {
    let node = std::str::from_utf8(node).ok()?;
    let (address, rest): (IpAddr, _) = match node.strip_prefix('[') {
        Some(inside) => {
            let (address, rest) = inside.split_once(']')?;
            (address.parse::<Ipv6Addr>().ok()?.into(), rest)
        }
        None => {
            let (address, rest) = node.split_at(node.find(':').unwrap_or(node.len()));
            (address.parse::<Ipv4Addr>().ok()?.into(), rest)
        }
    };
    match rest.strip_prefix(':') {
        Some(port) => Some((address, node_port(port)?)),
        None => rest.is_empty().then_some((address, 0)),
    }
}

/// Digits, or an obfuscated port, which tells none.
fn node_port(port: &str) -> Option<u16> {
    match port.strip_prefix('_') {
        Some(hidden) => {
            let is_hidden = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            (!hidden.is_empty() && hidden.bytes().all(is_hidden)).then_some(0)
        }
        None => {
            let is_number = port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
            port.parse().ok().filter(|_| is_number)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::ForwardedClient::{Forwarded, Off, XForwardedFor};
    use super::*;
    use crate::http::Network;

    /// Everybody in 10.0.0.0/8, 192.0.2.0/24 and fd00::/8.
    fn proxies() -> Networks {
        let networks = ["10.0.0.0/8", "192.0.2.0/24", "fd00::/8"];
        Networks::Of(networks.iter().map(|text| Network::parse(text).unwrap()).collect())
    }

    /// `ADDRESS PORT`, or `-`.
    fn client(which: ForwardedClient, values: &[&str], trusted: &Networks) -> String {
        let client = forwarded_client(which, values.iter().map(|value| value.as_bytes()), trusted);
        client.map_or_else(|| "-".to_owned(), |(address, port)| format!("{address} {port}"))
    }

    #[test]
    fn the_last_untrusted_hop_is_the_client() {
        for (values, expected) in [
            (&["198.51.100.7"][..], "198.51.100.7 0"),
            (&["203.0.113.9, 198.51.100.7"], "198.51.100.7 0"),
            (&["203.0.113.9, 198.51.100.7, 10.0.0.1,192.0.2.1"], "198.51.100.7 0"),
            (&["10.0.0.1, 198.51.100.7, 10.0.0.2"], "198.51.100.7 0"),
            (&["10.0.0.1, fd00::2, 10.0.0.3"], "10.0.0.1 0"),
            (&["203.0.113.9", "198.51.100.7", "10.0.0.1"], "198.51.100.7 0"),
            (&["203.0.113.9, unknown, 10.0.0.1, 10.0.0.2"], "10.0.0.1 0"),
            (&["198.51.100.7, unknown"], "-"),
            (&["unknown, 198.51.100.7"], "198.51.100.7 0"),
            (&[""], "-"),
            (&[" , ,", ""], "-"),
            (&[], "-"),
        ] {
            assert_eq!(client(XForwardedFor, values, &proxies()), expected, "{values:?}");
            assert_eq!(client(Off, values, &proxies()), "-");
        }
    }

    #[test]
    fn the_first_believable_hop_is_the_client_when_all_are_trusted() {
        assert_eq!(client(XForwardedFor, &["203.0.113.9, 198.51.100.7", "10.0.0.1"], &Networks::All), "203.0.113.9 0");
        assert_eq!(
            client(XForwardedFor, &["203.0.113.9, x, 198.51.100.7, 10.0.0.1"], &Networks::All),
            "198.51.100.7 0"
        );
        assert_eq!(client(XForwardedFor, &["203.0.113.9, 198.51.100.7"], &Networks::NONE), "198.51.100.7 0");
    }

    #[test]
    fn entries_are_addresses_with_or_without_a_port() {
        for (entry, expected) in [
            ("198.51.100.7:8080", "198.51.100.7 8080"),
            ("198.51.100.7:0", "198.51.100.7 0"),
            ("\t198.51.100.7 ", "198.51.100.7 0"),
            (",,198.51.100.7 ,\t,", "198.51.100.7 0"),
            ("2001:db8::1", "2001:db8::1 0"),
            ("[2001:DB8::1]", "2001:db8::1 0"),
            ("[2001:db8::1]:443", "2001:db8::1 443"),
            ("::ffff:198.51.100.7", "::ffff:198.51.100.7 0"),
            ("198.51.100.7:65536", "-"),
            ("198.51.100.7:000080", "-"),
            ("198.51.100.7:+80", "-"),
            ("198.51.100.7:", "-"),
            ("198.51.100.7 8080", "-"),
            ("198.51.100.07", "-"),
            ("198.51.100", "-"),
            ("2001:db8::1%eth0", "-"),
            ("[2001:db8::1", "-"),
            ("[2001:db8::1]443", "-"),
            ("[198.51.100.7]", "-"),
            ("2001:db8::1]", "-"),
            ("\"198.51.100.7\"", "-"),
            ("client.example", "-"),
            ("_hidden", "-"),
            ("unknown", "-"),
            ("caf\u{e9}", "-"),
        ] {
            assert_eq!(client(XForwardedFor, &[entry], &proxies()), expected, "{entry:?}");
            // It is the nearest hop: nobody is believed who stands before nonsense.
            let behind = format!("203.0.113.9, {entry}");
            assert_eq!(client(XForwardedFor, &[&behind], &proxies()), expected, "{behind:?}");
        }
    }

    #[test]
    fn elements_name_the_client_by_for() {
        for (element, expected) in [
            ("for=198.51.100.7", "198.51.100.7 0"),
            ("For=\"198.51.100.7:47011\"", "198.51.100.7 47011"),
            ("FOR=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17 4711"),
            ("for=\"[2001:db8::1]\"", "2001:db8::1 0"),
            ("for=198.51.100.7;proto=http;by=203.0.113.43", "198.51.100.7 0"),
            ("proto=http; for=198.51.100.7 ;", "198.51.100.7 0"),
            (";;for=198.51.100.7", "198.51.100.7 0"),
            ("host=\"a,b;c\\\"d\";for=198.51.100.7", "198.51.100.7 0"),
            ("for=\"198.51\\.100.7\"", "198.51.100.7 0"),
            ("for=\"198.51.100.7:_hidden-1.x\"", "198.51.100.7 0"),
            (", ,for=198.51.100.7,,", "198.51.100.7 0"),
            ("for=198.51.100.7:80", "-"),
            ("for=\"198.51.100.7:_\"", "-"),
            ("for=\"2001:db8::1\"", "-"),
            ("for=[2001:db8::1]", "-"),
            ("for=_hidden", "-"),
            ("for=\"_hidden\"", "-"),
            ("for=unknown", "-"),
            ("for=", "-"),
            ("for=\"\"", "-"),
            ("for", "-"),
            ("for =198.51.100.7", "-"),
            ("for= 198.51.100.7", "-"),
            ("=198.51.100.7", "-"),
            ("198.51.100.7", "-"),
            ("proto=https", "-"),
            ("for=198.51.100.7;for=198.51.100.7", "-"),
            ("for=198.51.100.7;FOR=198.51.100.8", "-"),
            ("for=\"198.51.100.7", "-"),
            ("for=\"198.51.100.7\\\"", "-"),
            ("for=\"198.51.100.7\"x", "-"),
            ("for=\"198.51.100.7\";host=a b", "-"),
            ("for=198.51.100.7;x=\"a\u{7f}\"", "-"),
            ("for=198.51.100.7;x=\"a\\\u{7f}\"", "-"),
        ] {
            assert_eq!(client(Forwarded, &[element], &proxies()), expected, "{element:?}");
            let behind = format!("for=203.0.113.9, {element}");
            assert_eq!(client(Forwarded, &[&behind], &proxies()), expected, "{behind:?}");
        }
    }

    #[test]
    fn elements_are_a_list_over_all_fields() {
        for (values, expected) in [
            (&["for=203.0.113.9, for=198.51.100.7;proto=http", "for=10.0.0.1"][..], "198.51.100.7 0"),
            (&["for=203.0.113.9;x=\"a, b\", for=10.0.0.1"], "203.0.113.9 0"),
            (&["for=203.0.113.9, for=_x, for=10.0.0.1"], "10.0.0.1 0"),
            // A client's open quotation cannot make the proxy's element a part of its own.
            (&["for=203.0.113.9;x=\", for=\"198.51.100.7:1\""], "-"),
            (&["for=203.0.113.9, for=203.0.113.9;x=\", for=198.51.100.7"], "-"),
            (&["for=203.0.113.9;x=\"", "for=198.51.100.7"], "198.51.100.7 0"),
        ] {
            assert_eq!(client(Forwarded, values, &proxies()), expected, "{values:?}");
        }
    }

    /// The walk as it is documented: from the last hop.
    fn walked(hops: &[Option<Hop>], trusted: &Networks) -> Option<Hop> {
        let mut farthest = None;
        for hop in hops.iter().rev() {
            farthest = Some((*hop)?).or(farthest);
            if !trusted.contains(hop.unwrap().0) {
                break;
            }
        }
        farthest
    }

    fn hops() -> impl Strategy<Value = Vec<Option<Hop>>> {
        let hop = prop_oneof![
            3 => (1u8..9).prop_map(|last| Some((IpAddr::from([10, 0, 0, last]), 0))),
            2 => (1u8..9).prop_map(|last| Some((IpAddr::from([203, 0, 113, last]), 0))),
            1 => Just(None),
        ];
        prop::collection::vec(hop, 0..8)
    }

    proptest! {
        #[test]
        fn going_forward_finds_what_the_walk_finds(hops in hops()) {
            for trusted in [proxies(), Networks::All, Networks::NONE] {
                let found = hops.iter().fold(None, |client, hop| farther(client, *hop, &trusted));
                let expected = match hops.iter().rposition(Option::is_none) {
                    Some(last) => walked(&hops[last + 1..], &trusted),
                    None => walked(&hops, &trusted),
                };
                prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn no_value_panics(
            values in prop::collection::vec(
                prop_oneof![
                    "((for|by|x)=(\"[0-9\\[\\]:.,;\\\\\"]{0,9}\"?|[a-z0-9._]{0,9})[,; ]{0,2}){0,6}".prop_map(String::into_bytes),
                    "([0-9a-f.:\\[\\]_]{0,12}[ ,]{0,2}){0,6}".prop_map(String::into_bytes),
                    prop::collection::vec(any::<u8>(), 0..60),
                ],
                0..4,
            ),
        ) {
            for which in [Off, XForwardedFor, Forwarded] {
                let _ = forwarded_client(which, values.iter().map(Vec::as_slice), &proxies());
            }
        }
    }
}

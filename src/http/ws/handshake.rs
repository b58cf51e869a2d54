//! The opening handshake (RFC 6455, section 4.2): whether a request asks for a WebSocket, and the answer that opens it.
//!
//! [`opening`] reads an accepted head. The application decides; [`Handshake::encode`] writes the 101 that accepts, and
//! any other response denies.

use sha1::{Digest, Sha1};

use super::extension::parse_offers;
use super::negotiation::{Deflate, DeflateOptions};
use crate::http::h1::{append_common, append_field, append_plain_fields, append_status_line, check_fields};
use crate::http::syntax::{is_token, trim};
use crate::http::{Framing, Head, ProtocolError, ResponseError, Rule, Version, reason_phrase};

/// What is appended to the key before it is hashed (RFC 6455, section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A key: 16 bytes in base64, of which the last two characters are padding.
const KEY_CHARACTERS: usize = 24;

/// `Sec-WebSocket-Accept`: the 20 bytes of a SHA-1 in base64.
const ACCEPT_CHARACTERS: usize = 28;

/// The version of the protocol that is spoken here, the only one there is.
const VERSION: &[u8] = b"13";

/// A request that asks for a WebSocket as the RFC wants it.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    head: Head<'a>,
    key: &'a [u8],
}

/// Reads the head of a request; `None` if it asks for no WebSocket.
///
/// An Upgrade that Connection does not name, or that a 1.0 client sends, is no upgrade (RFC 9110, section 7.8).
///
/// # Errors
/// It asks for one, but not as RFC 6455, section 4.2.1, wants it. 426 is answered with the version that is spoken.
pub fn opening(head: Head<'_>) -> Result<Option<Opening<'_>>, ProtocolError> {
    if !asks_for_websocket(head) {
        return Ok(None);
    }
    if head.method() != b"GET" {
        return Err(ProtocolError::new(Rule::WebSocketMethod, head.method()));
    }
    // Item 1 asks for a GET; a body between the head and the first frame is one that two servers could cut differently.
    if head.parsed.framing != Framing::Length(0) {
        return Err(ProtocolError::new(Rule::WebSocketBody, b""));
    }
    check_version(head)?;
    let key = only(head, b"sec-websocket-key").map_err(|found| ProtocolError::new(Rule::WebSocketKey, found))?;
    if !is_key(key) {
        return Err(ProtocolError::new(Rule::WebSocketKey, key));
    }
    check_lists(head)?;
    Ok(Some(Opening { head, key }))
}

impl<'a> Opening<'a> {
    /// The sub-protocols that the client would speak, the preferred one first.
    pub fn subprotocols(self) -> impl Iterator<Item = &'a [u8]> {
        elements(self.head, b"sec-websocket-protocol")
    }

    /// What is needed to answer, without the request. `options`: permessage-deflate, if it may be used.
    pub fn handshake(self, options: Option<DeflateOptions>) -> Handshake {
        let fields = values(self.head, b"sec-websocket-extensions");
        // RFC 6455, section 9.1: several fields are one list.
        let offers: Vec<_> = fields.filter_map(parse_offers).flatten().collect();
        let deflate = options.and_then(|options| Deflate::negotiate(&offers, options));
        Handshake { accept: accept(self.key), deflate }
    }
}

/// The server's side of an opening handshake, ready to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    accept: [u8; ACCEPT_CHARACTERS],
    deflate: Option<Deflate>,
}

impl Handshake {
    /// The compression agreed upon, if any.
    pub fn deflate(&self) -> Option<Deflate> {
        self.deflate
    }

    /// Appends the head that opens the WebSocket, with the application's `fields`. Those that belong to the connection,
    /// and Server, Date and Content-Length, are dropped, as from every response.
    ///
    /// # Errors
    /// A sub-protocol that is no token, a field that cannot be sent, or a `Sec-WebSocket-*` among the fields, which are
    /// the handshake's own. Nothing is appended then.
    pub fn encode(
        &self,
        subprotocol: Option<&[u8]>,
        fields: &[(&[u8], &[u8])],
        date: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ResponseError> {
        check_fields(fields)?;
        if let Some((name, _)) = fields.iter().find(|(name, _)| is_reserved(name)) {
            return Err(ResponseError::ReservedField(name.iter().map(|&byte| char::from(byte)).collect()));
        }
        if subprotocol.is_some_and(|subprotocol| !is_token(subprotocol)) {
            return Err(ResponseError::FieldValue("Sec-WebSocket-Protocol".to_owned()));
        }
        append_status_line(Version::Http11, 101, reason_phrase(101).as_bytes(), out);
        append_common(date, out);
        append_field(b"Upgrade", b"websocket", out);
        append_field(b"Connection", b"Upgrade", out);
        append_field(b"Sec-WebSocket-Accept", &self.accept, out);
        if let Some(subprotocol) = subprotocol {
            append_field(b"Sec-WebSocket-Protocol", subprotocol, out);
        }
        if let Some(deflate) = self.deflate {
            out.extend_from_slice(b"Sec-WebSocket-Extensions: ");
            deflate.append_to(out);
            out.extend_from_slice(b"\r\n");
        }
        append_plain_fields(fields, out);
        out.extend_from_slice(b"\r\n");
        Ok(())
    }
}

/// Values of the fields of this name, given in lower case.
fn values<'a>(head: Head<'a>, wanted: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    let fields = head.fields().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted));
    fields.map(|(_, value)| value)
}

/// Elements of a list, over all fields of the name; empty ones left out (RFC 9110, section 5.6.1.2).
fn elements<'a>(head: Head<'a>, wanted: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    let all = values(head, wanted).flat_map(|value| value.split(|&byte| byte == b','));
    all.map(trim).filter(|element| !element.is_empty())
}

/// The value of a field that must be there once; else what a second one says.
fn only<'a>(head: Head<'a>, wanted: &'static [u8]) -> Result<&'a [u8], &'a [u8]> {
    let mut values = values(head, wanted);
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (_, second) => Err(second.unwrap_or_default()),
    }
}

/// Items 3 and 4.
fn asks_for_websocket(head: Head<'_>) -> bool {
    head.version() == Version::Http11
        && elements(head, b"upgrade").any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
        && elements(head, b"connection").any(|option| option.eq_ignore_ascii_case(b"upgrade"))
}

/// Item 6, and section 4.4: a version that is not spoken gets an answer of its own.
fn check_version(head: Head<'_>) -> Result<(), ProtocolError> {
    match only(head, b"sec-websocket-version") {
        Ok(VERSION) => Ok(()),
        Ok(other) => Err(ProtocolError::new(Rule::WebSocketVersionUnsupported, other)),
        Err(found) => Err(ProtocolError::new(Rule::WebSocketVersion, found)),
    }
}

/// Items 8 and 9: what is there must follow its grammar.
fn check_lists(head: Head<'_>) -> Result<(), ProtocolError> {
    if let Some(bad) = elements(head, b"sec-websocket-protocol").find(|element| !is_token(element)) {
        return Err(ProtocolError::new(Rule::WebSocketProtocol, bad));
    }
    match values(head, b"sec-websocket-extensions").find(|value| parse_offers(value).is_none()) {
        Some(bad) => Err(ProtocolError::new(Rule::WebSocketExtensions, bad)),
        None => Ok(()),
    }
}

/// Item 5: the key says nothing, so that padding bits that are not zero do not matter; its length does.
fn is_key(value: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    value.len() == KEY_CHARACTERS
        && value.strip_suffix(b"==").is_some_and(|characters| characters.iter().all(is_base64))
}

/// RFC 6455, section 4.2.2, item 5.4.
fn accept(key: &[u8]) -> [u8; ACCEPT_CHARACTERS] {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut accept = [0; ACCEPT_CHARACTERS];
    data_encoding::BASE64.encode_mut(&digest, &mut accept);
    accept
}

/// A field that only the handshake may set.
fn is_reserved(name: &[u8]) -> bool {
    const PREFIX: &[u8] = b"sec-websocket-";
    name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::http::h1::{encode_error, parse_head};
    use crate::http::{Acceptance, ParsedHead};

    const DATE: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";

    /// RFC 6455, section 1.2, without its last fields.
    const START: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

    /// What `then` makes of the head.
    fn with_opening<T>(text: &str, then: impl FnOnce(Result<Option<Opening<'_>>, ProtocolError>) -> T) -> T {
        let mut input = text.as_bytes().to_vec();
        let mut parsed = ParsedHead::default();
        assert!(parse_head(&mut input, &Acceptance::default(), &mut parsed).unwrap(), "{text}");
        then(opening(Head { bytes: &input, parsed: &parsed }))
    }

    fn is_opening(text: &str) -> Result<bool, (u16, Rule)> {
        with_opening(text, |found| {
            found.map(|opening| opening.is_some()).map_err(|error| (error.status(), error.kind()))
        })
    }

    fn good(fields: &str) -> String {
        format!("{START}Sec-WebSocket-Version: 13\r\n{fields}\r\n")
    }

    #[test]
    fn the_example_of_the_rfc_is_answered_as_there() {
        let text = good("Origin: http://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n");
        with_opening(&text, |found| {
            let opening = found.unwrap().unwrap();
            assert_eq!(opening.subprotocols().collect::<Vec<_>>(), [&b"chat"[..], b"superchat"]);
            let mut out = Vec::new();
            opening.handshake(None).encode(Some(b"chat"), &[], DATE, &mut out).unwrap();
            let expected = "HTTP/1.1 101 Switching Protocols\r\nServer: gunicorn-rs\r\n\
                Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        });
    }

    #[test]
    fn upgrades_are_lists_without_regard_to_case() {
        let text = good("").replace("Upgrade: websocket", "upgrade: h2c, WebSocket");
        assert_eq!(is_opening(&text.replace("Connection: Upgrade", "Connection: keep-alive, UPGRADE")), Ok(true));
        assert_eq!(is_opening(&text.replace("Connection: Upgrade", "Connection: a\r\nConnection: upgrade")), Ok(true));
    }

    #[test]
    fn what_does_not_ask_for_a_websocket_is_a_request_like_any_other() {
        let text = good("");
        for other in [
            text.replace("Upgrade: websocket", "Upgrade: h2c"),
            text.replace("Upgrade: websocket\r\n", ""),
            text.replace("Connection: Upgrade", "Connection: keep-alive"),
            text.replace("Connection: Upgrade\r\n", ""),
            text.replace("HTTP/1.1", "HTTP/1.0"),
        ] {
            assert_eq!(is_opening(&other), Ok(false), "{other}");
        }
    }

    #[test]
    fn what_asks_wrongly_is_refused_with_the_rule() {
        let text = good("");
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let version = "Sec-WebSocket-Version: 13\r\n";
        for (other, status, rule) in [
            (text.replace("GET", "POST"), 400, Rule::WebSocketMethod),
            (good("Content-Length: 3\r\n"), 400, Rule::WebSocketBody),
            (good("Transfer-Encoding: chunked\r\n"), 400, Rule::WebSocketBody),
            (text.replace(key, ""), 400, Rule::WebSocketKey),
            (good(key), 400, Rule::WebSocketKey),
            (text.replace("dGhl", "dGh"), 400, Rule::WebSocketKey),
            (text.replace("ZQ==", "ZQ="), 400, Rule::WebSocketKey),
            (text.replace("ZQ==", "ZQQ="), 400, Rule::WebSocketKey),
            (text.replace("ZQ==", "ZQQQ"), 400, Rule::WebSocketKey),
            (text.replace("dGhl", "dG_l"), 400, Rule::WebSocketKey),
            (text.replace(version, ""), 400, Rule::WebSocketVersion),
            (good(version), 400, Rule::WebSocketVersion),
            (text.replace(": 13", ": 8"), 426, Rule::WebSocketVersionUnsupported),
            (text.replace(": 13", ": 13, 8"), 426, Rule::WebSocketVersionUnsupported),
            (good("Sec-WebSocket-Protocol: a, b c\r\n"), 400, Rule::WebSocketProtocol),
            (good("Sec-WebSocket-Extensions: a;;\r\n"), 400, Rule::WebSocketExtensions),
        ] {
            assert_eq!(is_opening(&other), Err((status, rule)), "{other}");
        }
    }

    #[test]
    fn another_version_is_told_which_one_is_spoken() {
        let mut out = Vec::new();
        encode_error(426, "", DATE, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{text}");
        assert!(text.contains("\r\nConnection: close, Upgrade\r\n"), "{text}");
        assert!(text.contains("\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"), "{text}");
    }

    #[test]
    fn offers_may_stand_in_several_fields() {
        let text = good(
            "Sec-WebSocket-Extensions: x\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
             Sec-WebSocket-Protocol: a,, b\r\nSec-WebSocket-Protocol: c\r\n",
        );
        with_opening(&text, |found| {
            let opening = found.unwrap().unwrap();
            assert_eq!(opening.subprotocols().collect::<Vec<_>>(), [b"a", b"b", b"c"]);
            assert_eq!(opening.handshake(None).deflate(), None);
            let handshake = opening.handshake(Some(DeflateOptions::default()));
            let mut out = Vec::new();
            handshake.encode(None, &[(b"Date", b"never"), (b"X-A", b" b ")], DATE, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            let end = "xOo=\r\nSec-WebSocket-Extensions: permessage-deflate\r\nX-A: b\r\n\r\n";
            assert!(text.ends_with(end), "{text}");
        });
    }

    #[test]
    fn the_application_cannot_break_the_answer() {
        let handshake = Handshake { accept: accept(b""), deflate: None };
        let mut out = Vec::new();
        let fields: [(&[u8], &[u8]); 5] = [
            (b"X-A", b"a\r\nX-B: b"),
            (b"X A", b"a"),
            (b"Sec-WebSocket-Protocol", b"a"),
            (b"sec-websocket-accept", b"a"),
            (b"SEC-WEBSOCKET-X", b"a"),
        ];
        for field in fields {
            assert!(handshake.encode(None, &[field], DATE, &mut out).is_err(), "{field:?}");
        }
        for subprotocol in [&b""[..], b"a b", b"a\r\n"] {
            assert!(handshake.encode(Some(subprotocol), &[], DATE, &mut out).is_err(), "{subprotocol:?}");
        }
        assert!(out.is_empty());
        let dropped: [(&[u8], &[u8]); 4] =
            [(b"Upgrade", b"websocket"), (b"Connection", b"close"), (b"Content-Length", b"0"), (b"Server", b"x")];
        handshake.encode(None, &dropped, DATE, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!((text.matches("Upgrade: ").count(), text.matches("Server: ").count()), (1, 1), "{text}");
        assert!(!text.contains("close") && !text.contains("Length"), "{text}");
    }
}

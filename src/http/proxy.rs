//! The PROXY protocol: how a proxy in front tells the client's address, before the first request on a connection
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, sections 2.1 and 2.2).

use std::net::IpAddr::{self, V4, V6};
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::http::{ProtocolError, Rule};

/// Longest header of the text form, CRLF included (section 2.1).
const V1_BYTES: usize = 107;
/// How the text form begins: what comes behind it is a header or an error.
const V1_START: &[u8] = b"PROXY ";
/// The alphabet of a part of the text form, and its most bytes. In an address of IPv6 there may be dots, since one of
/// IPv4 in it is written with them (RFC 5952, section 5).
const V4_TEXT: (fn(u8) -> bool, usize) = (|byte| byte.is_ascii_digit() || byte == b'.', 15);
const V6_TEXT: (fn(u8) -> bool, usize) = (|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'), 45);
const PORT_TEXT: (fn(u8) -> bool, usize) = (|byte| byte.is_ascii_digit(), 5);
/// How the binary form begins (section 2.2).
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The part of the binary form that is always there: signature, version and command, family and transport, length.
const V2_FIXED_BYTES: usize = 16;
/// Longest header of the binary form that is taken. A header is meant to fit into one segment, the smallest of which
/// holds 536 bytes (section 2); what is longer carries certificates.
const V2_BYTES: usize = 4096;
/// Type and length of a type-length-value vector (section 2.2).
const TLV_HEAD_BYTES: usize = 3;
/// A port in the binary form.
const PORT_BYTES: usize = 2;

/// Which versions of the header are looked for (gunicorn's `proxy_protocol`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ProxyProtocol {
    /// None.
    #[default]
    Off,
    /// The text form.
    V1,
    /// The binary form.
    V2,
    /// Either.
    Auto,
}

/// What a header has told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyHeader {
    /// What gunicorn's environ calls it: `TCP4`, `TCP6`, `UNKNOWN`, `UNSPEC` or `LOCAL`.
    pub kind: &'static str,
    /// The client's and the proxy's own address; `None` where the header tells none: then the connection's count.
    pub addresses: Option<(SocketAddr, SocketAddr)>,
}

/// What the bytes at the start of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyScan {
    /// Not enough to say, or not the whole header: call again with the same bytes and more.
    More,
    /// No header of a version that is looked for: a request begins here.
    Absent,
    /// A header of so many bytes.
    Found(ProxyHeader, usize),
}

/// Looks for a header at the start of `input`. What it says does not depend on how the bytes were cut: it is said of
/// the first bytes of which it can be said, and stays true of all that begin with them. A header is judged part by
/// part: a part when the byte behind it is here, its alphabet and its length before that.
///
/// # Errors
/// A header that is not well-formed, or tells of a transport that is none of TCP.
pub fn parse_proxy(input: &[u8], wanted: ProxyProtocol) -> Result<ProxyScan, ProtocolError> {
    let (start, read): (_, Reader) = match (wanted, input.first()) {
        (ProxyProtocol::Off, _) => return Ok(ProxyScan::Absent),
        (_, None) => return Ok(ProxyScan::More),
        (ProxyProtocol::V1 | ProxyProtocol::Auto, Some(b'P')) => (V1_START, read_v1),
        // The bytes may still be the empty line before a request (RFC 9112, section 2.2).
        (ProxyProtocol::V2 | ProxyProtocol::Auto, Some(b'\r')) => (V2_SIGNATURE, read_v2),
        _ => return Ok(ProxyScan::Absent),
    };
    if !input.starts_with(start) {
        return Ok(if start.starts_with(input) { ProxyScan::More } else { ProxyScan::Absent });
    }
    let mut cursor = Cursor { input, at: start.len() };
    match read(&mut cursor) {
        Ok(header) => Ok(ProxyScan::Found(header, cursor.at)),
        Err(Stop::More) => Ok(ProxyScan::More),
        Err(Stop::Bad) => Err(ProtocolError::new(Rule::ProxyHeader, input.get(..=cursor.at).unwrap_or(input))),
    }
}

/// Reads what stands behind the start of a header, and leaves the cursor behind the header.
type Reader = fn(&mut Cursor<'_>) -> Result<ProxyHeader, Stop>;

/// Why the reading of a header ends before the header does.
enum Stop {
    /// The bytes do.
    More,
    /// The byte at the cursor belongs to no header.
    Bad,
}

/// A place in the bytes that have come.
struct Cursor<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a [u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Result<u8, Stop> {
        self.rest().first().copied().ok_or(Stop::More)
    }

    /// Goes past exactly these bytes.
    fn literal(&mut self, expected: &[u8]) -> Result<(), Stop> {
        for &byte in expected {
            if self.peek()? != byte {
                return Err(Stop::Bad);
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Goes past up to `most` bytes of an alphabet and the `end` behind them, if the bytes can be read.
    fn token<T>(
        &mut self,
        (alphabet, most): (fn(u8) -> bool, usize),
        end: u8,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Stop> {
        let rest = self.rest();
        let length = rest.iter().take(most).take_while(|&&byte| alphabet(byte)).count();
        self.at += length;
        if self.peek()? != end {
            return Err(Stop::Bad);
        }
        let token = std::str::from_utf8(&rest[..length]).ok().and_then(read).ok_or(Stop::Bad)?;
        self.at += 1;
        Ok(token)
    }
}

/// The line of the text form behind `PROXY `, its CRLF within the bound on lines.
fn read_v1(cursor: &mut Cursor<'_>) -> Result<ProxyHeader, Stop> {
    cursor.input = cursor.input.get(..V1_BYTES).unwrap_or(cursor.input);
    match (read_line(cursor), cursor.input.len()) {
        (Err(Stop::More), V1_BYTES) => Err(Stop::Bad),
        // The last byte but one, and not the CR that would have to stand there.
        (Err(Stop::More), length) if length + 1 == V1_BYTES && !cursor.input.ends_with(b"\r") => Err(Stop::Bad),
        (read, _) => read,
    }
}

fn read_line(cursor: &mut Cursor<'_>) -> Result<ProxyHeader, Stop> {
    if cursor.peek()? == b'U' {
        cursor.literal(b"UNKNOWN")?;
        return skip_line(cursor);
    }
    cursor.literal(b"TCP")?;
    match cursor.peek()? {
        b'4' => {
            read_addresses("TCP4", cursor, |cursor| cursor.token(V4_TEXT, b' ', |text| Some(V4(text.parse().ok()?))))
        }
        b'6' => {
            read_addresses("TCP6", cursor, |cursor| cursor.token(V6_TEXT, b' ', |text| Some(V6(text.parse().ok()?))))
        }
        _ => Err(Stop::Bad),
    }
}

/// Of `UNKNOWN` whatever stands before the CRLF is ignored, and may be left out.
fn skip_line(cursor: &mut Cursor<'_>) -> Result<ProxyHeader, Stop> {
    if cursor.peek()? == b' ' {
        cursor.at += memchr::memmem::find(cursor.rest(), b"\r\n").ok_or(Stop::More)?;
    }
    cursor.literal(b"\r\n")?;
    Ok(ProxyHeader { kind: "UNKNOWN", addresses: None })
}

/// Two addresses and two ports, each behind one space; the cursor is at the digit that ends `kind`.
fn read_addresses(
    kind: &'static str,
    cursor: &mut Cursor<'_>,
    address: fn(&mut Cursor<'_>) -> Result<IpAddr, Stop>,
) -> Result<ProxyHeader, Stop> {
    cursor.at += 1;
    cursor.literal(b" ")?;
    let (client, proxy) = (address(cursor)?, address(cursor)?);
    let (client_port, proxy_port) = (read_port(cursor, b' ')?, read_port(cursor, b'\r')?);
    cursor.literal(b"\n")?;
    let addresses = (SocketAddr::new(client, client_port), SocketAddr::new(proxy, proxy_port));
    Ok(ProxyHeader { kind, addresses: Some(addresses) })
}

/// A decimal number without leading zeros, and the byte behind it.
fn read_port(cursor: &mut Cursor<'_>, end: u8) -> Result<u16, Stop> {
    cursor.token(PORT_TEXT, end, |digits| {
        let is_canonical = digits.len() == 1 || !digits.starts_with('0');
        digits.parse().ok().filter(|_| is_canonical)
    })
}

/// The binary form behind its signature.
fn read_v2(cursor: &mut Cursor<'_>) -> Result<ProxyHeader, Stop> {
    let local = match cursor.peek()? {
        0x20 => true,
        0x21 => false,
        _ => return Err(Stop::Bad),
    };
    cursor.at += 1;
    let (kind, address_bytes) = match cursor.peek()? {
        // The proxy speaks for itself: the family is ignored.
        _ if local => ("LOCAL", 0),
        // Family UNSPEC, whether or not the transport is known.
        0x00 | 0x01 => ("UNSPEC", 0),
        0x11 => ("TCP4", 4),
        0x21 => ("TCP6", 16),
        _ => return Err(Stop::Bad),
    };
    cursor.at += 1;
    let &[high, low, ..] = cursor.rest() else { return Err(Stop::More) };
    cursor.at += 1;
    let end = V2_FIXED_BYTES + usize::from(u16::from_be_bytes([high, low]));
    if end > V2_BYTES {
        return Err(Stop::Bad);
    }
    // Where no addresses are, nobody knows where the vectors begin: the block is discarded.
    if address_bytes > 0 {
        check_vectors(cursor, V2_FIXED_BYTES + 2 * address_bytes + 2 * PORT_BYTES, end)?;
    }
    let block = cursor.input.get(V2_FIXED_BYTES..end).ok_or(Stop::More)?;
    cursor.at = end;
    Ok(ProxyHeader { kind, addresses: addresses(block, address_bytes) })
}

/// Checks that type-length-value vectors fill the bytes from `begin` to `end` of the header, as far as they have come.
/// The cursor goes only where bytes are, so that what is bad is shown the same however they came.
fn check_vectors(cursor: &mut Cursor<'_>, mut begin: usize, end: usize) -> Result<(), Stop> {
    while begin != end {
        if begin + TLV_HEAD_BYTES > end {
            return Err(Stop::Bad);
        }
        let Some(&[_, high, low]) = cursor.input.get(begin..begin + TLV_HEAD_BYTES) else { return Err(Stop::More) };
        cursor.at = begin + TLV_HEAD_BYTES - 1;
        begin += TLV_HEAD_BYTES + usize::from(u16::from_be_bytes([high, low]));
    }
    Ok(())
}

/// The addresses at the start of a block, of so many bytes each, and the ports behind both.
fn addresses(block: &[u8], bytes: usize) -> Option<(SocketAddr, SocketAddr)> {
    let port = |at: usize| Some(u16::from_be_bytes(*block.get(at..)?.first_chunk()?));
    let address = |at: usize| match bytes {
        4 => Some(IpAddr::from(*block.get(at..)?.first_chunk::<4>()?)),
        16 => Some(IpAddr::from(*block.get(at..)?.first_chunk::<16>()?)),
        _ => None,
    };
    let client = SocketAddr::new(address(0)?, port(2 * bytes)?);
    let proxy = SocketAddr::new(address(bytes)?, port(2 * bytes + PORT_BYTES)?);
    Some((client, proxy))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::ProxyProtocol::{Auto, Off, V1, V2};
    use super::*;

    type Outcome = Result<ProxyScan, ProtocolError>;

    /// What is said of all bytes at once, after it was seen that it is said of them one at a time, too.
    fn scan(input: &[u8], wanted: ProxyProtocol) -> Outcome {
        let whole = parse_proxy(input, wanted);
        let one_at_a_time = (0..=input.len()).map(|end| parse_proxy(&input[..end], wanted));
        let first = one_at_a_time.into_iter().find(|outcome| *outcome != Ok(ProxyScan::More));
        assert_eq!(whole, first.unwrap_or(Ok(ProxyScan::More)), "{}", input.escape_ascii());
        whole
    }

    fn is_refused(input: &[u8], wanted: ProxyProtocol) -> bool {
        scan(input, wanted).is_err_and(|error| error.kind() == Rule::ProxyHeader)
    }

    fn found(kind: &'static str, client: &str, proxy: &str, bytes: usize) -> Outcome {
        let addresses = Some((client.parse().unwrap(), proxy.parse().unwrap()));
        Ok(ProxyScan::Found(ProxyHeader { kind, addresses }, bytes))
    }

    fn unaddressed(kind: &'static str, bytes: usize) -> Outcome {
        Ok(ProxyScan::Found(ProxyHeader { kind, addresses: None }, bytes))
    }

    /// A header of the binary form with this block.
    fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        [V2_SIGNATURE, &[command, family], &length, block].concat()
    }

    /// The addresses 192.0.2.1:80 and 192.0.2.2:443, and these vectors.
    fn inet(vectors: &[u8]) -> Vec<u8> {
        binary(0x21, 0x11, &[&[192, 0, 2, 1, 192, 0, 2, 2, 0, 80, 1, 187], vectors].concat())
    }

    #[test]
    fn text_headers_tell_the_client() {
        let four = b"PROXY TCP4 192.0.2.1 255.255.255.255 65535 0\r\nGET / HTTP/1.1\r\n";
        assert_eq!(scan(four, V1), found("TCP4", "192.0.2.1:65535", "255.255.255.255:0", 46));
        let six = b"PROXY TCP6 2001:DB8::1 ::ffff:192.0.2.1 1 22\r\n";
        assert_eq!(scan(six, Auto), found("TCP6", "[2001:db8::1]:1", "[::ffff:192.0.2.1]:22", six.len()));
        let most = "ffff:".repeat(7) + "ffff";
        let longest = format!("PROXY TCP6 {most} {most} 65535 65535\r\n");
        let address = format!("[{most}]:65535");
        assert_eq!(scan(longest.as_bytes(), V1), found("TCP6", &address, &address, 104));
    }

    #[test]
    fn unknown_tells_nothing_up_to_the_line_end() {
        assert_eq!(scan(b"PROXY UNKNOWN\r\nGET", V1), unaddressed("UNKNOWN", 15));
        assert_eq!(scan(b"PROXY UNKNOWN a  \xff\r \n b\r\n\r\n", V1), unaddressed("UNKNOWN", 25));
        let line = |filling: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(filling)).into_bytes();
        assert_eq!(scan(&line(91), V1), unaddressed("UNKNOWN", 107));
        assert!(is_refused(&line(92), V1));
        assert!(is_refused(&line(92)[..106], V1));
        assert_eq!(scan(&line(91)[..106], V1), Ok(ProxyScan::More));
    }

    #[test]
    fn other_lines_are_refused() {
        let good = "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n";
        assert!(scan(good.as_bytes(), V1).is_ok());
        for line in [
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1  2\r\n",
            "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP4\t192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 00 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 100000\r\n",
            "PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP6 ::1%eth0 ::1 1 2\r\n",
            "PROXY TCP6 1:::1 ::1 1 2\r\n",
            "PROXY TCP6 12345::1 ::1 1 2\r\n",
            "PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY UNKNOWN\n",
            "PROXY UNKNOWN\r \r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY \r\n",
            "PROXY / HTTP/1.1\r\n",
        ] {
            assert!(is_refused(line.as_bytes(), V1), "{line:?}");
            assert!(is_refused(line.as_bytes(), Auto), "{line:?}");
        }
        let embedded = "ffff:".repeat(6) + "255.255.255.255";
        assert!(is_refused(format!("PROXY TCP6 {embedded} {embedded} 65535 65535\r\n").as_bytes(), V1));
    }

    #[test]
    fn what_no_line_can_become_is_refused_at_once() {
        for start in [
            "PROXY T ",
            "PROXY X",
            "PROXY TCP4 a",
            "PROXY TCP4 192.168.100.1000",
            "PROXY TCP4 1.1.1.1 1.1.1.1 1 123456",
        ] {
            assert!(is_refused(start.as_bytes(), V1), "{start:?}");
        }
    }

    #[test]
    fn binary_headers_tell_the_client() {
        let four = inet(b"");
        assert_eq!(scan(&[&four[..], b"GET"].concat(), V2), found("TCP4", "192.0.2.1:80", "192.0.2.2:443", 28));
        let vectors = inet(b"\x04\0\0\x20\0\x03abc");
        assert_eq!(scan(&vectors, Auto), found("TCP4", "192.0.2.1:80", "192.0.2.2:443", 37));
        let block: Vec<u8> = (0..36).collect();
        let six = binary(0x21, 0x21, &block);
        let (client, proxy) =
            ("[1:203:405:607:809:a0b:c0d:e0f]:8225", "[1011:1213:1415:1617:1819:1a1b:1c1d:1e1f]:8739");
        assert_eq!(scan(&six, V2), found("TCP6", client, proxy, 52));
    }

    #[test]
    fn blocks_without_addresses_are_discarded() {
        assert_eq!(scan(&binary(0x20, 0x00, b""), V2), unaddressed("LOCAL", 16));
        assert_eq!(scan(&binary(0x20, 0xff, b"whatever"), V2), unaddressed("LOCAL", 24));
        assert_eq!(scan(&binary(0x21, 0x00, b"\xff"), V2), unaddressed("UNSPEC", 17));
        assert_eq!(scan(&binary(0x21, 0x01, b""), V2), unaddressed("UNSPEC", 16));
    }

    #[test]
    fn other_blocks_are_refused() {
        let good = [0; 36];
        for (command, family) in [(0x11, 0x11), (0x31, 0x11), (0x22, 0x11), (0x2f, 0x11), (0x00, 0x00)] {
            assert!(is_refused(&binary(command, family, &good[..12]), V2), "{command:#x}");
        }
        for family in [0x02, 0x03, 0x10, 0x12, 0x13, 0x20, 0x22, 0x30, 0x31, 0x32, 0x41, 0xf1] {
            assert!(is_refused(&binary(0x21, family, &good), V2), "{family:#x}");
        }
        assert!(is_refused(&binary(0x21, 0x11, &good[..11]), V2));
        assert!(is_refused(&binary(0x21, 0x21, &good[..35]), V2));
        for vectors in [&b"\x04"[..], b"\x04\0", b"\x04\0\x01", b"\x04\0\0\x04", b"\x04\0\x01a\x04\xff\xffb"] {
            assert!(is_refused(&inet(vectors), V2), "{}", vectors.escape_ascii());
        }
        assert!(is_refused(&binary(0x20, 0x00, &[0; V2_BYTES - V2_FIXED_BYTES + 1])[..V2_FIXED_BYTES], V2));
        assert!(scan(&binary(0x20, 0x00, &[0; V2_BYTES - V2_FIXED_BYTES]), V2).is_ok());
    }

    #[test]
    fn requests_begin_where_no_header_does() {
        for (input, wanted) in [
            (&b""[..], Off),
            (b"PROXY TCP4", Off),
            (b"G", Auto),
            (b"P", V2),
            (b"POST / HTTP/1.1\r\n", Auto),
            (b"PROXY\r\n", Auto),
            (b"PROXIED", V1),
            (b"proxy TCP4", V1),
            (b"\r", V1),
            (b"\r\nGET / HTTP/1.1\r\n", Auto),
            (b"\r\n\r\nGET", V2),
            (b"\r\n\r\n\0\r\nQUIT\r", V2),
            (b" PROXY TCP4", V1),
        ] {
            assert_eq!(scan(input, wanted), Ok(ProxyScan::Absent), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn what_may_become_a_header_is_waited_for() {
        for (input, wanted) in
            [(&b""[..], V1), (b"P", V1), (b"PROXY", Auto), (b"\r\n", V2), (b"\r\n\r\n\0\r\nQUIT", Auto)]
        {
            assert_eq!(scan(input, wanted), Ok(ProxyScan::More), "{}", input.escape_ascii());
        }
        let whole = inet(b"\x04\0\x02ab");
        for end in 0..whole.len() {
            assert_eq!(parse_proxy(&whole[..end], V2), Ok(ProxyScan::More));
        }
    }

    fn wanted() -> impl Strategy<Value = ProxyProtocol> {
        prop_oneof![Just(Off), Just(V1), Just(V2), Just(Auto)]
    }

    /// Lines and blocks that are almost good.
    fn almost() -> impl Strategy<Value = Vec<u8>> {
        let address = "[0-9]{1,3}(\\.[0-9]{1,3}){3}|[0-9a-f:]{2,20}|::(ffff:){0,6}1.2.3.4";
        let line = (address, address, "(PROXY )(TCP4|TCP6|UNKNOWN)", "[0-9]{1,6}|[+-]1", "(\r\n|\n|[a-z]{60,80}\r\n)");
        let block =
            (prop_oneof![Just(0x20u8), Just(0x21), any::<u8>()], prop_oneof![Just(0x11u8), Just(0x21), any::<u8>()]);
        prop_oneof![
            line.prop_map(|(client, proxy, start, port, end)| {
                format!("{start} {client} {proxy} {port} 80{end}GET / HTTP/1.1\r\n").into_bytes()
            }),
            (block, prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..80), 0usize..8).prop_map(
                |((command, family), block, cut)| {
                    let mut header = binary(command, family, &block);
                    header.truncate(header.len() - cut);
                    header
                }
            ),
        ]
    }

    proptest! {
        #[test]
        fn any_bytes_mean_the_same_however_they_are_cut(
            input in prop_oneof![almost(), prop::collection::vec(any::<u8>(), 0..200)],
            wanted in wanted(),
        ) {
            let _ = scan(&input, wanted);
        }
    }
}

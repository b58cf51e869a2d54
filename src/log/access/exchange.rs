//! The access log line of an exchange: joins what the reactor knows of a request to a [`Record`].

use std::borrow::Cow;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use super::record::{Lookup, Record, joined};
use crate::http::{Head, Target};
use crate::reactor::Exchange;
use crate::worker::AccessLog;

/// Longest text of an IP address (`INET6_ADDRSTRLEN`, which has place for the scope too).
const ADDRESS_BYTES: usize = 46;

/// The access log as a worker kind uses it.
#[derive(Debug, Clone, Copy)]
pub struct ExchangeLog {
    _opened: (),
}

impl ExchangeLog {
    /// The access log of this process, if it has one.
    pub fn opened() -> Option<Self> {
        super::format().map(|_| Self { _opened: () })
    }
}

impl AccessLog for ExchangeLog {
    fn log(&self, exchange: &Exchange, took: Duration) {
        write_exchange(exchange, took);
    }
}

/// Writes the line of an exchange whose response is complete or cut.
fn write_exchange(exchange: &Exchange, took: Duration) {
    let head = exchange.head();
    let Target { path, query } = Target::divide(head.target());
    let (status, length) = exchange.sent();
    let mut address = [0; ADDRESS_BYTES];
    let client = client_text(exchange.client(), &mut address);
    super::write(&Record {
        peer: client,
        method: head.method(),
        target: head.target(),
        path,
        query,
        protocol: head.protocol(),
        status,
        length,
        duration: took,
        request_headers: &head,
        response_headers: &EncodedHead(exchange.response_head()),
        environ: &RequestEnviron { head, client },
    });
}

impl Lookup for Head<'_> {
    fn get(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        joined(self.fields().filter(|(each, _)| each.eq_ignore_ascii_case(name)).map(|(_, value)| value))
    }
}

/// A response head as it goes over the wire.
struct EncodedHead<'a>(&'a [u8]);

impl Lookup for EncodedHead<'_> {
    fn get(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        let fields = self.0.split(|&byte| byte == b'\n').skip(1);
        joined(fields.filter_map(|field| value_of(field, name)))
    }
}

/// The value of `name: value`.
fn value_of<'a>(field: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (each, value) = field.split_at_checked(name.len())?;
    each.eq_ignore_ascii_case(name).then_some(())?;
    value.strip_prefix(b":").map(<[u8]>::trim_ascii)
}

/// The variables that an environ takes from the request itself (PEP 3333, RFC 3875). What the application
/// or its middleware adds to theirs is not among them.
struct RequestEnviron<'a> {
    head: Head<'a>,
    client: &'a [u8],
}

impl Lookup for RequestEnviron<'_> {
    fn get(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        let head = self.head;
        let value = match name {
            b"request_method" => head.method(),
            b"raw_uri" => head.target(),
            b"query_string" => Target::divide(head.target()).query,
            b"remote_addr" => self.client,
            b"server_protocol" => head.protocol(),
            b"content_type" | b"content_length" => return self.field(name),
            _ => return self.field(name.strip_prefix(b"http_")?),
        };
        Some(value.into())
    }
}

impl RequestEnviron<'_> {
    /// The field whose name, with underscores for its hyphens, is this one.
    fn field(&self, variable: &[u8]) -> Option<Cow<'_, [u8]>> {
        let is_same = |name: &[u8]| name.len() == variable.len() && name.iter().zip(variable).all(is_same_in_variable);
        joined(self.head.fields().filter(|(name, _)| is_same(name)).map(|(_, value)| value))
    }
}

fn is_same_in_variable((byte, variable): (&u8, &u8)) -> bool {
    byte.to_ascii_lowercase() == *variable || (*byte == b'-' && *variable == b'_')
}

/// The client's address without its port, in the caller's buffer; empty for a Unix socket.
fn client_text(address: Option<SocketAddr>, buffer: &mut [u8; ADDRESS_BYTES]) -> &[u8] {
    let Some(address) = address else { return b"" };
    let mut room = &mut buffer[..];
    // It has room for every address.
    let _ = write!(room, "{}", address.ip());
    let free = room.len();
    buffer.get(..ADDRESS_BYTES - free).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Span;

    #[test]
    fn response_fields_are_found_in_the_encoded_head() {
        let head = EncodedHead(b"HTTP/1.1 200 OK\r\nA: 1\r\nX-Reply:  yes \r\na: 2\r\n\r\n");
        assert_eq!(head.get(b"a").as_deref(), Some(&b"1,2"[..]));
        assert_eq!(head.get(b"x-reply").as_deref(), Some(&b"yes"[..]));
        assert_eq!(head.get(b"x"), None);
        assert_eq!(head.get(b"http/1.1 200 ok"), None);
    }

    #[test]
    fn an_environ_holds_what_the_request_says() {
        let parsed = crate::http::ParsedHead {
            method: Span { start: 0, end: 3 },
            target: Span { start: 4, end: 8 },
            fields: vec![(Span { start: 9, end: 12 }, Span { start: 12, end: 13 })],
            ..Default::default()
        };
        let environ = RequestEnviron { head: Head { bytes: b"GET /a?b X-Y1", parsed: &parsed }, client: b"::1" };
        let get = |name: &str| environ.get(name.as_bytes()).map(|value| String::from_utf8_lossy(&value).into_owned());
        let names = ["request_method", "raw_uri", "remote_addr", "query_string", "http_x_y", "http_x", "x_y", "other"];
        let values = [Some("GET"), Some("/a?b"), Some("::1"), Some("b"), Some("1"), None, None, None];
        assert_eq!(names.map(get), values.map(|value| value.map(str::to_owned)));
    }

    #[test]
    fn addresses_are_shown_without_a_port() {
        let mut buffer = [0; ADDRESS_BYTES];
        let shown = |text: &str, buffer: &mut [u8; ADDRESS_BYTES]| {
            String::from_utf8_lossy(client_text(text.parse().ok(), buffer)).into_owned()
        };
        assert_eq!(shown("127.0.0.1:8000", &mut buffer), "127.0.0.1");
        assert_eq!(shown("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1", &mut buffer), ["ffff"; 8].join(":"));
        assert_eq!(shown("", &mut buffer), "");
    }
}

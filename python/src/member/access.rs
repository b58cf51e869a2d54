//! The access log's line of a request that Python has answered.

use std::borrow::Cow;
use std::time::Duration;

use gunicorn::log::access::{self, Lookup, Record, joined};
use pyo3::prelude::*;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// A request and its response, from the attributes of a Python object.
#[derive(FromPyObject)]
pub(super) struct Entry {
    /// Address of the client without its port; empty for a Unix socket.
    peer: Vec<u8>,
    method: Vec<u8>,
    target: Vec<u8>,
    protocol: Vec<u8>,
    /// 0: none was sent.
    status: u16,
    bytes_sent: u64,
    seconds: f64,
    request_fields: Fields,
    response_fields: Fields,
}

impl Entry {
    pub(super) fn write(&self) {
        let (path, query) = self.divided();
        access::write(&Record {
            peer: &self.peer,
            method: &self.method,
            target: &self.target,
            path,
            query,
            protocol: &self.protocol,
            status: self.status,
            length: self.bytes_sent,
            duration: Duration::try_from_secs_f64(self.seconds).unwrap_or_default(),
            request_headers: &Named(&self.request_fields),
            response_headers: &Named(&self.response_fields),
            environ: &Environ(self),
        });
    }

    /// Path and query of the target.
    fn divided(&self) -> (&[u8], &[u8]) {
        match memchr::memchr(b'?', &self.target) {
            Some(mark) => (&self.target[..mark], &self.target[mark + 1..]),
            None => (&self.target, b""),
        }
    }
}

struct Named<'a>(&'a Fields);

impl Lookup for Named<'_> {
    fn get(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        joined(self.0.iter().filter(|(each, _)| each.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice()))
    }
}

/// The variables that an environ takes from the request itself, as in the other kinds.
struct Environ<'a>(&'a Entry);

impl Lookup for Environ<'_> {
    fn get(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        let entry = self.0;
        let value: &[u8] = match name {
            b"request_method" => &entry.method,
            b"raw_uri" => &entry.target,
            b"query_string" => entry.divided().1,
            b"remote_addr" => &entry.peer,
            b"server_protocol" => &entry.protocol,
            _ => return self.field(name),
        };
        Some(value.into())
    }
}

impl Environ<'_> {
    fn field(&self, variable: &[u8]) -> Option<Cow<'_, [u8]>> {
        let name = match variable {
            b"content_type" | b"content_length" => variable,
            _ => variable.strip_prefix(b"http_")?,
        };
        let name: Vec<u8> = name.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect();
        let fields = self.0.request_fields.iter().filter(|(each, _)| each.eq_ignore_ascii_case(&name));
        joined(fields.map(|(_, value)| value.as_slice()))
    }
}

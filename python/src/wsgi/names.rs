//! Header names as environ keys, made once.
//!
//! A fixed table from the name's bytes, in any case, to its Python string and to what the name means. Entries are never
//! changed or removed, so reading takes no lock. The names that clients commonly send are there from the start; those
//! that are first seen later take what room is left, and once that is used up a name is simply made anew each time.
//! So the memory is bounded, and nobody can push out the common names by sending strange ones.

use std::sync::OnceLock;

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::ffi;

/// Places in the table; a power of two.
const PLACES: usize = 512;
/// Places that a name may be in, from the one its hash names.
const PROBES: usize = 8;
/// Names longer than this, in bytes, are not kept.
const LONGEST: usize = 64;

/// What a header means for the environ, besides being in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing.
    Plain,
    /// `Host`: names the server behind a Unix socket.
    Host,
}

const COMMON: [&str; 40] = [
    "Accept",
    "Accept-Charset",
    "Accept-Encoding",
    "Accept-Language",
    "Authorization",
    "Cache-Control",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Cookie",
    "DNT",
    "Expect",
    "Forwarded",
    "Host",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "Keep-Alive",
    "Origin",
    "Pragma",
    "Priority",
    "Range",
    "Referer",
    "Sec-Fetch-Dest",
    "Sec-Fetch-Mode",
    "Sec-Fetch-Site",
    "Sec-Fetch-User",
    "TE",
    "Traceparent",
    "Transfer-Encoding",
    "Upgrade-Insecure-Requests",
    "User-Agent",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
    "X-Request-ID",
];

/// A header name in an environ.
#[derive(Debug)]
pub(super) struct Name {
    upper: Box<[u8]>,
    /// `HTTP_ACCEPT_ENCODING`, or `CONTENT_TYPE` and `CONTENT_LENGTH`.
    pub(super) key: Py<PyString>,
    /// What it means.
    pub(super) role: Role,
}

impl Name {
    fn new(py: Python<'_>, name: &[u8]) -> PyResult<Self> {
        let upper = name.to_ascii_uppercase();
        Ok(Self { role: role(&upper), key: ffi::latin1(py, &key(&upper))?.unbind(), upper: upper.into() })
    }

    /// With an interned key, which an application's own constant finds by its address alone. Not for a name that is
    /// forgotten again: from Python 3.12 on interned strings live for ever.
    fn interned(py: Python<'_>, name: &[u8]) -> Self {
        let upper = name.to_ascii_uppercase();
        let key = PyString::intern(py, &String::from_utf8_lossy(&key(&upper))).unbind();
        Self { role: role(&upper), key, upper: upper.into() }
    }
}

/// The environ key of a name in upper case.
fn key(upper: &[u8]) -> Vec<u8> {
    match upper {
        b"CONTENT-TYPE" => b"CONTENT_TYPE".to_vec(),
        b"CONTENT-LENGTH" => b"CONTENT_LENGTH".to_vec(),
        other => [b"HTTP_", &variable(other)[..]].concat(),
    }
}

/// A name as it is part of a key: in upper case, with underscores for hyphens.
pub(super) fn variable(name: &[u8]) -> Vec<u8> {
    name.iter().map(|&byte| if byte == b'-' { b'_' } else { byte.to_ascii_uppercase() }).collect()
}

fn role(upper: &[u8]) -> Role {
    if upper == b"HOST" { Role::Host } else { Role::Plain }
}

/// The table.
#[derive(Debug)]
pub(super) struct Names {
    places: Box<[OnceLock<Name>]>,
}

/// A name that is in the table, or one that was made for this request.
pub(super) enum Found<'a> {
    /// In the table.
    Kept(&'a Name),
    /// Not kept.
    Made(Name),
}

impl std::ops::Deref for Found<'_> {
    type Target = Name;

    fn deref(&self) -> &Name {
        match self {
            Self::Kept(name) => name,
            Self::Made(name) => name,
        }
    }
}

impl Names {
    /// A table with the common names in it.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(super) fn new(py: Python<'_>) -> PyResult<Self> {
        let names = Self { places: (0..PLACES).map(|_| OnceLock::new()).collect() };
        for name in COMMON {
            names.get(py, name.as_bytes())?;
        }
        Ok(names)
    }

    /// The entry of `name`, in whatever case it was sent.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(super) fn get(&self, py: Python<'_>, name: &[u8]) -> PyResult<Found<'_>> {
        let start = hash(name);
        for place in (start..start + PROBES).filter_map(|place| self.places.get(place % PLACES)) {
            match place.get() {
                Some(kept) if kept.upper.eq_ignore_ascii_case(name) => return Ok(Found::Kept(kept)),
                Some(_) => {}
                None if name.len() > LONGEST => break,
                None => {
                    let made = Name::interned(py, name);
                    let kept = place.get_or_init(|| made);
                    // Another thread may have been faster, and with another name.
                    if kept.upper.eq_ignore_ascii_case(name) {
                        return Ok(Found::Kept(kept));
                    }
                }
            }
        }
        Name::new(py, name).map(Found::Made)
    }
}

/// FNV-1a of the name in one case.
fn hash(name: &[u8]) -> usize {
    let hash = name
        .iter()
        .take(LONGEST)
        .fold(0x811c_9dc5_u32, |hash, &byte| (hash ^ u32::from(byte | 0x20)).wrapping_mul(0x0100_0193));
    (hash ^ (hash >> 15)) as usize
}

//! What a proxy in front tells by header fields: the scheme, the mount point, the client's address. Whom to believe is
//! decided here once, for every worker kind.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Networks;

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
    _which: ForwardedClient,
    _values: impl DoubleEndedIterator<Item = &'a [u8]>,
    _trusted: &Networks,
) -> Option<(IpAddr, u16)> {
    None
}

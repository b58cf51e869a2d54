//! The PROXY protocol: how a proxy in front tells the client's address, before the first request on a connection
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, sections 2.1 and 2.2).

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::http::ProtocolError;

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

/// Looks for a header at the start of `input`.
///
/// # Errors
/// A header that is not well-formed, or tells of a transport that is none of TCP.
pub fn parse_proxy(_input: &[u8], _wanted: ProxyProtocol) -> Result<ProxyScan, ProtocolError> {
    Ok(ProxyScan::Absent)
}

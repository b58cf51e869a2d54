//! HTTP without I/O: bytes in, events out; response in, bytes out. No socket, no clock, no log.
//!
//! [`h1`] is the codec of HTTP/1.1; what it accepts is decided by the acceptance policy, once for every worker kind.
//! [`ws`] is the codec of WebSocket. The types beside them (heads, limits, errors) are those at which the reactor and
//! the app interfaces meet the codecs.

mod acceptance;
mod error;
mod forwarded;
pub mod h1;
mod limits;
mod networks;
mod policy;
mod proxy;
mod request;
mod response;
mod status;
mod syntax;
mod target;
mod trust;
pub mod ws;

pub use acceptance::{Acceptance, Leniency};
pub use error::{ProtocolError, Rule};
pub use forwarded::{ForwardedClient, HeaderMap, forwarded_client};
pub use limits::Limits;
pub use networks::{Network, Networks};
pub use proxy::{ProxyHeader, ProxyProtocol, ProxyScan, parse_proxy};
pub use request::{Framing, Head, ParsedHead, Span, Version};
pub use response::{ResponseError, ResponseHead};
pub use status::reason_phrase;
pub use target::{Target, unquote};
pub use trust::{Forwarding, Told, Trust};

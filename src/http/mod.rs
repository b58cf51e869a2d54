//! HTTP without I/O: bytes in, events out; response in, bytes out (skeleton).
pub mod request;
pub use request::*;

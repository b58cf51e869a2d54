//! HTTP/1.1 (RFC 9112) on the server's side, without I/O.
//!
//! One exchange on a connection, and who does what:
//!
//! ```text
//!  input bytes --> parse_head --> ParsedHead --> BodyDecoder --> body bytes --> done
//!                    |   ^ more     (policy)        |   ^ more                    |
//!                    v                              v                             v
//!               ProtocolError ------------> encode_error, then close      next parse_head,
//!                                                                         if keep_alive allows
//!  output bytes <-- encode_continue  (100, when the head expects it and the body is wanted)
//!               <-- encode_early_hints (103, any number)
//!               <-- Encoder: start -> frame* -> finish -> KeepAlive | Close | Incomplete
//! ```
//!
//! Whoever drives this keeps the bytes. [`parse_head`] is called with all input since the end of the last message and
//! again when more has come; once it says `true`, `head.len` bytes are the head and what follows belongs to the
//! [`BodyDecoder`]; what follows its `done` is the next message. After a [`ProtocolError`](crate::http::ProtocolError)
//! nothing that follows on the connection may be read as a request (RFC 9112, section 9.3 and 11.2).

mod body;
mod canned;
mod chunk;
mod encode;
mod fields;
mod lines;
mod mend;
mod parse;
mod trailers;

pub use body::{BodyDecoder, Decoded};
pub(crate) use canned::{ERROR_PAGE_TYPE, error_page};
pub use canned::{encode_continue, encode_early_hints, encode_error};
pub use encode::{Encoder, Finish, Frame, RequestContext};
pub(crate) use fields::{append_common, append_field, append_plain_fields, append_status_line, check, check_fields};
pub use parse::{HeadScan, is_between_requests, parse_head};

//! The atoms of the access log: what each name in the format stands for, and how it is written.

use std::borrow::Cow;
use std::io::Write;
use std::time::Duration;

use super::basic;
use super::escape::{self, Quoting};
use super::record::Record;
use crate::http::unquote;

/// One value of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Atom {
    /// `h`: client address.
    Peer,
    /// `l`, and every unknown name: `-`.
    Dash,
    /// `u`: user name of Basic authentication.
    User,
    /// `t`: time of logging.
    Time,
    /// `r`: request line.
    RequestLine,
    /// `m`
    Method,
    /// `U`: path, decoded.
    Path,
    /// `q`
    Query,
    /// `H`
    Protocol,
    /// `s`
    Status,
    /// `b`, `B`: body bytes sent.
    Length,
    /// `T`: duration in whole seconds.
    Seconds,
    /// `M`: duration in whole milliseconds.
    Millis,
    /// `D`: duration in microseconds.
    Micros,
    /// `L`: duration in seconds with six decimals.
    DecimalSeconds,
    /// `p`: process id in angle brackets.
    Pid,
    /// `{name}i`, `f`, `a`: request header, by its name in lower case.
    RequestHeader(Box<[u8]>),
    /// `{name}o`: response header.
    ResponseHeader(Box<[u8]>),
    /// `{name}e`: environment variable.
    Environ(Box<[u8]>),
}

impl Atom {
    /// The atom of a name between the parentheses of the format.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "h" => Self::Peer,
            "u" => Self::User,
            "t" => Self::Time,
            "r" => Self::RequestLine,
            "m" => Self::Method,
            "U" => Self::Path,
            "q" => Self::Query,
            "H" => Self::Protocol,
            "s" => Self::Status,
            "b" | "B" => Self::Length,
            "f" => Self::RequestHeader((*b"referer").into()),
            "a" => Self::RequestHeader((*b"user-agent").into()),
            "T" => Self::Seconds,
            "M" => Self::Millis,
            "D" => Self::Micros,
            "L" => Self::DecimalSeconds,
            "p" => Self::Pid,
            _ => Self::braced(&name.to_ascii_lowercase()).unwrap_or(Self::Dash),
        }
    }

    /// `{name}i`, `{name}o`, `{name}e`, in lower case.
    fn braced(name: &str) -> Option<Self> {
        let (inner, kind) = name.strip_prefix('{')?.rsplit_once('}')?;
        let inner = inner.as_bytes().into();
        match kind {
            "i" => Some(Self::RequestHeader(inner)),
            "o" => Some(Self::ResponseHeader(inner)),
            "e" => Some(Self::Environ(inner)),
            _ => None,
        }
    }

    /// Whether it is a number, to which the conversion `d` applies.
    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Length | Self::Seconds | Self::Millis | Self::Micros)
    }

    /// Appends the record's value. `time` is the time of logging, ready to be copied.
    pub(super) fn append(&self, line: &mut Vec<u8>, record: &Record<'_>, time: &[u8], quoting: Quoting) {
        match self {
            Self::Peer => append_or_dash(line, record.peer, quoting),
            Self::Dash => line.push(b'-'),
            Self::User => append_user(line, record, quoting),
            Self::Time => line.extend_from_slice(time),
            Self::RequestLine => append_request_line(line, record, quoting),
            Self::Method => escape::append(line, record.method, quoting),
            Self::Path => escape::append(line, &unquote(record.path), quoting),
            Self::Query => escape::append(line, record.query, quoting),
            Self::Protocol => escape::append(line, record.protocol, quoting),
            Self::Status => append_status(line, record.status),
            Self::Length => append_number(line, record.length.into()),
            Self::Seconds => append_number(line, record.duration.as_secs().into()),
            Self::Millis => append_number(line, record.duration.as_millis()),
            Self::Micros => append_number(line, record.duration.as_micros()),
            Self::DecimalSeconds => append_decimal_seconds(line, record.duration),
            Self::Pid => append_pid(line),
            Self::RequestHeader(name) => append_found(line, record.request_headers.get(name), quoting),
            Self::ResponseHeader(name) => append_found(line, record.response_headers.get(name), quoting),
            Self::Environ(name) => append_found(line, record.environ.get(name), quoting),
        }
    }
}

fn append_found(line: &mut Vec<u8>, value: Option<Cow<'_, [u8]>>, quoting: Quoting) {
    match value {
        Some(value) => escape::append(line, &value, quoting),
        None => line.push(b'-'),
    }
}

fn append_or_dash(line: &mut Vec<u8>, value: &[u8], quoting: Quoting) {
    escape::append(line, if value.is_empty() { b"-" } else { value }, quoting);
}

fn append_user(line: &mut Vec<u8>, record: &Record<'_>, quoting: Quoting) {
    match record.request_headers.get(b"authorization").and_then(|value| basic::user(&value)) {
        Some(user) => escape::append_word(line, &user, quoting),
        None => line.push(b'-'),
    }
}

fn append_request_line(line: &mut Vec<u8>, record: &Record<'_>, quoting: Quoting) {
    escape::append(line, record.method, quoting);
    line.push(b' ');
    escape::append(line, record.target, quoting);
    line.push(b' ');
    escape::append(line, record.protocol, quoting);
}

fn append_status(line: &mut Vec<u8>, status: u16) {
    match status {
        0 => line.push(b'-'),
        _ => append_number(line, status.into()),
    }
}

// Writing to a vector cannot fail.

fn append_number(line: &mut Vec<u8>, number: u128) {
    let _ = match u64::try_from(number) {
        Ok(number) => write!(line, "{number}"),
        Err(_) => write!(line, "{number}"),
    };
}

fn append_decimal_seconds(line: &mut Vec<u8>, duration: Duration) {
    let _ = write!(line, "{}.{:06}", duration.as_secs(), duration.subsec_micros());
}

/// Asked of the kernel each time: right in every forked child.
fn append_pid(line: &mut Vec<u8>) {
    let _ = write!(line, "<{}>", std::process::id());
}

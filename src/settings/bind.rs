//! Addresses to listen on, as `-b` takes them and as they are shown.

use std::fmt;
use std::path::PathBuf;

use super::Bind;
use super::field::Refusal;

/// What is allowed, as it stands after "must be".
pub(super) const ALLOWED: &str = "HOST, HOST:PORT, [IPV6]:PORT, unix:PATH or fd://FD";

/// The port of an address that names none.
const DEFAULT_PORT: u16 = 8000;

/// Reads one text, which may hold several addresses separated by commas.
pub(super) fn parse_all(text: &str) -> Result<Vec<Bind>, Refusal> {
    // A path may hold a comma.
    if text.starts_with("unix:") {
        return Ok(vec![parse(text)?]);
    }
    text.split(',').map(|part| parse(part.trim())).collect()
}

fn parse(text: &str) -> Result<Bind, Refusal> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(path.strip_prefix("//").unwrap_or(path));
    }
    if let Some(number) = text.strip_prefix("fd://") {
        return descriptor(number);
    }
    tcp(text.strip_prefix("tcp://").unwrap_or(text))
}

fn unix(path: &str) -> Result<Bind, Refusal> {
    if path.is_empty() {
        return Err(Refusal::hint("the path is missing"));
    }
    Ok(Bind::Unix(PathBuf::from(path)))
}

fn descriptor(number: &str) -> Result<Bind, Refusal> {
    match number.parse() {
        Ok(fd) if fd >= 0 => Ok(Bind::Fd(fd)),
        _ => Err(Refusal::hint(format!("{number:?} is not a file descriptor"))),
    }
}

fn tcp(text: &str) -> Result<Bind, Refusal> {
    if text.contains(['/', ' ']) {
        return Err(Refusal::PLAIN);
    }
    let (host, port) = split_port(text)?;
    if host.contains(['[', ']']) {
        return Err(Refusal::PLAIN);
    }
    let port = match port {
        Some(port) => port.parse().map_err(|_| Refusal::hint(format!("{port:?} is not a port")))?,
        None if !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_digit()) => {
            return Err(Refusal::hint(format!("a port alone is written 127.0.0.1:{host} or 0.0.0.0:{host}")));
        }
        None => DEFAULT_PORT,
    };
    let host = if host.is_empty() { "0.0.0.0".to_owned() } else { host.to_lowercase() };
    Ok(Bind::Tcp { host, port })
}

/// Splits `HOST:PORT`; the host comes without its brackets.
fn split_port(text: &str) -> Result<(&str, Option<&str>), Refusal> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or_else(|| Refusal::hint("the bracket is not closed"))?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(Refusal::PLAIN),
        };
    }
    match text.split_once(':') {
        Some((_, port)) if port.contains(':') => {
            Err(Refusal::hint("an IPv6 address stands in brackets, as in [::1]:8000"))
        }
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Fd(fd) => write!(f, "fd://{fd}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> Vec<String> {
        parse_all(text).unwrap().iter().map(Bind::to_string).collect()
    }

    fn hint(text: &str) -> String {
        parse_all(text).unwrap_err().hint.unwrap_or_default()
    }

    #[test]
    fn addresses_are_read_as_gunicorn_reads_them() {
        for (text, address) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("localhost", "localhost:8000"),
            ("LocalHost:0", "localhost:0"),
            ("", "0.0.0.0:8000"),
            (":9000", "0.0.0.0:9000"),
            ("tcp://10.0.0.1:9", "10.0.0.1:9"),
            ("[::1]:8000", "[::1]:8000"),
            ("[FE80::1%eth0]", "[fe80::1%eth0]:8000"),
            ("unix:/run/a,b.sock", "unix:/run/a,b.sock"),
            ("unix:///run/app.sock", "unix:/run/app.sock"),
            ("unix:app.sock", "unix:app.sock"),
            ("fd://3", "fd://3"),
        ] {
            assert_eq!(shown(text), [address], "{text}");
        }
    }

    #[test]
    fn commas_separate_addresses() {
        assert_eq!(shown("127.0.0.1:80, [::1]:80,unix:/x"), ["127.0.0.1:80", "[::1]:80", "unix:/x"]);
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(hint("8000"), "a port alone is written 127.0.0.1:8000 or 0.0.0.0:8000");
        assert_eq!(hint("::1"), "an IPv6 address stands in brackets, as in [::1]:8000");
        assert_eq!(hint("[::1:80"), "the bracket is not closed");
        assert_eq!(hint("localhost:http"), "\"http\" is not a port");
        assert_eq!(hint("localhost:65536"), "\"65536\" is not a port");
        assert_eq!(hint("fd://x"), "\"x\" is not a file descriptor");
        assert_eq!(hint("fd://-1"), "\"-1\" is not a file descriptor");
        assert_eq!(hint("unix:"), "the path is missing");
        assert_eq!(parse_all("http://localhost"), Err(Refusal::PLAIN));
        assert_eq!(parse_all("[::1]80"), Err(Refusal::PLAIN));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_is_read_back(text in "\\PC*|[a-z0-9:\\[\\]/,.]{0,12}") {
            for bind in parse_all(&text).unwrap_or_default() {
                prop_assert_eq!(parse_all(&bind.to_string()), Ok(vec![bind]));
            }
        }
    }
}

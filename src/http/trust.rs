//! What a proxy in front tells by header fields (the scheme, the mount point, the client's address), and what becomes
//! of names that an environ could not tell apart. Whom to believe is decided here, once, for every worker kind.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{ForwardedClient, HeaderMap, Network, Networks, ParsedHead, ProtocolError, Rule, Span, forwarded_client};

/// The name that carries the mount point.
const SCRIPT_NAME: &[u8] = b"SCRIPT_NAME";

/// Whom to believe, and what (gunicorn's settings of these names).
#[derive(Debug, Clone)]
pub struct Forwarding {
    /// `forwarded_allow_ips`.
    trusted: Networks,
    /// `secure_scheme_headers`.
    schemes: Vec<SchemeField>,
    /// Bit `n`: one of these names has `n` bytes. Almost all fields are none of them, and are told so by their length.
    scheme_lengths: u64,
    /// `forwarder_headers`: names with an underscore that a trusted proxy may set.
    forwarders: Vec<Box<[u8]>>,
    /// `header_map`.
    header_map: HeaderMap,
    /// `forwarded_client`.
    client: ForwardedClient,
}

/// A field that tells the scheme.
#[derive(Debug, Clone)]
struct SchemeField {
    name: Box<[u8]>,
    /// The value that means `https`.
    secure: Box<[u8]>,
}

/// What is believed of what a connection says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trust {
    /// The scheme, the mount point and names with an underscore.
    pub is_proxy: bool,
    /// Who the client is.
    pub names_client: bool,
}

/// What has been told and is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    /// Whether the client has come by `https`.
    pub is_secure: Option<bool>,
    /// Where the application is mounted.
    pub script_name: Option<Span>,
    /// The client's address; port 0 where none is told.
    pub client: Option<SocketAddr>,
}

impl Default for Forwarding {
    /// gunicorn's defaults: the local host is believed.
    fn default() -> Self {
        let local = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let schemes = [("X-FORWARDED-PROTOCOL", "ssl"), ("X-FORWARDED-PROTO", "https"), ("X-FORWARDED-SSL", "on")];
        Self::new(Networks::Of(local.map(Network::from).to_vec()))
            .secure_scheme_headers(schemes)
            .forwarder_headers(["SCRIPT_NAME", "PATH_INFO"])
    }
}

impl Forwarding {
    /// Believes these peers, and nothing of them.
    pub fn new(trusted: Networks) -> Self {
        Self {
            trusted,
            schemes: Vec::new(),
            scheme_lengths: 0,
            forwarders: Vec::new(),
            header_map: HeaderMap::Drop,
            client: ForwardedClient::Off,
        }
    }

    /// With these names, in any case, and values that mean `https`.
    #[must_use]
    pub fn secure_scheme_headers<'a>(mut self, headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let field = |(name, secure): (&str, &str)| SchemeField {
            name: name.as_bytes().into(),
            secure: secure.as_bytes().into(),
        };
        self.schemes = headers.into_iter().map(field).collect();
        self.scheme_lengths = self.schemes.iter().fold(0, |lengths, field| lengths | length_bit(&field.name));
        self
    }

    /// With these names, in any case, that may have an underscore; `*`: all.
    #[must_use]
    pub fn forwarder_headers<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.forwarders = names.into_iter().map(|name| name.as_bytes().into()).collect();
        self
    }

    /// With this treatment of other names that have one.
    #[must_use]
    pub fn header_map(mut self, header_map: HeaderMap) -> Self {
        self.header_map = header_map;
        self
    }

    /// With this field as the client's name.
    #[must_use]
    pub fn client(mut self, client: ForwardedClient) -> Self {
        self.client = client;
        self
    }

    /// What is believed of the peer of a connection. The permissions of a Unix socket decide who can be its peer, so
    /// that one without an address is. Where a PROXY protocol header has told that somebody else speaks, the fields are
    /// written by that one: only if it is a proxy that is trusted too does it name another client. For the rest
    /// the peer counts, as in gunicorn.
    pub fn trust(&self, peer: Option<IpAddr>, proxied: Option<IpAddr>) -> Trust {
        let is_proxy = peer.is_none_or(|peer| self.trusted.contains(peer));
        let names_client = is_proxy && proxied.is_none_or(|proxied| self.trusted.contains(proxied));
        Trust { is_proxy, names_client }
    }

    /// Notes what an accepted head tells, and takes out the fields that the application is not to see.
    ///
    /// # Errors
    /// Scheme fields that contradict each other; a name with an underscore, where those are refused.
    pub fn judge(&self, input: &[u8], trust: Trust, head: &mut ParsedHead) -> Result<(), ProtocolError> {
        head.told = Told::default();
        let mut is_ambiguous = false;
        for &(name, value) in &head.fields {
            let name = name.of(input);
            is_ambiguous |= has_underscore(name);
            if trust.is_proxy && self.scheme_lengths & length_bit(name) != 0 {
                self.note_scheme(name, value.of(input), &mut head.told)?;
            }
        }
        if is_ambiguous {
            self.judge_names(input, trust.is_proxy, head)?;
        }
        if trust.names_client && self.client != ForwardedClient::Off {
            head.told.client = self.client_of(input, &head.fields);
        }
        Ok(())
    }

    fn note_scheme(&self, name: &[u8], value: &[u8], told: &mut Told) -> Result<(), ProtocolError> {
        let Some(field) = self.schemes.iter().find(|field| field.name.eq_ignore_ascii_case(name)) else {
            return Ok(());
        };
        let is_secure = *value == *field.secure;
        match told.is_secure.replace(is_secure) {
            Some(before) if before != is_secure => Err(ProtocolError::new(Rule::SchemeContradiction, value)),
            _ => Ok(()),
        }
    }

    /// Names with an underscore: as environ keys they are those with a hyphen.
    fn judge_names(&self, input: &[u8], is_trusted: bool, head: &mut ParsedHead) -> Result<(), ProtocolError> {
        let (mut refused, told) = (None, &mut head.told);
        head.fields.retain(|&(name, value)| {
            let name = name.of(input);
            if !has_underscore(name) {
                return true;
            }
            if is_trusted && self.may_set(name) {
                if name.eq_ignore_ascii_case(SCRIPT_NAME) {
                    told.script_name = Some(value);
                }
                return true;
            }
            if self.header_map == HeaderMap::Refuse {
                refused = refused.or(Some(name));
            }
            self.header_map == HeaderMap::Dangerous
        });
        refused.map_or(Ok(()), |name| Err(ProtocolError::new(Rule::FieldNameAmbiguous, name)))
    }

    fn may_set(&self, name: &[u8]) -> bool {
        self.forwarders.iter().any(|forwarder| **forwarder == *b"*" || forwarder.eq_ignore_ascii_case(name))
    }

    fn client_of(&self, input: &[u8], fields: &[(Span, Span)]) -> Option<SocketAddr> {
        let wanted: &[u8] = match self.client {
            ForwardedClient::Off => return None,
            ForwardedClient::XForwardedFor => b"x-forwarded-for",
            ForwardedClient::Forwarded => b"forwarded",
        };
        let named = fields.iter().filter(|(name, _)| name.of(input).eq_ignore_ascii_case(wanted));
        let client = forwarded_client(self.client, named.map(|(_, value)| value.of(input)), &self.trusted);
        client.map(SocketAddr::from)
    }
}

/// The bit of a name's length; that of 63 stands for all that are longer.
fn length_bit(name: &[u8]) -> u64 {
    1 << name.len().min(63)
}

/// Looks at each byte without a branch: names are short.
fn has_underscore(name: &[u8]) -> bool {
    name.iter().fold(false, |has, &byte| has | (byte == b'_'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::http::Acceptance;
    use crate::http::h1::parse_head;

    /// What an application sees of a request with these fields, or the rule that they break.
    fn judged(forwarding: &Forwarding, is_trusted: bool, fields: &str) -> Result<(Vec<String>, Told), Rule> {
        let mut input = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes();
        let mut head = ParsedHead::default();
        assert!(parse_head(&mut input, &Acceptance::default(), &mut head).unwrap());
        let trust = Trust { is_proxy: is_trusted, names_client: is_trusted };
        forwarding.judge(&input, trust, &mut head).map_err(|error| error.kind())?;
        let shown = head.fields.iter().skip(1).map(|(name, _)| name.of(&input).escape_ascii().to_string());
        Ok((shown.collect(), head.told))
    }

    fn scheme(is_trusted: bool, fields: &str) -> Result<Option<bool>, Rule> {
        judged(&Forwarding::default(), is_trusted, fields).map(|(_, told)| told.is_secure)
    }

    fn names(header_map: HeaderMap, is_trusted: bool, fields: &str) -> Result<Vec<String>, Rule> {
        judged(&Forwarding::default().header_map(header_map), is_trusted, fields).map(|(names, _)| names)
    }

    #[test]
    fn a_trusted_proxy_tells_the_scheme() {
        assert_eq!(scheme(true, ""), Ok(None));
        assert_eq!(scheme(true, "x-forwarded-proto: https\r\n"), Ok(Some(true)));
        assert_eq!(scheme(true, "X-Forwarded-Proto: HTTPS\r\n"), Ok(Some(false)));
        assert_eq!(scheme(true, "X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: on\r\n"), Ok(Some(true)));
        assert_eq!(
            scheme(true, "X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n"),
            Err(Rule::SchemeContradiction)
        );
        assert_eq!(scheme(false, "X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n"), Ok(None));
    }

    #[test]
    fn a_name_with_an_underscore_is_what_the_map_makes_of_it() {
        let fields = "X_A: 1\r\nX-A: 2\r\nPATH_INFO: /\r\n";
        assert_eq!(names(HeaderMap::Drop, true, fields).unwrap(), ["X-A", "PATH_INFO"]);
        assert_eq!(names(HeaderMap::Drop, false, fields).unwrap(), ["X-A"]);
        assert_eq!(names(HeaderMap::Refuse, true, fields), Err(Rule::FieldNameAmbiguous));
        assert_eq!(names(HeaderMap::Refuse, true, "PATH_INFO: /\r\n").unwrap(), ["PATH_INFO"]);
        assert_eq!(names(HeaderMap::Refuse, false, "PATH_INFO: /\r\n"), Err(Rule::FieldNameAmbiguous));
        assert_eq!(names(HeaderMap::Dangerous, false, fields).unwrap(), ["X_A", "X-A", "PATH_INFO"]);
        let all = Forwarding::default().forwarder_headers(["*"]);
        assert_eq!(judged(&all, true, fields).unwrap().0, ["X_A", "X-A", "PATH_INFO"]);
    }

    #[test]
    fn only_a_trusted_proxy_tells_the_mount_point() {
        let script_name = |forwarding: &Forwarding, is_trusted| {
            judged(forwarding, is_trusted, "SCRIPT_NAME: /app\r\n").unwrap().1.script_name.is_some()
        };
        assert!(script_name(&Forwarding::default(), true));
        let dangerous = Forwarding::default().header_map(HeaderMap::Dangerous);
        assert!(!script_name(&dangerous, false));
        assert!(!script_name(&dangerous.forwarder_headers([]), true));
    }

    #[test]
    fn the_local_host_and_unix_sockets_are_trusted() {
        let forwarding = Forwarding::default();
        for (peer, trusted) in [("127.0.0.1", true), ("::1", true), ("::ffff:127.0.0.1", true), ("10.0.0.1", false)] {
            let trust = forwarding.trust(Some(peer.parse().unwrap()), None);
            assert_eq!(trust, Trust { is_proxy: trusted, names_client: trusted }, "{peer}");
        }
        assert_eq!(forwarding.trust(None, None), Trust { is_proxy: true, names_client: true });
    }

    #[test]
    fn who_speaks_through_a_proxy_names_no_other_client() {
        let forwarding = Forwarding::default();
        let names_client = |proxied: &str| {
            forwarding.trust(Some(Ipv4Addr::LOCALHOST.into()), Some(proxied.parse().unwrap())).names_client
        };
        assert!(!names_client("203.0.113.9"));
        assert!(names_client("127.0.0.1"));
    }
}

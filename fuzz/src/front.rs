//! What a proxy in front tells: by the PROXY protocol, and by header fields.

use gunicorn::http::{
    ForwardedClient, Network, Networks, ProxyProtocol, ProxyScan, Rule, forwarded_client, parse_proxy,
};

use crate::same_however_cut;

/// A header of the PROXY protocol; then the bytes as the values of forwarding fields, one in a line.
pub fn proxy(bytes: &[u8]) {
    for wanted in [ProxyProtocol::Off, ProxyProtocol::V1, ProxyProtocol::V2, ProxyProtocol::Auto] {
        same_however_cut(bytes, |pieces| scan(pieces, wanted));
    }
    assert_eq!(scan(&[bytes], ProxyProtocol::Off), Ok(ProxyScan::Absent));
    forwarded(bytes);
}

/// The first verdict; `More` if there is none.
fn scan(pieces: &[&[u8]], wanted: ProxyProtocol) -> Result<ProxyScan, Rule> {
    let mut input = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        let scan = parse_proxy(&input, wanted).map_err(|error| error.kind())?;
        if let ProxyScan::Found(_, length) = scan {
            assert!((1..=input.len()).contains(&length), "a header of {length} bytes in {}", input.len());
        }
        if scan != ProxyScan::More {
            return Ok(scan);
        }
    }
    Ok(ProxyScan::More)
}

/// RFC 9110, section 5.3: fields of one name are one list, so that a proxy in between may join them. (`Forwarded` is
/// left out: quotes that one value leaves open would swallow the next.)
fn forwarded(bytes: &[u8]) {
    let values: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
    let joined = values.join(&b',');
    for trusted in trusted() {
        let client = |which, values: &[&[u8]]| forwarded_client(which, values.iter().copied(), &trusted);
        assert_eq!(client(ForwardedClient::Off, &values), None);
        let which = ForwardedClient::XForwardedFor;
        assert_eq!(client(which, &values), client(which, &[&joined]), "the same values in one field");
        client(ForwardedClient::Forwarded, &values);
    }
}

/// Nobody, somebody, everybody.
fn trusted() -> [Networks; 3] {
    let some = ["127.0.0.0/8", "10.0.0.0/8", "::1", "2001:db8::/32"].iter().filter_map(|text| Network::parse(text));
    [Networks::NONE, Networks::Of(some.collect()), Networks::All]
}

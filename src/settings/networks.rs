//! Addresses and networks of trusted peers, as `--forwarded-allow-ips` takes them and as they are shown.

use std::net::{IpAddr, Ipv4Addr};

use super::field::Refusal;
use crate::http::{Network, Networks};

/// What is allowed, as it stands after "must be".
pub(super) const ALLOWED: &str = "IP addresses and networks (ADDRESS/PREFIX) separated by commas, or *";

/// What stands for every address.
const ALL: &str = "*";

/// Reads texts, each of which may hold several networks separated by commas.
pub(super) fn parse_all(texts: &[String]) -> Result<Networks, Refusal> {
    let parts = || texts.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|part| !part.is_empty());
    let networks = parts().filter(|part| *part != ALL).map(parse).collect::<Result<_, _>>()?;
    Ok(if parts().any(|part| part == ALL) { Networks::All } else { Networks::Of(networks) })
}

/// Their texts, one a network.
pub(super) fn show(networks: &Networks) -> Vec<String> {
    match networks {
        Networks::All => vec![ALL.to_owned()],
        Networks::Of(networks) => networks.iter().map(ToString::to_string).collect(),
    }
}

fn parse(text: &str) -> Result<Network, Refusal> {
    let text = without_mask(text).unwrap_or_else(|| text.to_owned());
    Network::parse(&text).ok_or_else(|| explain(&text))
}

/// `ADDRESS/PREFIX` for `ADDRESS/MASK`, which is a form of IPv4 only.
fn without_mask(text: &str) -> Option<String> {
    let (address, mask) = text.split_once('/')?;
    let (address, mask): (Ipv4Addr, Ipv4Addr) = (address.parse().ok()?, mask.parse().ok()?);
    Some(format!("{address}/{}", prefix(mask)?))
}

/// The prefix that a mask stands for, which may be written as the host's bits too: `255.255.0.0` or `0.0.255.255`.
/// Python's `ipaddress` reads both.
fn prefix(mask: Ipv4Addr) -> Option<u32> {
    let bits = u32::from(mask);
    let is_prefix = |bits: u32| bits.leading_ones() + bits.trailing_zeros() >= u32::BITS;
    [bits, !bits].into_iter().find(|bits| is_prefix(*bits)).map(u32::leading_ones)
}

fn explain(text: &str) -> Refusal {
    match meant(text) {
        Some(network) => Refusal::hint(format!("{text} has bits set behind its prefix: is {network} meant?")),
        None => Refusal::hint(format!("{text:?} is none")),
    }
}

/// The network that has the address in it, where the address is not its first one.
fn meant(text: &str) -> Option<Network> {
    let (address, prefix) = text.split_once('/')?;
    let length: u32 = prefix.parse().ok()?;
    let first = match address.parse().ok()? {
        IpAddr::V4(address) => {
            let host = u32::MAX.checked_shr(length).unwrap_or(0);
            IpAddr::from((u32::from(address) & !host).to_be_bytes())
        }
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(length).unwrap_or(0);
            IpAddr::from((address.to_bits() & !host).to_be_bytes())
        }
    };
    Network::parse(&format!("{first}/{prefix}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn networks(text: &str) -> Result<Networks, Refusal> {
        parse_all(&[text.to_owned()])
    }

    fn shown(text: &str) -> Vec<String> {
        show(&networks(text).unwrap())
    }

    fn hint(text: &str) -> String {
        networks(text).unwrap_err().hint.unwrap()
    }

    #[test]
    fn networks_are_read_as_gunicorn_reads_them() {
        assert_eq!(shown("127.0.0.1,::1"), ["127.0.0.1", "::1"]);
        assert_eq!(shown(" 10.0.0.0/8 , 2001:db8::/32,"), ["10.0.0.0/8", "2001:db8::/32"]);
        assert_eq!(shown("10.0.0.0/255.0.0.0"), ["10.0.0.0/8"]);
        assert_eq!(shown("10.0.0.0/0.0.255.255"), ["10.0.0.0/16"]);
        assert_eq!(shown("0.0.0.0/0.0.0.0"), ["0.0.0.0/0"]);
        assert_eq!(shown("10.0.0.1/255.255.255.255"), ["10.0.0.1"]);
        assert_eq!(shown(""), [""; 0]);
    }

    #[test]
    fn a_star_is_every_address_wherever_it_stands() {
        assert_eq!(networks("*"), Ok(Networks::All));
        assert_eq!(networks("10.0.0.0/8, *"), Ok(Networks::All));
        assert_eq!(shown("*"), ["*"]);
        assert!(networks("*,localhost").is_err());
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(hint("10.0.0.1/8"), "10.0.0.1/8 has bits set behind its prefix: is 10.0.0.0/8 meant?");
        assert_eq!(hint("10.0.0.1/0"), "10.0.0.1/0 has bits set behind its prefix: is 0.0.0.0/0 meant?");
        assert_eq!(hint("::1/64"), "::1/64 has bits set behind its prefix: is ::/64 meant?");
        assert_eq!(hint("10.9.1.1/255.255.0.0"), "10.9.1.1/16 has bits set behind its prefix: is 10.9.0.0/16 meant?");
        for text in ["localhost", "10.0.0.0/33", "::/129", "10.0.0", "10.0.0.0/255.0.255.0", "::/255.0.0.0", "a/8"] {
            assert!(hint(text).ends_with("\" is none"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_is_read_back(
            text in "\\PC*|[0-9a-f:./,*]{0,12}|[0-9]{1,3}\\.0\\.0\\.[01]/[0-9]{1,3}",
        ) {
            if let Ok(networks) = networks(&text) {
                prop_assert_eq!(parse_all(&show(&networks)), Ok(networks));
            }
        }
    }
}

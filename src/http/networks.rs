//! Which peers are trusted: IP addresses and networks, as gunicorn's `forwarded_allow_ips` and `proxy_allow_ips` name
//! them.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A set of IP addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Networks {
    /// Every address (`*`).
    All,
    /// Those in any of these networks; none of them: nobody.
    Of(Vec<Network>),
}

/// An IP network: the addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Networks {
    /// Nobody.
    pub const NONE: Self = Self::Of(Vec::new());

    /// Whether the address is in the set. An IPv4 address that a socket for both families shows as
    /// `::ffff:a.b.c.d` (RFC 4291, section 2.5.5.2) is taken as what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        match self {
            Self::All => true,
            Self::Of(networks) => {
                let address = address.to_canonical();
                networks.iter().any(|network| network.contains(address))
            }
        }
    }
}

impl Network {
    /// Reads `ADDRESS` or `ADDRESS/PREFIX`. `None`: it is neither, or has bits set behind the prefix, which is a sign
    /// that another network was meant.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
        };
        let network = Self { address, prefix };
        (prefix <= longest && bits(address) & !network.mask() == 0).then_some(network)
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && (bits(address) ^ bits(self.address)) & self.mask() == 0
    }

    /// The bits of the prefix, as they lie in [`bits`].
    fn mask(&self) -> u128 {
        let length = u32::from(self.prefix) + if self.address.is_ipv4() { 96 } else { 0 };
        u128::MAX.checked_shl(128 - length).unwrap_or(0)
    }
}

/// The address as a number; one of IPv4 in the last 32 bits.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = if self.address.is_ipv4() { 32 } else { 128 };
        write!(f, "{}", self.address)?;
        if self.prefix == longest { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Networks {
        Networks::Of(texts.iter().map(|text| Network::parse(text).unwrap()).collect())
    }

    fn contains(networks: &Networks, address: &str) -> bool {
        networks.contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_is_the_addresses_with_its_prefix() {
        let some = networks(&["127.0.0.1", "10.0.0.0/8", "192.168.4.0/22", "2001:db8::/33", "::1"]);
        for inside in ["127.0.0.1", "10.255.0.1", "192.168.7.255", "2001:db8:7fff::1", "::1", "::ffff:10.0.0.1"] {
            assert!(contains(&some, inside), "{inside}");
        }
        for outside in ["127.0.0.2", "11.0.0.0", "192.168.8.0", "2001:db8:8000::", "::2", "::", "::ffff:11.0.0.1"] {
            assert!(!contains(&some, outside), "{outside}");
        }
    }

    #[test]
    fn all_and_none_are_that() {
        assert!(contains(&Networks::All, "198.51.100.1"));
        assert!(!contains(&Networks::NONE, "127.0.0.1"));
        assert!(contains(&networks(&["0.0.0.0/0"]), "198.51.100.1"));
        assert!(!contains(&networks(&["0.0.0.0/0"]), "::1"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "*", "localhost", "10.0.0.1/8", "10.0.0.0/33", "::/129", "10.0.0.0/+8", "10.0.0.0/", "10.0.0"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_network_is_shown_as_it_is_written() {
        for text in ["127.0.0.1", "10.0.0.0/8", "::1", "2001:db8::/32", "0.0.0.0/0"] {
            assert_eq!(Network::parse(text).unwrap().to_string(), text);
        }
    }
}

//! Which use of permessage-deflate is agreed upon (RFC 7692, section 7.1).

use std::ops::RangeInclusive;

use super::extension::Offer;

/// Windows of which RFC 7692, section 7.1.2, lets the peers speak, as base-2 logarithms.
const WINDOW_BITS: RangeInclusive<u8> = 8..=15;

/// The smallest window that the compressor can keep to: zlib's has none of 256 bytes for raw streams.
const LEAST_WINDOW_BITS: u8 = 9;

/// What the server is ready to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeflateOptions {
    /// Base-2 logarithm of the largest window to compress with; what lies outside 9 to 15 counts as the nearest.
    pub window_bits: u8,
    /// Compress a message with what the earlier ones had in them, if the client does not mind.
    pub server_takeover: bool,
    /// Let the client do so.
    pub client_takeover: bool,
}

impl Default for DeflateOptions {
    /// A window of 4 KiB: it compresses the messages of a chat or a feed nearly as well as a larger one, for less than
    /// half of the memory.
    fn default() -> Self {
        Self { window_bits: 12, server_takeover: true, client_takeover: true }
    }
}

/// What has been agreed upon.
///
/// The client's window is not bounded, since to decompress costs the same memory for each: `client_max_window_bits` is
/// read and not answered (section 7.1.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deflate {
    /// Base-2 logarithm of the window to compress with, 9 to 15.
    pub(super) window_bits: u8,
    /// Whether the client asked for a bound, and is to be told of it.
    pub(super) tells_window_bits: bool,
    /// Whether the server's context outlives a message.
    pub(super) server_takeover: bool,
    /// Whether the client's does.
    pub(super) client_takeover: bool,
}

impl Deflate {
    /// The answer to the first of the offers that can be accepted (section 5).
    pub(super) fn negotiate(offers: &[Offer<'_>], options: DeflateOptions) -> Option<Self> {
        offers.iter().find_map(|offer| Self::accept(offer, options))
    }

    /// `None`: the offer is declined. Section 7.1: so is one with a parameter that is unknown, occurs twice or has a
    /// value that it may not have.
    fn accept(offer: &Offer<'_>, options: DeflateOptions) -> Option<Self> {
        if !offer.name.eq_ignore_ascii_case(b"permessage-deflate") {
            return None;
        }
        let mut accepted = Self {
            window_bits: options.window_bits.clamp(LEAST_WINDOW_BITS, *WINDOW_BITS.end()),
            tells_window_bits: false,
            server_takeover: options.server_takeover,
            client_takeover: options.client_takeover,
        };
        for (index, (name, value)) in offer.parameters.iter().enumerate() {
            if offer.parameters.iter().take(index).any(|(earlier, _)| earlier == name) {
                return None;
            }
            accepted.note(name, value.as_deref())?;
        }
        Some(accepted)
    }

    fn note(&mut self, name: &[u8], value: Option<&[u8]>) -> Option<()> {
        match (name, value) {
            (b"server_no_context_takeover", None) => self.server_takeover = false,
            (b"client_no_context_takeover", None) => self.client_takeover = false,
            (b"server_max_window_bits", Some(value)) => {
                self.window_bits = window_bits(value).filter(|bits| *bits >= LEAST_WINDOW_BITS)?.min(self.window_bits);
                self.tells_window_bits = true;
            }
            (b"client_max_window_bits", None) => {}
            (b"client_max_window_bits", Some(value)) => drop(window_bits(value)?),
            _ => return None,
        }
        Some(())
    }

    /// Appends the extension as the answer names it.
    pub(super) fn append_to(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"permessage-deflate");
        if !self.server_takeover {
            out.extend_from_slice(b"; server_no_context_takeover");
        }
        if !self.client_takeover {
            out.extend_from_slice(b"; client_no_context_takeover");
        }
        if self.tells_window_bits {
            out.extend_from_slice(b"; server_max_window_bits=");
            out.extend_from_slice(itoa::Buffer::new().format(self.window_bits).as_bytes());
        }
    }
}

/// A decimal number from 8 to 15 without leading zeros (section 7.1.2.1).
fn window_bits(value: &[u8]) -> Option<u8> {
    WINDOW_BITS.into_iter().find(|bits| itoa::Buffer::new().format(*bits).as_bytes() == value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::http::ws::extension::parse_offers;

    const WIDE: DeflateOptions = DeflateOptions { window_bits: 15, server_takeover: true, client_takeover: true };
    const NARROW: DeflateOptions = DeflateOptions { window_bits: 10, server_takeover: false, client_takeover: false };

    fn answer(offers: &str, options: DeflateOptions) -> Option<String> {
        let mut out = Vec::new();
        Deflate::negotiate(&parse_offers(offers.as_bytes()).unwrap(), options)?.append_to(&mut out);
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_first_offer_that_can_be_accepted_is() {
        let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        let cases = [
            ("permessage-deflate", WIDE, "permessage-deflate"),
            ("permessage-deflate", NARROW, both),
            ("PerMessage-Deflate; client_max_window_bits", WIDE, "permessage-deflate"),
            ("permessage-deflate; client_max_window_bits=8", WIDE, "permessage-deflate"),
            (both, WIDE, both),
            ("permessage-deflate; server_max_window_bits=9", WIDE, "permessage-deflate; server_max_window_bits=9"),
            (
                "permessage-deflate; server_max_window_bits=\"15\"",
                WIDE,
                "permessage-deflate; server_max_window_bits=15",
            ),
            (
                "permessage-deflate; server_max_window_bits=15; server_no_context_takeover",
                DeflateOptions { client_takeover: true, ..NARROW },
                "permessage-deflate; server_no_context_takeover; server_max_window_bits=10",
            ),
            // RFC 7692, section 7.1.3: what the client would rather have, and what it can live with.
            ("permessage-deflate; server_max_window_bits=8, permessage-deflate", WIDE, "permessage-deflate"),
            ("x-webkit-deflate-frame, permessage-deflate; x, permessage-deflate", WIDE, "permessage-deflate"),
        ];
        for (offers, options, expected) in cases {
            assert_eq!(answer(offers, options).as_deref(), Some(expected), "{offers}");
        }
    }

    #[test]
    fn a_parameter_that_may_not_be_declines_its_offer() {
        for parameters in [
            "unknown",
            "server_no_context_takeover=1",
            "client_no_context_takeover=true",
            "server_no_context_takeover; server_no_context_takeover",
            "client_max_window_bits; client_max_window_bits=10",
            "server_max_window_bits",
            "server_max_window_bits=8",
            "server_max_window_bits=7",
            "server_max_window_bits=16",
            "server_max_window_bits=010",
            "server_max_window_bits=1e1",
            "client_max_window_bits=7",
            "client_max_window_bits=16",
            "client_max_window_bits=09",
        ] {
            assert_eq!(answer(&format!("permessage-deflate; {parameters}"), WIDE), None, "{parameters}");
        }
        assert_eq!(answer("permessage-bzip2", WIDE), None);
        assert_eq!(answer("", WIDE), None);
    }
}

//! The words by which settings name one of a few things.

use super::field::Refusal;
use super::values::{AsgiLifespan, AsgiLoop};
use crate::http::{ForwardedClient, HeaderMap, ProxyProtocol};

/// Words and what they mean. The first word for a thing is its name; others are taken, too.
pub(super) type Words<T> = [(&'static str, T)];

pub(super) const HEADER_MAPS: &Words<HeaderMap> =
    &[("drop", HeaderMap::Drop), ("refuse", HeaderMap::Refuse), ("dangerous", HeaderMap::Dangerous)];

pub(super) const FORWARDED_CLIENTS: &Words<ForwardedClient> = &[
    ("off", ForwardedClient::Off),
    ("x-forwarded-for", ForwardedClient::XForwardedFor),
    ("forwarded", ForwardedClient::Forwarded),
];

/// gunicorn takes all of these.
pub(super) const PROXY_PROTOCOLS: &Words<ProxyProtocol> = &[
    ("off", ProxyProtocol::Off),
    ("v1", ProxyProtocol::V1),
    ("v2", ProxyProtocol::V2),
    ("auto", ProxyProtocol::Auto),
    ("false", ProxyProtocol::Off),
    ("0", ProxyProtocol::Off),
    ("none", ProxyProtocol::Off),
    ("true", ProxyProtocol::Auto),
    ("1", ProxyProtocol::Auto),
];

/// As for gunicorn, `None` is the default of these two.
pub(super) const ASGI_LOOPS: &Words<AsgiLoop> =
    &[("auto", AsgiLoop::Auto), ("asyncio", AsgiLoop::Asyncio), ("uvloop", AsgiLoop::Uvloop), ("none", AsgiLoop::Auto)];

pub(super) const ASGI_LIFESPANS: &Words<AsgiLifespan> =
    &[("auto", AsgiLifespan::Auto), ("on", AsgiLifespan::On), ("off", AsgiLifespan::Off), ("none", AsgiLifespan::Auto)];

/// What the word means.
pub(super) fn meaning<T: Copy>(words: &Words<T>, word: &str) -> Result<T, Refusal> {
    words.iter().find(|(known, _)| *known == word).map(|(_, thing)| *thing).ok_or(Refusal::PLAIN)
}

/// The thing's name. Each has one.
pub(super) fn name<T: PartialEq>(words: &Words<T>, thing: &T) -> &'static str {
    words.iter().find(|(_, known)| known == thing).map_or("", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_may_have_several_words_and_has_one_name() {
        for (word, name_of_it) in [("v1", "v1"), ("auto", "auto"), ("true", "auto"), ("1", "auto"), ("none", "off")] {
            let meant = meaning(PROXY_PROTOCOLS, word).map(|mode| name(PROXY_PROTOCOLS, &mode));
            assert_eq!(meant, Ok(name_of_it), "{word}");
        }
        assert_eq!(meaning(PROXY_PROTOCOLS, "v3"), Err(Refusal::PLAIN));
        assert_eq!(meaning(HEADER_MAPS, "none"), Err(Refusal::PLAIN));
    }
}

//! The offers of `Sec-WebSocket-Extensions`, by their grammar (RFC 6455, section 9.1). What an extension means is said
//! elsewhere.

use std::borrow::Cow;

use crate::http::syntax::{is_quoted_byte, is_token, is_token_byte, is_value_byte};

/// A parameter's name, and its value if it has one.
pub(super) type Parameter<'a> = (&'a [u8], Option<Cow<'a, [u8]>>);

/// One offered extension.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Offer<'a> {
    /// Its name.
    pub(super) name: &'a [u8],
    /// Its parameters, in their order.
    pub(super) parameters: Vec<Parameter<'a>>,
}

/// The offers in the value of a field, the preferred one first; `None` when it breaks the grammar.
pub(super) fn parse_offers(value: &[u8]) -> Option<Vec<Offer<'_>>> {
    let mut rest = Rest(value);
    let mut offers = Vec::new();
    // RFC 9110, section 5.6.1.2: a recipient ignores the empty elements of a list.
    while rest.skip_spaces_and(b',') {
        offers.push(rest.offer()?);
        if !rest.is_empty() && !rest.starts_with(b',') {
            return None;
        }
    }
    Some(offers)
}

/// What has not been read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn starts_with(&self, byte: u8) -> bool {
        self.0.first() == Some(&byte)
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        self.take(self.0.iter().position(|&byte| !wanted(byte)).unwrap_or(self.0.len()))
    }

    fn skip_spaces(&mut self) {
        self.take_while(|byte| matches!(byte, b' ' | b'\t'));
    }

    /// Skips white space and `separator`; returns whether anything is left.
    fn skip_spaces_and(&mut self, separator: u8) -> bool {
        self.take_while(|byte| matches!(byte, b' ' | b'\t') || byte == separator);
        !self.is_empty()
    }

    /// The byte with the white space around it, if it is the next.
    fn accept(&mut self, byte: u8) -> bool {
        self.skip_spaces();
        let found = self.starts_with(byte);
        if found {
            self.take(1);
            self.skip_spaces();
        }
        found
    }

    fn token(&mut self) -> Option<&'a [u8]> {
        Some(self.take_while(is_token_byte)).filter(|token| !token.is_empty())
    }

    /// `extension = token *( ";" extension-param )`
    fn offer(&mut self) -> Option<Offer<'a>> {
        let name = self.token()?;
        let mut parameters = Vec::new();
        while self.accept(b';') {
            parameters.push(self.parameter()?);
        }
        Some(Offer { name, parameters })
    }

    /// `extension-param = token [ "=" (token | quoted-string) ]`
    fn parameter(&mut self) -> Option<Parameter<'a>> {
        let name = self.token()?;
        if !self.accept(b'=') {
            return Some((name, None));
        }
        let value = match self.starts_with(b'"') {
            true => Cow::Owned(self.quoted()?),
            false => Cow::Borrowed(self.token()?),
        };
        Some((name, Some(value)))
    }

    /// A quoted string that, without its quotes and backslashes, is a token.
    fn quoted(&mut self) -> Option<Vec<u8>> {
        self.take(1);
        let mut value = Vec::new();
        loop {
            value.extend_from_slice(self.take_while(is_quoted_byte));
            match self.take(1) {
                b"\"" => return is_token(&value).then_some(value),
                b"\\" => value.extend(self.take(1).iter().copied().filter(|&byte| is_value_byte(byte))),
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The offers, spelt anew.
    fn read(value: &str) -> Option<String> {
        let spell = |offer: &Offer<'_>| {
            let mut text = String::from_utf8(offer.name.to_vec()).unwrap();
            for (name, value) in &offer.parameters {
                text += &format!(";{}", str::from_utf8(name).unwrap());
                if let Some(value) = value {
                    text += &format!("={}", str::from_utf8(value).unwrap());
                }
            }
            text
        };
        Some(parse_offers(value.as_bytes())?.iter().map(spell).collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn offers_of_the_grammar_are_read() {
        let cases = [
            ("foo", "foo"),
            ("bar; baz=2", "bar;baz=2"),
            ("foo, bar; baz=2", "foo|bar;baz=2"),
            ("deflate-stream", "deflate-stream"),
            ("mux; max-channels=4; flow-control, deflate-stream", "mux;max-channels=4;flow-control|deflate-stream"),
            ("a;b=\"1\\5\" ;c", "a;b=15;c"),
            (" a ;\tb = 2 , ,b,", "a;b=2|b"),
            ("", ""),
            (" , ", ""),
        ];
        for (value, offers) in cases {
            assert_eq!(read(value).as_deref(), Some(offers), "{value:?}");
        }
    }

    #[test]
    fn others_are_not() {
        for value in [
            "a;",
            "a;;b",
            ";a",
            "a b",
            "a=1",
            "a;b=",
            "a;b=\"",
            "a;b=\"1",
            "a;b=\"\"",
            "a;b=\"1 2\"",
            "a;b=\"1\\",
            "a;b=1 2",
            "a;b=(",
            "\"a\"",
        ] {
            assert_eq!(read(value), None, "{value:?}");
        }
    }
}

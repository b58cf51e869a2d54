//! A value as a layer gave it, and its conversion to the type that a setting has.
//!
//! Text (environment, command line) and the values of `gunicorn.conf.py` are read as leniently as gunicorn's validators
//! read them; values of `gunicorn.toml` have the right type or are refused.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::bounds::Bounds;
use super::field::Refusal;

/// The only key of the object that stands for a Python value without a JSON form; its content is the value's `repr`.
pub const OPAQUE: &str = "repr";

/// A value as it was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    value: Value,
    /// Whether text may not stand for a number or a switch.
    typed: bool,
}

impl Given {
    /// Text of the environment or the command line, or a value of `gunicorn.conf.py`.
    pub fn lenient(value: impl Into<Value>) -> Self {
        Self { value: value.into(), typed: false }
    }

    /// A value of `gunicorn.toml`.
    pub fn typed(value: Value) -> Self {
        Self { value, typed: true }
    }

    /// The value as an error message quotes it.
    pub fn quoted(&self) -> String {
        quoted(&self.value)
    }

    /// A switch: as gunicorn, `None` is off, and text is `true` or `false` in any case.
    pub(super) fn switch(&self) -> Result<bool, Refusal> {
        match &self.value {
            Value::Bool(on) => Ok(*on),
            Value::Null => Ok(false),
            Value::String(text) if !self.typed => match text.trim().to_ascii_lowercase().as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(Refusal::PLAIN),
            },
            _ => Err(Refusal::PLAIN),
        }
    }

    /// A whole number within bounds.
    pub(super) fn number(&self, bounds: &Bounds) -> Result<u64, Refusal> {
        let number = match &self.value {
            // Python's booleans are integers.
            Value::Bool(on) if !self.typed => Some(u64::from(*on)),
            Value::Number(number) => number.as_u64(),
            Value::String(text) if !self.typed => whole(text, 10),
            _ => None,
        };
        bounds.check(number.ok_or(Refusal::PLAIN)?)
    }

    /// Permission bits. Text may always be given: TOML has no other way to write `022`.
    pub(super) fn mode(&self) -> Result<u32, Refusal> {
        let bits = match &self.value {
            Value::Bool(on) if !self.typed => Some(u64::from(*on)),
            Value::Number(number) => number.as_u64(),
            Value::String(text) => whole(text, 8),
            _ => None,
        };
        bits.and_then(|bits| u32::try_from(bits).ok()).filter(|bits| *bits <= 0o7777).ok_or(Refusal::PLAIN)
    }

    /// Text without the white space around it; `None` for `None`.
    pub(super) fn text(&self) -> Result<Option<String>, Refusal> {
        match &self.value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.trim().to_owned())),
            _ => Err(Refusal::PLAIN),
        }
    }

    /// A word in lower case; a boolean and `None` as Python's names for them.
    pub(super) fn word(&self) -> Result<String, Refusal> {
        match &self.value {
            Value::Null => Ok("none".to_owned()),
            Value::Bool(on) => Ok(on.to_string()),
            Value::String(text) => Ok(text.trim().to_ascii_lowercase()),
            _ => Err(Refusal::PLAIN),
        }
    }

    /// A list of texts; one text is a list of one, and `None` is the empty list.
    pub(super) fn list(&self) -> Result<Vec<String>, Refusal> {
        match &self.value {
            Value::Null => Ok(Vec::new()),
            Value::String(text) => Ok(vec![text.trim().to_owned()]),
            Value::Array(items) => items.iter().map(item).collect(),
            _ => Err(Refusal::PLAIN),
        }
    }

    /// Texts by name. As text, which only the table's defaults are, they are a JSON object.
    pub(super) fn map(&self) -> Result<BTreeMap<String, String>, Refusal> {
        match &self.value {
            Value::String(text) if !self.typed => serde_json::from_str(text).map_err(|_| Refusal::PLAIN),
            Value::Object(map) if opaque(map).is_none() => {
                map.iter().map(|(name, text)| Ok((name.trim().to_owned(), item(text)?))).collect()
            }
            _ => Err(Refusal::PLAIN),
        }
    }

    /// The number of an account; `None` for `None`.
    pub(super) fn account(&self, lookup: impl Fn(&str) -> Option<u32>) -> Result<Option<u32>, Refusal> {
        let id = match &self.value {
            Value::Null => return Ok(None),
            Value::Number(number) => number.as_u64().and_then(|id| u32::try_from(id).ok()),
            Value::String(text) if is_digits(text.trim()) => text.trim().parse().ok(),
            Value::String(text) => lookup(text.trim()),
            _ => None,
        };
        id.map(Some).ok_or(Refusal::PLAIN)
    }
}

fn item(value: &Value) -> Result<String, Refusal> {
    value.as_str().map(|text| text.trim().to_owned()).ok_or(Refusal::PLAIN)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A whole number as Python's `int` reads it: sign, prefix, and single underscores between digits. `zero` is the
/// base of a number that begins with 0 and has no other prefix.
fn whole(text: &str, zero: u32) -> Option<u64> {
    let text = text.trim();
    let text = text.strip_prefix('+').unwrap_or(text).to_ascii_lowercase();
    let (digits, base) = match text.get(..2) {
        Some("0x") => (&text[2..], 16),
        Some("0o") => (&text[2..], 8),
        Some("0b") => (&text[2..], 2),
        Some(_) if text.starts_with('0') => (text.as_str(), zero),
        _ => (text.as_str(), 10),
    };
    let well_formed = digits.split('_').all(|group| !group.is_empty() && group.bytes().all(|b| b.is_ascii_hexdigit()));
    if !well_formed {
        return None;
    }
    u64::from_str_radix(&digits.replace('_', ""), base).ok()
}

/// The value as Python's `str` writes it.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        _ => quoted(value),
    }
}

/// The value as Python's `repr` writes it.
fn quoted(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quote(text),
        Value::Array(items) => format!("[{}]", items.iter().map(quoted).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => opaque(map).map_or_else(|| quoted_map(map), str::to_owned),
    }
}

fn quoted_map(map: &Map<String, Value>) -> String {
    let items: Vec<_> = map.iter().map(|(name, value)| format!("{}: {}", quote(name), quoted(value))).collect();
    format!("{{{}}}", items.join(", "))
}

/// The `repr` of the Python value that the object stands for, if it stands for one.
pub(super) fn opaque(map: &Map<String, Value>) -> Option<&str> {
    map.get(OPAQUE).filter(|_| map.len() == 1)?.as_str()
}

/// Text in single quotes; what would break the line of a message is escaped.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.extend(c.escape_default()),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_written_as_in_python() {
        for (text, number) in
            [("4", 4), (" 4 ", 4), ("+4", 4), ("0x10", 16), ("0O17", 15), ("0b11", 3), ("1_000", 1000), ("007", 7)]
        {
            assert_eq!(Given::lenient(text).number(&Bounds::up_to(2048)), Ok(number), "{text}");
        }
        for text in ["", "-1", "4.0", "four", "1__0", "_1", "0x", "2049", "99999999999999999999999", "é4", "4é"] {
            assert_eq!(Given::lenient(text).number(&Bounds::up_to(2048)), Err(Refusal::PLAIN), "{text}");
        }
    }

    #[test]
    fn a_number_of_a_config_file_is_whole() {
        assert_eq!(Given::lenient(json!(true)).number(&Bounds::up_to(9)), Ok(1));
        assert_eq!(Given::lenient(json!(4.5)).number(&Bounds::up_to(9)), Err(Refusal::PLAIN));
        assert_eq!(Given::lenient(json!(-1)).number(&Bounds::up_to(9)), Err(Refusal::PLAIN));
        assert_eq!(Given::lenient(json!(null)).number(&Bounds::up_to(9)), Err(Refusal::PLAIN));
    }

    #[test]
    fn toml_values_keep_their_types() {
        assert_eq!(Given::typed(json!("4")).number(&Bounds::up_to(9)), Err(Refusal::PLAIN));
        assert_eq!(Given::typed(json!("true")).switch(), Err(Refusal::PLAIN));
        assert_eq!(Given::typed(json!("022")).mode(), Ok(0o22));
    }

    #[test]
    fn a_mode_is_octal_with_a_leading_zero() {
        for (text, bits) in [("022", 0o22), ("0022", 0o22), ("0o22", 0o22), ("22", 22), ("0", 0), ("0x12", 0x12)] {
            assert_eq!(Given::lenient(text).mode(), Ok(bits), "{text}");
        }
        assert_eq!(Given::lenient("08").mode(), Err(Refusal::PLAIN));
        assert_eq!(Given::lenient("0o10000").mode(), Err(Refusal::PLAIN));
    }

    #[test]
    fn switches_are_written_as_in_python() {
        assert_eq!(Given::lenient("True").switch(), Ok(true));
        assert_eq!(Given::lenient(" false").switch(), Ok(false));
        assert_eq!(Given::lenient(json!(null)).switch(), Ok(false));
        assert_eq!(Given::lenient("yes").switch(), Err(Refusal::PLAIN));
        assert_eq!(Given::lenient(json!(1)).switch(), Err(Refusal::PLAIN));
    }

    #[test]
    fn a_word_may_be_a_boolean_or_none() {
        assert_eq!(Given::lenient(" Auto ").word(), Ok("auto".to_owned()));
        assert_eq!(Given::typed(json!(true)).word(), Ok("true".to_owned()));
        assert_eq!(Given::lenient(json!(null)).word(), Ok("none".to_owned()));
        assert_eq!(Given::lenient(json!(1)).word(), Err(Refusal::PLAIN));
    }

    #[test]
    fn a_map_has_texts() {
        let expected = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        assert_eq!(Given::typed(json!({ " A ": "1 " })).map(), Ok(expected.clone()));
        assert_eq!(Given::lenient(r#"{"A": "1"}"#).map(), Ok(expected));
        for refused in [json!({ "A": 1 }), json!({ "repr": "<class 'x.Y'>" }), json!(["A"]), json!("A"), json!(null)] {
            assert_eq!(Given::lenient(refused.clone()).map(), Err(Refusal::PLAIN), "{refused}");
        }
    }

    #[test]
    fn an_account_is_a_number_or_a_name() {
        let lookup = |name: &str| (name == "www-data").then_some(33);
        assert_eq!(Given::lenient("www-data").account(lookup), Ok(Some(33)));
        assert_eq!(Given::lenient("1000").account(lookup), Ok(Some(1000)));
        assert_eq!(Given::lenient(json!(0)).account(lookup), Ok(Some(0)));
        assert_eq!(Given::lenient(json!(null)).account(lookup), Ok(None));
        assert_eq!(Given::lenient("nobody-here").account(lookup), Err(Refusal::PLAIN));
        assert_eq!(Given::lenient("4294967296").account(lookup), Err(Refusal::PLAIN));
    }

    #[test]
    fn values_are_shown_as_in_python() {
        assert_eq!(quoted(&json!(["a", "it's\n", null, true, 3])), r"['a', 'it\'s\n', None, True, 3]");
        assert_eq!(quoted(&json!({ "repr": "<class 'x.Y'>" })), "<class 'x.Y'>");
        assert_eq!(quoted(&json!({ "repr": "x", "B": [1] })), "{'B': [1], 'repr': 'x'}");
        assert_eq!(show(&json!("a b")), "a b");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*|[-+0-9a-fxob_]{0,9}") {
            let given = Given::lenient(text);
            let _ = (given.switch(), given.number(&Bounds::up_to(9)), given.mode(), given.account(|_| None));
            let _ = (given.text(), given.word(), given.list(), given.map(), given.quoted());
        }
    }
}

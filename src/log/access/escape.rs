//! Quoting of values that a client chose, so that no value can look like the end of its field or of its line.

use std::io::Write;

/// How a value is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoting {
    /// `\"`, `\\` and, for every byte that is not printable ASCII, `\xHH`.
    Text,
    /// `\"`, `\\` and `\u00HH`: the format is a JSON object and its lines must stay one.
    Json,
}

/// Bytes that stand for themselves: printable ASCII without quote and backslash.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        plain[byte as usize] = byte != b'"' && byte != b'\\';
        byte += 1;
    }
    plain
};

/// Appends `value`, quoted.
pub(super) fn append(line: &mut Vec<u8>, mut value: &[u8], quoting: Quoting) {
    loop {
        let plain = value.iter().position(|&byte| !PLAIN[usize::from(byte)]).unwrap_or(value.len());
        let (run, rest) = value.split_at(plain);
        line.extend_from_slice(run);
        let [byte, rest @ ..] = rest else { return };
        append_special(line, *byte, quoting);
        value = rest;
    }
}

/// Appends `value` as one word: spaces are quoted too, for a field that no quotes enclose in the usual formats.
pub(super) fn append_word(line: &mut Vec<u8>, value: &[u8], quoting: Quoting) {
    for (index, word) in value.split(|&byte| byte == b' ').enumerate() {
        if index > 0 {
            append_hex(line, b' ', quoting);
        }
        append(line, word, quoting);
    }
}

/// Length of the first `characters` of quoted text, in bytes: never ends inside an escape, since a backslash
/// left alone would quote what follows it.
pub(super) fn prefix_length(quoted: &[u8], characters: usize) -> usize {
    let mut length = 0;
    for _ in 0..characters {
        length += match quoted.get(length..).unwrap_or_default() {
            [] => 0,
            [b'\\', b'x', ..] => 4,
            [b'\\', b'u', ..] => 6,
            [b'\\', ..] => 2,
            _ => 1,
        };
    }
    length.min(quoted.len())
}

fn append_special(line: &mut Vec<u8>, byte: u8, quoting: Quoting) {
    match byte {
        b'"' | b'\\' => line.extend_from_slice(&[b'\\', byte]),
        _ => append_hex(line, byte, quoting),
    }
}

fn append_hex(line: &mut Vec<u8>, byte: u8, quoting: Quoting) {
    // Writing to a vector cannot fail.
    let _ = match quoting {
        Quoting::Text => write!(line, "\\x{byte:02X}"),
        Quoting::Json => write!(line, "\\u{byte:04x}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(append: fn(&mut Vec<u8>, &[u8], Quoting), value: &[u8], quoting: Quoting) -> String {
        let mut line = Vec::new();
        append(&mut line, value, quoting);
        String::from_utf8_lossy(&line).into_owned()
    }

    #[test]
    fn quotes_backslashes_and_unprintable_bytes_are_escaped() {
        assert_eq!(text(append, b"a \"b\" \\ \r\n\x7f\xe9", Quoting::Text), r#"a \"b\" \\ \x0D\x0A\x7F\xE9"#);
        assert_eq!(text(append, b"\"\\\n\xe9", Quoting::Json), r#"\"\\\u000a\u00e9"#);
    }

    #[test]
    fn a_word_has_no_space() {
        assert_eq!(text(append_word, b"a b", Quoting::Text), r"a\x20b");
        assert_eq!(text(append_word, b" ", Quoting::Json), r"\u0020");
    }

    #[test]
    fn text_is_never_cut_inside_an_escape() {
        let quoted = br#"a\"\x0Ab\u000ac"#;
        let lengths: Vec<usize> = (0..8).map(|characters| prefix_length(quoted, characters)).collect();
        assert_eq!(lengths, [0, 1, 3, 7, 8, 14, 15, 15]);
    }
}

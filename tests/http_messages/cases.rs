//! The tables of this directory as values. Their format is described in its README.

use std::fs;
use std::path::Path;

/// One case of a table.
#[derive(Debug, Default)]
pub(crate) struct Case {
    /// Its table and its name there.
    pub(crate) name: String,
    /// What the client sends.
    pub(crate) bytes: Vec<u8>,
    /// The outcome lines, as they stand in the file.
    pub(crate) outcome: Vec<String>,
}

/// The cases of all tables in the package at `root`.
pub(crate) fn tables(root: &Path) -> Vec<Case> {
    let files = fs::read_dir(root.join("tests/http_messages")).unwrap().map(|entry| entry.unwrap().path());
    let mut tables: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
    tables.sort();
    tables.iter().flat_map(|path| read(path)).collect()
}

fn read(path: &Path) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in fs::read_to_string(path).unwrap().lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("case ") {
            let name = format!("{}: {name}", path.file_name().unwrap().display());
            cases.push(Case { name, ..Case::default() });
            continue;
        }
        let case = cases.last_mut().unwrap_or_else(|| panic!("{}: {line:?} before any case", path.display()));
        match line.split_at_checked(2) {
            Some(("> ", bytes)) => unescape(bytes, &mut case.bytes),
            Some(("= " | "+ " | "! " | "..", _)) => case.outcome.push(line.to_owned()),
            _ => panic!("{}: what is {line:?}?", case.name),
        }
    }
    cases
}

fn unescape(text: &str, bytes: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        let (value, after) = match (byte, after) {
            (b'\\', [b'x', high, low, after @ ..]) => (hex(*high) << 4 | hex(*low), after),
            (b'\\', [b'r', after @ ..]) => (b'\r', after),
            (b'\\', [b'n', after @ ..]) => (b'\n', after),
            (b'\\', [b't', after @ ..]) => (b'\t', after),
            (b'\\', [b'0', after @ ..]) => (0, after),
            (b'\\', [b'\\', after @ ..]) => (b'\\', after),
            (b'\\', _) => panic!("unknown escape in {text:?}"),
            _ => (*byte, after),
        };
        bytes.push(value);
        rest = after;
    }
}

fn hex(digit: u8) -> u8 {
    u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap()
}

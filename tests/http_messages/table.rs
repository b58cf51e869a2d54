//! Runs the tables of this directory. Their format is described in its README.

use std::fs;
use std::path::Path;

use gunicorn::http::Limits;

use crate::connection::{Event, run};

/// One case of a table.
#[derive(Debug, Default)]
struct Case {
    name: String,
    bytes: Vec<u8>,
    /// The outcome lines, as they stand in the file.
    outcome: Vec<String>,
}

#[test]
fn every_message_has_its_outcome_however_it_is_cut() {
    let cases = tables();
    assert!(cases.len() > 200, "only {} cases were found", cases.len());
    let failures: Vec<String> = cases.iter().filter_map(failure).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// What is wrong with the first way of cutting the case that has another outcome than it should.
fn failure(case: &Case) -> Option<String> {
    let halves = (0..case.bytes.len()).map(|at| case.bytes.split_at(at)).map(|(first, second)| vec![first, second]);
    std::iter::once(case.bytes.chunks(1).collect()).chain(halves).find_map(|pieces: Vec<&[u8]>| {
        let events = run(pieces.iter().copied(), &Limits::default());
        let with_fields = case.outcome.iter().any(|line| line.starts_with('+'));
        let outcome: Vec<String> = events.iter().flat_map(|event| lines(event, with_fields)).collect();
        (outcome != case.outcome).then(|| format!("{}, in {} pieces: {outcome:#?}", case.name, pieces.len()))
    })
}

/// The event as a table writes it.
fn lines(event: &Event, with_fields: bool) -> Vec<String> {
    match event {
        Event::Incomplete => vec!["...".to_owned()],
        Event::Refused(error) => {
            let rule = error.rule().split(' ').next().unwrap();
            vec![format!("! {} {rule}", error.status())]
        }
        Event::Message { line, fields } => {
            let shown = fields.iter().filter(|_| with_fields);
            let fields = shown.map(|(name, value)| format!("+ {}: {}", name.escape_ascii(), value.escape_ascii()));
            std::iter::once(format!("= {line}")).chain(fields).collect()
        }
    }
}

fn tables() -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http_messages");
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == "txt")).flat_map(|path| read(&path)).collect()
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

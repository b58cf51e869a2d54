//! Runs the tables of this directory. Their format is described in its README.

use std::path::Path;

use gunicorn::http::Limits;

use crate::cases::{Case, tables};
use crate::connection::{Event, run};

#[test]
fn every_message_has_its_outcome_however_it_is_cut() {
    let cases = tables(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(cases.len() >= 300, "only {} cases were found", cases.len());
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

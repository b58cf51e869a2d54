//! The config layer from `gunicorn.toml`: a typed alternative to `gunicorn.conf.py`, read without an interpreter.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;
use toml::Spanned;

use super::config_python::elsewhere;
use super::given::Given;
use super::layers::Entry;
use super::table::missing;
use super::{SettingError, Source, Warning, table};

/// The settings of the file, and what is ignored.
pub(super) fn entries(file: &str, text: &str) -> Result<(Vec<Entry>, Vec<Warning>), Vec<SettingError>> {
    let place = |span: Option<Range<usize>>| Source::ConfigFile {
        file: file.to_owned(),
        line: span.map(|span| line(text, span.start)),
    };
    let values: BTreeMap<Spanned<String>, Value> = toml::from_str(text).map_err(|error| {
        vec![SettingError::Toml { origin: place(error.span()), problem: error.message().to_owned() }]
    })?;

    let (mut entries, mut warnings, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for (name, value) in values {
        match read(file, name.get_ref(), value, place(Some(name.span()))) {
            Ok(Read::Entry(entry)) => entries.push(entry),
            Ok(Read::Ignored(warning)) => warnings.push(warning),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok((entries, warnings)) } else { Err(errors) }
}

enum Read {
    Entry(Entry),
    Ignored(Warning),
}

fn read(file: &str, name: &str, value: Value, origin: Source) -> Result<Read, SettingError> {
    let file = file.to_owned();
    // The interpreter is not needed to read this file, so it may be named in it.
    if let Some((name, instead)) = elsewhere(name).filter(|(name, _)| *name != "python") {
        return Ok(Read::Ignored(Warning::NoEffect { file, name, instead }));
    }
    if let Some(setting) = table::find(name) {
        return Ok(Read::Entry(Entry { setting, given: Given::typed(value), origin }));
    }
    if let Some(missing) = missing::find(name) {
        return Ok(Read::Ignored(Warning::Unsupported { file, name: missing.name }));
    }
    let nearest = table::nearest_setting(name).map(|setting| setting.name.to_owned());
    Err(SettingError::Unknown { what: "setting", name: name.to_owned(), origin, nearest })
}

/// The line, from 1, of a byte of the text.
fn line(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

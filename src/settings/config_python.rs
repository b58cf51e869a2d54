//! The config layer from `gunicorn.conf.py`: which of its names are settings, and which look as if they should be.

use std::collections::BTreeMap;

use serde_json::Value;

use super::given::{Given, opaque};
use super::layers::Entry;
use super::nearest::letters;
use super::table::missing;
use super::{Source, Warning, table};

/// Names that have an effect only elsewhere, and what to do instead.
const ELSEWHERE: [(&str, &str); 4] = [
    ("config", "use -c"),
    ("python", "use --python"),
    ("check_config", "use --check-config"),
    ("print_config", "use --print-config"),
];

/// Shorter names resemble each other by chance.
const SHORTEST_NEAR_MISS: usize = 5;

/// The settings among the names of the file, and what is odd about the others.
pub(super) fn entries(file: &str, values: BTreeMap<String, Value>) -> (Vec<Entry>, Vec<Warning>) {
    let mut warnings: Vec<_> = values.iter().filter_map(|(name, value)| warning(file, name, value, &values)).collect();
    warnings.dedup();
    let entries = values.into_iter().filter_map(|(name, value)| entry(file, &name, value)).collect();
    (entries, warnings)
}

fn entry(file: &str, name: &str, value: Value) -> Option<Entry> {
    let setting = table::find(name).filter(|_| elsewhere(name).is_none())?;
    // As in gunicorn, `None` leaves a switch as it is without the file.
    if setting.field.is_switch() && value.is_null() {
        return None;
    }
    let origin = Source::ConfigFile { file: file.to_owned(), line: None };
    Some(Entry { setting, given: Given::lenient(value), origin })
}

/// A setting that has an effect only elsewhere, and what to do instead.
pub(super) fn elsewhere(name: &str) -> Option<(&'static str, &'static str)> {
    ELSEWHERE.into_iter().find(|(elsewhere, _)| *elsewhere == name)
}

fn warning(file: &str, name: &str, value: &Value, values: &BTreeMap<String, Value>) -> Option<Warning> {
    let file = file.to_owned();
    if let Some((name, instead)) = elsewhere(name) {
        return Some(Warning::NoEffect { file, name, instead });
    }
    if let Some(missing) = missing::find(name) {
        // What is switched off is not missed.
        let off = matches!(value, Value::Null | Value::Bool(false));
        return (!off).then_some(Warning::Unsupported { file, name: missing.name });
    }
    let nearest = near_miss(name, value)?;
    // A file that sets the setting too has the name as a variable of its own: `worker = 4; workers = worker`.
    (!values.contains_key(nearest)).then(|| Warning::NearMiss { file, name: name.to_owned(), nearest })
}

/// The setting that the name was probably meant to be.
fn near_miss(name: &str, value: &Value) -> Option<&'static str> {
    let is_opaque = value.as_object().and_then(opaque).is_some();
    if is_opaque || name.starts_with('_') || letters(name).len() < SHORTEST_NEAR_MISS || table::find(name).is_some() {
        return None;
    }
    table::nearest_setting(name).map(|setting| setting.name)
}

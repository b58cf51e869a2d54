//! What a new reading of the configuration changes.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::{Reload, Settings, table};

/// A setting that has another value than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The setting.
    pub name: &'static str,
    /// Its value before, as `--print-config` shows it.
    pub from: String,
    /// Its value now.
    pub to: String,
    /// What the change takes.
    pub reload: Reload,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {} (takes effect {})", self.name, self.from, self.to, self.reload)
    }
}

/// The settings that differ, in the order of the table.
pub fn diff(from: &Settings, to: &Settings) -> Vec<Change> {
    table::all()
        .map(|row| Change { name: row.name, from: row.field.show(from), to: row.field.show(to), reload: row.reload })
        .filter(|change| change.from != change.to)
        .collect()
}

/// The values that are not the defaults, by name, as a Python config may give them.
pub fn changed(settings: &Settings) -> BTreeMap<&'static str, Value> {
    let defaults = Settings::default();
    let differs = |row: &&super::Setting| row.field.value(&defaults) != row.field.value(settings);
    table::all().filter(differs).map(|row| (row.name, row.field.value(settings))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_the_default_is_told_as_a_config_may_give_it() {
        let settings = Settings { workers: 4, preload_app: true, bind: Vec::new(), ..Settings::default() };
        let expected = [("bind", json!([])), ("preload_app", json!(true)), ("workers", json!(4))];
        assert_eq!(changed(&settings), BTreeMap::from(expected));
        assert_eq!(changed(&Settings::default()), BTreeMap::new());
    }

    #[test]
    fn what_differs_is_listed_with_what_it_takes() {
        let from = Settings::default();
        let to = Settings { workers: 4, bind: Vec::new(), ..from.clone() };
        let lines: Vec<_> = diff(&from, &to).iter().map(Change::to_string).collect();
        assert_eq!(
            lines,
            [
                "bind: ['127.0.0.1:8000'] -> [] (takes effect with newly bound sockets)",
                "workers: 1 -> 4 (takes effect at once)"
            ]
        );
        assert_eq!(diff(&from, &from), []);
    }
}

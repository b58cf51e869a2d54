//! Generates `docs/settings.md` from the table.

use std::fmt::Write;

use super::table::{self, missing};
use super::{Flags, Section, Setting};

const HEAD: &str = "# Settings

<!-- Generated from src/settings/table; do not edit. -->

A setting is given, from the weakest to the strongest, by its default, by an environment variable, by the config file
(`gunicorn.conf.py` or `gunicorn.toml`), by `GUNICORN_CMD_ARGS` (flags, separated as in a shell), or by a flag.
`gunicorn-rs --print-config` shows each value and where it came from.
";

const MISSING: &str = "
## Not supported yet

These settings of gunicorn are refused on the command line, and ignored with a warning in a config file. A worker class
of another package (`worker_class`) finds them in its `cfg`, and those that it acts on itself have their effect there,
the hooks that run in a worker among them:
";

/// The longest line of a list, in bytes.
const LINE: usize = 120;

/// The whole page, in Markdown.
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    let mut section: Option<Section> = None;
    for setting in table::all() {
        if section.replace(setting.section) != Some(setting.section) {
            let _ = write!(page, "\n## {}\n", setting.section.title());
        }
        entry(&mut page, setting);
    }
    page.push_str(MISSING);
    list(&mut page, missing::names());
    page
}

/// Appends a paragraph of names.
fn list(page: &mut String, names: impl Iterator<Item = &'static str>) {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    let mut line = String::new();
    for word in format!("{}.", names.join(", ")).split(' ') {
        if line.len() + 1 + word.len() > LINE {
            let _ = writeln!(page, "{line}");
            line.clear();
        }
        let space = if line.is_empty() { "" } else { " " };
        let _ = write!(line, "{space}{word}");
    }
    let _ = writeln!(page, "{line}");
}

// Writing to a string does not fail: hence the results that are dropped here and above.
fn entry(page: &mut String, setting: &Setting) {
    let _ = write!(page, "\n### `{}`\n\n{}\n\n", setting.name, setting.doc);
    if let Some(flags) = flags(setting) {
        let _ = writeln!(page, "- Flag: {flags}");
    }
    if let Some(variable) = setting.variable {
        let _ = writeln!(page, "- Environment: `{}`", variable.name);
    }
    let _ = writeln!(page, "- Default: {}", default(setting));
    let _ = writeln!(page, "- Allowed: {}", setting.field.allowed());
    let _ = writeln!(page, "- After a reload, a change takes effect {}", setting.reload);
}

fn default(setting: &Setting) -> String {
    match setting.default {
        None => "not set".to_owned(),
        Some("") => "empty".to_owned(),
        Some(text) => format!("`{text}`"),
    }
}

fn flags(setting: &Setting) -> Option<String> {
    let short = setting.flags.short.map(|short| format!("-{short}"));
    let longs = setting.flags.long.iter().map(|long| format!("--{long}"));
    let value = match setting.flags {
        Flags { value, alone: Some(_), .. } if !value.is_empty() => format!("[{value}]"),
        Flags { value, .. } => value.to_owned(),
    };
    let flags: Vec<_> =
        short.into_iter().chain(longs).map(|flag| format!("`{}`", format!("{flag} {value}").trim())).collect();
    (!flags.is_empty()).then(|| flags.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_an_entry_for_each_setting_and_a_heading_for_each_section() {
        let page = markdown();
        for setting in table::all() {
            assert!(page.contains(&format!("\n### `{}`\n", setting.name)), "{}", setting.name);
            assert_eq!(page.matches(&format!("\n## {}\n", setting.section.title())).count(), 1);
        }
    }
}

//! What the processes are called.

use super::super::field::Field;
use super::super::setting::{Flags, Reload, Section, Setting};

pub(super) const ROWS: &[Setting] = &[Setting {
    name: "proc_name",
    section: Section::ProcessNaming,
    flags: Flags::short('n', &["name"], "NAME"),
    field: Field::Text {
        allowed: "text",
        get: |settings| settings.proc_name.clone(),
        set: |settings, value, _| {
            settings.proc_name = value.filter(|name| !name.is_empty()).map(str::to_owned);
            Ok(())
        },
    },
    default: None,
    variable: None,
    reload: Reload::Live,
    doc: "The name of the processes, as `ps` and `top` show it.

It is the name of the application when not set.",
}];

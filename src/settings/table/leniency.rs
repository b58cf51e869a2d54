//! The environment of the processes: what is taken of clients though it is obsolete or unconventional.

use super::super::Settings;
use super::super::choice::{HEADER_MAPS, meaning, name};
use super::super::field::Field;
use super::super::setting::{Flags, Reload, Section, Setting};

pub(super) const ROWS: &[Setting] = &[
    permission(
        "permit_obsolete_folding",
        &["permit-obsolete-folding"],
        |settings| settings.permit_obsolete_folding,
        |settings, value| settings.permit_obsolete_folding = value,
        "Take header fields that go on in the next line.

Their lines are joined by a space. Without it such a request is refused (RFC 9112, section 5.2).",
    ),
    permission(
        "strip_header_spaces",
        &["strip-header-spaces"],
        |settings| settings.strip_header_spaces,
        |settings, value| settings.strip_header_spaces = value,
        "Take header fields with spaces between the name and the colon.

The spaces are left out. Without it such a request is refused (RFC 9112, section 5.1): servers that disagree on the name
can be played off against each other.",
    ),
    permission(
        "permit_unconventional_http_method",
        &["permit-unconventional-http-method"],
        |settings| settings.permit_unconventional_http_method,
        |settings, value| settings.permit_unconventional_http_method = value,
        "Take methods that look like none.

Without it a method has 3 to 20 characters, none of them a lower-case letter or `#`.",
    ),
    permission(
        "permit_unconventional_http_version",
        &["permit-unconventional-http-version"],
        |settings| settings.permit_unconventional_http_version,
        |settings, value| settings.permit_unconventional_http_version = value,
        "Take HTTP versions other than 1.0 and 1.1.

A version below 1.1 is treated as 1.0, any other as 1.1.",
    ),
    permission(
        "casefold_http_method",
        &["casefold-http-method"],
        |settings| settings.casefold_http_method,
        |settings, value| settings.casefold_http_method = value,
        "Turn methods into upper case.

Methods are case-sensitive (RFC 9110, section 9.1).",
    ),
    Setting {
        name: "header_map",
        section: Section::ServerMechanics,
        flags: Flags::long(&["header-map"], "WHAT"),
        field: Field::Choice {
            allowed: "drop, refuse or dangerous",
            get: |settings| name(HEADER_MAPS, &settings.header_map),
            set: |settings, word| {
                settings.header_map = meaning(HEADER_MAPS, word)?;
                Ok(())
            },
        },
        default: Some("drop"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "What becomes of header fields with an underscore in their name.

In the environ such a field cannot be told from the one with a hyphen, which a proxy in front may have checked. With
`drop` it is left out, with `refuse` the request is refused, with `dangerous` the application gets it. Those that
`forwarder_headers` names are taken from a trusted proxy in any case.",
    },
];

/// A row for something that is refused unless it is permitted.
const fn permission(
    name: &'static str,
    flag: &'static [&'static str],
    get: fn(&Settings) -> bool,
    set: fn(&mut Settings, bool),
    doc: &'static str,
) -> Setting {
    Setting {
        name,
        section: Section::ServerMechanics,
        flags: Flags::long(flag, ""),
        field: Field::Switch { get, set },
        default: Some("false"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc,
    }
}

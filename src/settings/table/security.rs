//! Limits on what a client may send.

use super::super::field::Field;
use super::super::narrow::{number, unless_zero};
use super::super::setting::{Flags, Reload, Section, Setting};

/// The longest request line that can be asked for, in bytes; more counts as this, as in gunicorn.
const MAX_REQUEST_LINE: u64 = 8190;

/// The most header fields that can be asked for; 0 and more count as this, as in gunicorn.
const MAX_FIELDS: u64 = 32_768;

/// The highest value of a limit that is taken without an error.
const MAX_LIMIT: u64 = i32::MAX as u64;

pub(super) const ROWS: &[Setting] = &[
    Setting {
        name: "limit_request_line",
        section: Section::Security,
        flags: Flags::long(&["limit-request-line"], "BYTES"),
        field: Field::Number {
            max: MAX_LIMIT,
            get: |settings| Some(settings.limit_request_line.map_or(0, |bytes| bytes as u64)),
            set: |settings, value| settings.limit_request_line = unless_zero(value.min(MAX_REQUEST_LINE)).map(number),
        },
        default: Some("4094"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The longest request line, in bytes.

The line holds the method, the target with its query, and the version. More than 8190 counts as 8190. With 0 only the
bound of the read buffer holds.",
    },
    Setting {
        name: "limit_request_fields",
        section: Section::Security,
        flags: Flags::long(&["limit-request-fields"], "INT"),
        field: Field::Number {
            max: MAX_LIMIT,
            get: |settings| Some(settings.limit_request_fields as u64),
            set: |settings, value| {
                settings.limit_request_fields = number(unless_zero(value).unwrap_or(MAX_FIELDS).min(MAX_FIELDS));
            },
        },
        default: Some("100"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The most header fields of a request.

0, and more than 32768, count as 32768.",
    },
    Setting {
        name: "limit_request_field_size",
        section: Section::Security,
        // gunicorn's flag has the underscore.
        flags: Flags::long(&["limit-request-field_size", "limit-request-field-size"], "BYTES"),
        field: Field::Number {
            max: MAX_LIMIT,
            get: |settings| Some(settings.limit_request_field_size.map_or(0, |bytes| bytes as u64)),
            set: |settings, value| settings.limit_request_field_size = unless_zero(value).map(number),
        },
        default: Some("8190"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The longest header field, in bytes.

It counts the field's name and its value. With 0 only the bound of the read buffer holds.",
    },
];

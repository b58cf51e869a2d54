//! Limits on what a client may send, and how long it may take.

use std::time::Duration;

use super::super::bounds::Bounds;
use super::super::field::Field;
use super::super::narrow::{number, unless_zero};
use super::super::setting::{Flags, Reload, Section, Setting};

/// The longest request line that can be asked for, in bytes; more counts as this, as in gunicorn.
const MAX_REQUEST_LINE: u64 = 8190;

/// The most header fields that can be asked for; 0 and more count as this, as in gunicorn.
const MAX_FIELDS: u64 = 32_768;

/// The highest value of a limit that is taken without an error.
const LIMIT: Bounds = Bounds::up_to(i32::MAX as u64);

/// How long a client may keep a connection waiting.
const PATIENCE: Bounds = Bounds::SECONDS.at_least(1, "with 0 a silent client could hold a connection for ever");

pub(super) const ROWS: &[Setting] = &[
    Setting {
        name: "limit_request_line",
        section: Section::Security,
        flags: Flags::long(&["limit-request-line"], "BYTES"),
        field: Field::Number {
            bounds: LIMIT,
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
            bounds: LIMIT,
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
            bounds: LIMIT,
            get: |settings| Some(settings.limit_request_field_size.map_or(0, |bytes| bytes as u64)),
            set: |settings, value| settings.limit_request_field_size = unless_zero(value).map(number),
        },
        default: Some("8190"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The longest header field, in bytes.

It counts the field's name and its value. With 0 only the bound of the read buffer holds.",
    },
    Setting {
        name: "limit_request_body",
        section: Section::Security,
        flags: Flags::long(&["limit-request-body"], "BYTES"),
        field: Field::Number {
            bounds: Bounds::COUNT,
            get: |settings| Some(settings.limit_request_body.unwrap_or(0)),
            set: |settings, value| settings.limit_request_body = unless_zero(value),
        },
        default: Some("1073741824"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The longest body of a request, in bytes.

A longer one is refused with 413, before it is read when its length is told in advance. With 0 there is no bound.",
    },
    Setting {
        name: "client_header_timeout",
        section: Section::Security,
        flags: Flags::long(&["client-header-timeout"], "SECONDS"),
        field: Field::Number {
            bounds: PATIENCE,
            get: |settings| Some(settings.client_header_timeout.as_secs()),
            set: |settings, value| settings.client_header_timeout = Duration::from_secs(value),
        },
        default: Some("30"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "Seconds that a client has for the head of a request.

They count from the head's first byte to its last. A new connection may be silent for as long.",
    },
    Setting {
        name: "client_body_timeout",
        section: Section::Security,
        flags: Flags::long(&["client-body-timeout"], "SECONDS"),
        field: Field::Number {
            bounds: PATIENCE,
            get: |settings| Some(settings.client_body_timeout.as_secs()),
            set: |settings, value| settings.client_body_timeout = Duration::from_secs(value),
        },
        default: Some("30"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "Seconds that a client may pause within the body of a request.

A longer pause is answered with 408.",
    },
    Setting {
        name: "client_min_rate",
        section: Section::Security,
        flags: Flags::long(&["client-min-rate"], "BYTES"),
        field: Field::Number {
            bounds: Bounds::COUNT,
            get: |settings| Some(settings.client_min_rate.unwrap_or(0)),
            set: |settings, value| settings.client_min_rate = unless_zero(value),
        },
        default: Some("240"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The average rate that a client must keep, in bytes per second.

It holds for the body of a request once `client_body_timeout` is over, and for what is left of a response when the
application is done with it, once `client_send_timeout` is. A slower sender is answered with 408, a slower reader's
connection is closed. With 0 any rate will do.",
    },
    Setting {
        name: "client_send_timeout",
        section: Section::Security,
        flags: Flags::long(&["client-send-timeout"], "SECONDS"),
        field: Field::Number {
            bounds: PATIENCE,
            get: |settings| Some(settings.client_send_timeout.as_secs()),
            set: |settings, value| settings.client_send_timeout = Duration::from_secs(value),
        },
        default: Some("30"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "Seconds that a client may pause while it takes the response.

After a longer pause the connection is closed.",
    },
];

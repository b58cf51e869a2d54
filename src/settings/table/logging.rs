//! Error log and access log.

use super::super::LogLevel;
use super::super::field::{Field, Refusal};
use super::super::setting::{Flags, Reload, Section, Setting};
use crate::settings::LogTarget;

pub(super) const ROWS: &[Setting] = &[
    Setting {
        name: "accesslog",
        section: Section::Logging,
        flags: Flags::long(&["access-logfile"], "FILE"),
        field: Field::Text {
            allowed: "a path, or - for standard output",
            get: |settings| settings.accesslog.as_ref().map(show),
            set: |settings, value, _| {
                settings.accesslog = value.filter(|path| !path.is_empty()).map(target);
                Ok(())
            },
        },
        default: None,
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The file of the access log; `-` is standard output.

There is no access log when it is not set. The signal USR1 reopens the file.",
    },
    Setting {
        name: "access_log_format",
        section: Section::Logging,
        flags: Flags::long(&["access-logformat"], "FORMAT"),
        field: Field::Text {
            allowed: "a format with atoms such as %(h)s",
            get: |settings| Some(settings.access_log_format.clone()),
            set: |settings, value, _| {
                settings.access_log_format = value.ok_or(Refusal::PLAIN)?.to_owned();
                Ok(())
            },
        },
        default: Some(r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The format of a line of the access log.

| atom | is replaced by |
| --- | --- |
| `%(h)s` | address of the client |
| `%(l)s` | `-` |
| `%(u)s` | user name of Basic authentication |
| `%(t)s` | date and time |
| `%(r)s` | request line |
| `%(m)s` | method |
| `%(U)s` | path without the query |
| `%(q)s` | query |
| `%(H)s` | protocol |
| `%(s)s` | status |
| `%(B)s` | length of the response body |
| `%(b)s` | the same, `-` when there is none |
| `%(f)s` | referer |
| `%(a)s` | user agent |
| `%(T)s` | duration in seconds |
| `%(M)s` | duration in milliseconds |
| `%(D)s` | duration in microseconds |
| `%(L)s` | duration in seconds, with decimals |
| `%(p)s` | process id |
| `%({name}i)s` | header field of the request, its name in lower case |
| `%({name}o)s` | header field of the response, its name in lower case |
| `%({name}e)s` | variable of the environ |

An atom that has no value is `-`.",
    },
    Setting {
        name: "errorlog",
        section: Section::Logging,
        flags: Flags::long(&["error-logfile", "log-file"], "FILE"),
        field: Field::Text {
            allowed: "a path, or - for standard error",
            get: |settings| Some(show(&settings.errorlog)),
            set: |settings, value, _| {
                settings.errorlog = value.filter(|path| !path.is_empty()).map_or(LogTarget::Standard, target);
                Ok(())
            },
        },
        default: Some("-"),
        variable: None,
        reload: Reload::Live,
        doc: "The file of the error log; `-` is standard error.

The signal USR1 reopens the file.",
    },
    Setting {
        name: "loglevel",
        section: Section::Logging,
        flags: Flags::long(&["log-level"], "LEVEL"),
        field: Field::Choice {
            allowed: "debug, info, warning, error or critical",
            get: |settings| settings.loglevel.name(),
            set: |settings, word| {
                settings.loglevel = LogLevel::from_name(word).ok_or(Refusal::PLAIN)?;
                Ok(())
            },
        },
        default: Some("info"),
        variable: None,
        reload: Reload::Live,
        doc: "The least severe level that the error log shows.

`debug`, `info`, `warning`, `error` or `critical`.",
    },
    Setting {
        name: "capture_output",
        section: Section::Logging,
        flags: Flags::long(&["capture-output"], ""),
        field: Field::Switch {
            get: |settings| settings.capture_output,
            set: |settings, value| settings.capture_output = value,
        },
        default: Some("false"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "Send what the application prints to the error log.

It covers standard output and standard error.",
    },
];

fn target(path: &str) -> LogTarget {
    match path {
        "-" => LogTarget::Standard,
        path => LogTarget::File(path.into()),
    }
}

fn show(target: &LogTarget) -> String {
    match target {
        LogTarget::Standard => "-".to_owned(),
        LogTarget::File(path) => path.display().to_string(),
    }
}

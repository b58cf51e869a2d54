//! The table of settings: each once, one file a section; but Worker Processes has two, and gunicorn's largest one,
//! Server Mechanics, has three.

mod asgi;
mod config_file;
mod leniency;
mod logging;
pub(super) mod missing;
mod process_naming;
mod proxies;
mod security;
mod server_mechanics;
mod server_socket;
mod worker_processes;

use super::nearest::{letters, nearest};
use super::setting::Setting;

/// The rows of the sections, in the order of the help and the documentation.
const SECTIONS: [&[Setting]; 10] = [
    config_file::ROWS,
    server_socket::ROWS,
    worker_processes::ROWS,
    asgi::ROWS,
    security::ROWS,
    server_mechanics::ROWS,
    leniency::ROWS,
    proxies::ROWS,
    logging::ROWS,
    process_naming::ROWS,
];

/// All settings, section after section.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.into_iter().flatten()
}

/// The setting of this name.
pub fn find(name: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.name == name)
}

/// The setting that a mistyped name, or the name of its flag (`preload`, `access_logfile`), was probably meant to be.
pub(super) fn nearest_setting(name: &str) -> Option<&'static Setting> {
    let wanted = letters(name);
    all()
        .find(|setting| setting.flags.long.iter().any(|flag| letters(flag) == wanted))
        .or_else(|| find(nearest(name, all().map(|setting| setting.name))?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashSet;

    use serde_json::json;

    use super::*;
    use crate::settings::tests::Host;
    use crate::settings::{Given, Settings};

    #[test]
    fn names_and_flags_are_unique() {
        let mut seen = HashSet::new();
        for setting in all() {
            assert!(seen.insert(setting.name.to_owned()), "{}", setting.name);
            for flag in setting.flags.long {
                assert!(seen.insert(format!("--{flag}")), "--{flag}");
            }
            if let Some(short) = setting.flags.short {
                assert!(seen.insert(format!("-{short}")), "-{short}");
            }
        }
    }

    #[test]
    fn each_field_of_the_settings_has_a_row_and_each_row_a_field() {
        let json = serde_json::to_value(Settings::default()).unwrap();
        let fields: HashSet<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(all().map(|setting| setting.name).collect::<HashSet<_>>(), fields);
    }

    #[test]
    fn defaults_are_allowed() {
        for setting in all() {
            if let Some(default) = setting.default {
                let assigned = setting.field.assign(&mut Settings::default(), &Given::lenient(default), &Host::new());
                assert_eq!(assigned, Ok(()), "{}", setting.name);
            }
        }
    }

    #[test]
    fn each_row_reads_what_it_stores() {
        for (name, value) in [
            ("backlog", "7"),
            ("workers", "7"),
            ("timeout", "0"),
            ("timeout", "7"),
            ("graceful_timeout", "7"),
            ("keepalive", "0"),
            ("max_requests", "0"),
            ("max_requests", "7"),
            ("max_requests_jitter", "7"),
            ("limit_request_line", "0"),
            ("limit_request_line", "7"),
            ("limit_request_fields", "7"),
            ("limit_request_field_size", "0"),
            ("limit_request_field_size", "7"),
            ("umask", "18"),
            ("user", "7"),
            ("group", "7"),
            ("pidfile", "/run/x.pid"),
            ("proc_name", "x"),
            ("python", "/usr/bin/python3"),
            ("errorlog", "/log"),
            ("accesslog", "-"),
            ("access_log_format", "%(h)s"),
            ("loglevel", "critical"),
            ("chdir", "/srv"),
            ("wsgi_app", "a:b"),
            ("worker_class", "sync"),
            ("worker_class", "uvicorn.workers.UvicornWorker"),
            ("asgi_loop", "uvloop"),
            ("asgi_lifespan", "off"),
            ("asgi_disconnect_grace_period", "0"),
            ("websocket_max_message_size", "1"),
            ("ws_ping_interval", "0"),
            ("ws_ping_interval", "7"),
            ("ws_ping_timeout", "0"),
            ("ws_ping_timeout", "7"),
            ("worker_connections", "7"),
            ("limit_request_body", "0"),
            ("limit_request_body", "7"),
            ("client_header_timeout", "7"),
            ("client_body_timeout", "7"),
            ("client_min_rate", "0"),
            ("client_min_rate", "7"),
            ("client_send_timeout", "7"),
            ("keepalive_requests", "0"),
            ("keepalive_requests", "7"),
            ("buffer_memory", "1048576"),
            ("buffer_disk", "0"),
            ("tmp_upload_dir", "/srv"),
            ("header_map", "dangerous"),
            ("forwarded_client", "forwarded"),
            ("proxy_protocol", "v2"),
            ("root_path", "/x"),
        ] {
            let (setting, mut settings) = (find(name).unwrap(), Settings::default());
            setting.field.assign(&mut settings, &Given::lenient(value), &Host::new()).unwrap();
            assert_eq!(setting.field.show(&settings), value, "{name}");
        }
    }

    #[test]
    fn each_row_of_a_list_reads_what_it_stores() {
        for (name, value, shown) in [
            ("forwarded_allow_ips", json!("*"), "['*']"),
            ("forwarded_allow_ips", json!("::1,10.0.0.0/8"), "['::1', '10.0.0.0/8']"),
            ("proxy_allow_ips", json!(["10.0.0.0/8", "::1"]), "['10.0.0.0/8', '::1']"),
            ("forwarder_headers", json!("A,b"), "['A', 'B']"),
            ("secure_scheme_headers", json!({ "b": "C", "A": "1" }), "{'A': '1', 'B': 'C'}"),
        ] {
            let (setting, mut settings) = (find(name).unwrap(), Settings::default());
            setting.field.assign(&mut settings, &Given::lenient(value), &Host::new()).unwrap();
            assert_eq!(setting.field.show(&settings), shown, "{name}");
        }
    }

    #[test]
    fn each_switch_turns_what_it_is_called() {
        let json = |settings: &Settings| serde_json::to_value(settings).unwrap();
        for setting in all().filter(|setting| setting.field.is_switch()) {
            let mut settings = Settings::default();
            let other = setting.default == Some("false");
            setting.field.assign(&mut settings, &Given::lenient(other), &Host::new()).unwrap();
            let mut expected = json(&Settings::default());
            expected[setting.name] = json!(other);
            assert_eq!(json(&settings), expected, "{}", setting.name);
            assert_eq!(setting.flags.alone, Some(if other { "true" } else { "false" }), "{}", setting.name);
        }
    }

    #[test]
    fn documentation_has_a_summary_that_fits_a_line_and_ends_with_a_period() {
        for setting in all() {
            let summary = setting.doc.lines().next().unwrap();
            assert!(summary.ends_with('.') && summary.len() <= 80, "{}: {summary}", setting.name);
            assert!(setting.doc.ends_with('.'), "{}", setting.name);
        }
    }

    #[test]
    fn a_flag_has_a_value_name_unless_it_is_a_switch() {
        for setting in all().filter(|setting| !setting.flags.long.is_empty()) {
            assert_eq!(setting.flags.value.is_empty(), setting.field.is_switch(), "{}", setting.name);
        }
    }

    #[test]
    fn no_name_of_a_setting_is_taken_for_the_abbreviation_of_another_ones_flag() {
        for setting in all() {
            let name = setting.name.replace('_', "-");
            let taken = all().flat_map(|other| other.flags.long).find(|long| long.starts_with(&name));
            assert!(taken.is_none() || setting.flags.long.contains(&name.as_str()), "--{name}: {taken:?}");
        }
    }

    #[test]
    fn the_name_of_a_flag_leads_to_its_setting() {
        for (typed, meant) in [("preload", "preload_app"), ("access_logfile", "accesslog"), ("log_level", "loglevel")] {
            assert_eq!(nearest_setting(typed).unwrap().name, meant);
        }
    }
}

//! gunicorn's settings that are not supported yet: refused on the command line, ignored with a warning in a config
//! file.

/// A setting of gunicorn that has no row yet.
#[derive(Debug)]
pub(in crate::settings) struct Missing {
    /// Name in a config file.
    pub(in crate::settings) name: &'static str,
    /// Flags, with their dashes.
    pub(in crate::settings) flags: &'static [&'static str],
}

/// The setting of this name.
pub(in crate::settings) fn find(name: &str) -> Option<&'static Missing> {
    MISSING.iter().find(|missing| missing.name == name)
}

/// The setting of this flag, which may be followed by `=VALUE`.
pub(in crate::settings) fn find_flag(flag: &str) -> Option<&'static Missing> {
    let flag = flag.split_once('=').map_or(flag, |(flag, _)| flag);
    MISSING.iter().find(|missing| missing.flags.contains(&flag))
}

/// The names of all of them.
pub(in crate::settings) fn names() -> impl Iterator<Item = &'static str> {
    MISSING.iter().map(|missing| missing.name)
}

/// Whether a class that was written for gunicorn acts on it itself, in its worker: then it is supported there. Among
/// them are the hooks that such a class calls, or we in its place.
pub(in crate::settings) fn is_read_by_classes(name: &str) -> bool {
    READ_BY_CLASSES.contains(&name)
}

const fn missing(name: &'static str, flags: &'static [&'static str]) -> Missing {
    Missing { name, flags }
}

const READ_BY_CLASSES: [&str; 40] = [
    "reload",
    "reload_engine",
    "reload_extra_files",
    "worker_tmp_dir",
    "initgroups",
    "disable_redirect_access_to_syslog",
    "logger_class",
    "logconfig",
    "logconfig_dict",
    "logconfig_json",
    "syslog_addr",
    "syslog",
    "syslog_prefix",
    "syslog_facility",
    "statsd_host",
    "dogstatsd_tags",
    "statsd_prefix",
    "post_fork",
    "post_worker_init",
    "worker_int",
    "worker_abort",
    "pre_request",
    "post_request",
    "worker_exit",
    "ssl_context",
    "protocol",
    "uwsgi_allow_ips",
    "keyfile",
    "certfile",
    "ssl_version",
    "cert_reqs",
    "ca_certs",
    "suppress_ragged_eofs",
    "do_handshake_on_connect",
    "ciphers",
    "http_protocols",
    "http2_cleartext",
    "http2_max_concurrent_streams",
    "http2_initial_window_size",
    "http_parser",
];

/// As of gunicorn 27.
const MISSING: &[Missing] = &[
    missing("reload", &["--reload"]),
    missing("reload_engine", &["--reload-engine"]),
    missing("reload_extra_files", &["--reload-extra-file"]),
    missing("spew", &["--spew"]),
    missing("daemon", &["-D", "--daemon"]),
    missing("worker_tmp_dir", &["--worker-tmp-dir"]),
    missing("initgroups", &["--initgroups"]),
    missing("disable_redirect_access_to_syslog", &["--disable-redirect-access-to-syslog"]),
    missing("logger_class", &["--logger-class"]),
    missing("logconfig", &["--log-config"]),
    missing("logconfig_dict", &[]),
    missing("logconfig_json", &["--log-config-json"]),
    missing("syslog_addr", &["--log-syslog-to"]),
    missing("syslog", &["--log-syslog"]),
    missing("syslog_prefix", &["--log-syslog-prefix"]),
    missing("syslog_facility", &["--log-syslog-facility"]),
    missing("enable_stdio_inheritance", &["-R", "--enable-stdio-inheritance"]),
    missing("statsd_host", &["--statsd-host"]),
    missing("dogstatsd_tags", &["--dogstatsd-tags"]),
    missing("statsd_prefix", &["--statsd-prefix"]),
    missing("enable_backlog_metric", &["--enable-backlog-metric"]),
    missing("paste", &["--paste", "--paster"]),
    missing("on_starting", &[]),
    missing("on_reload", &[]),
    missing("when_ready", &[]),
    missing("pre_fork", &[]),
    missing("post_fork", &[]),
    missing("post_worker_init", &[]),
    missing("worker_int", &[]),
    missing("worker_abort", &[]),
    missing("pre_exec", &[]),
    missing("pre_request", &[]),
    missing("post_request", &[]),
    missing("child_exit", &[]),
    missing("worker_exit", &[]),
    missing("nworkers_changed", &[]),
    missing("on_exit", &[]),
    missing("ssl_context", &[]),
    missing("protocol", &["--protocol"]),
    missing("uwsgi_allow_ips", &["--uwsgi-allow-from"]),
    missing("keyfile", &["--keyfile"]),
    missing("certfile", &["--certfile"]),
    missing("ssl_version", &["--ssl-version"]),
    missing("cert_reqs", &["--cert-reqs"]),
    missing("ca_certs", &["--ca-certs"]),
    missing("suppress_ragged_eofs", &["--suppress-ragged-eofs"]),
    missing("do_handshake_on_connect", &["--do-handshake-on-connect"]),
    missing("ciphers", &["--ciphers"]),
    missing("http_protocols", &["--http-protocols"]),
    missing("http2_cleartext", &["--http2-cleartext"]),
    missing("http2_max_concurrent_streams", &["--http2-max-concurrent-streams"]),
    missing("http2_initial_window_size", &["--http2-initial-window-size"]),
    missing("http2_max_frame_size", &["--http2-max-frame-size"]),
    missing("http2_max_header_list_size", &["--http2-max-header-list-size"]),
    missing("raw_paste_global_conf", &["--paste-global"]),
    missing("http_parser", &["--http-parser"]),
    missing("dirty_apps", &["--dirty-app"]),
    missing("dirty_workers", &["--dirty-workers"]),
    missing("dirty_timeout", &["--dirty-timeout"]),
    missing("dirty_threads", &["--dirty-threads"]),
    missing("dirty_graceful_timeout", &["--dirty-graceful-timeout"]),
    missing("on_dirty_starting", &[]),
    missing("dirty_post_fork", &[]),
    missing("dirty_worker_init", &[]),
    missing("dirty_worker_exit", &[]),
    missing("control_socket", &["--control-socket"]),
    missing("control_socket_mode", &["--control-socket-mode"]),
    missing("control_socket_disable", &["--no-control-socket"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::table;

    #[test]
    fn no_setting_is_both_there_and_missing() {
        assert_eq!(names().filter(|name| table::find(name).is_some()).collect::<Vec<_>>(), [""; 0]);
    }

    #[test]
    fn what_classes_read_is_missing_elsewhere() {
        assert_eq!(READ_BY_CLASSES.into_iter().filter(|name| find(name).is_none()).collect::<Vec<_>>(), [""; 0]);
    }

    #[test]
    fn no_missing_flag_is_taken_for_the_abbreviation_of_one_that_is_there() {
        let there = || table::all().flat_map(|setting| setting.flags.long);
        for flag in MISSING.iter().flat_map(|missing| missing.flags).filter_map(|flag| flag.strip_prefix("--")) {
            assert_eq!(there().find(|long| long.starts_with(flag)), None, "--{flag}");
        }
    }

    #[test]
    fn a_flag_is_found_with_its_value() {
        assert_eq!(find_flag("--dirty-threads=4").map(|missing| missing.name), Some("dirty_threads"));
        assert_eq!(find_flag("-D").map(|missing| missing.name), Some("daemon"));
        assert!(find_flag("--dirty-thread").is_none());
    }
}

//! What the user reads: errors, warnings, `--print-config`.

use std::path::Path;

use serde_json::json;

use super::*;

#[test]
fn a_bad_value_is_refused_with_all_that_helps() {
    assert_eq!(
        refused(&["-w", "many"]),
        ["invalid workers: 'many' (command line) must be a whole number from 0 to 2048"]
    );
    assert_eq!(refused(&["-w", "-1"]), ["invalid workers: '-1' (command line) must be a whole number from 0 to 2048"]);
    assert_eq!(
        refused(&["-k", "snyc"]),
        ["invalid worker_class: 'snyc' (command line) must be a class with its module, or a worker kind that is \
             served: sync, gthread, asgi, gevent, eventlet, tornado"]
    );
    assert_eq!(
        refused(&["--chdir=nowhere"]),
        ["invalid chdir: 'nowhere' (command line) must be a directory that exists; /srv/app/nowhere is none"]
    );
    let python = json!({ "user": "nobody-here", "preload_app": 1, "worker_class": { "repr": "<function f>" } });
    assert_eq!(
        Reading { python: Some(python), ..Reading::default() }.errors(),
        [
            "invalid preload_app: 1 (/srv/app/gunicorn.conf.py) must be true or false",
            "invalid user: 'nobody-here' (/srv/app/gunicorn.conf.py) must be the number or the name of a user of this \
             machine",
            "invalid worker_class: <function f> (/srv/app/gunicorn.conf.py) must be a class with its module, or a \
             worker kind that is served: sync, gthread, asgi, gevent, eventlet, tornado",
        ]
    );
}

#[test]
fn a_number_below_its_bound_is_refused_with_what_it_would_do() {
    for (given, message) in [
        (
            "--client-header-timeout=0",
            "invalid client_header_timeout: '0' (command line) must be a whole number from 1 to 2147483647; with 0 a \
             silent client could hold a connection for ever",
        ),
        (
            "--worker-connections=0",
            "invalid worker_connections: '0' (command line) must be a whole number from 1 to 2147483647; with 0 nobody \
             would be served",
        ),
        (
            "--websocket-max-message-size=0",
            "invalid websocket_max_message_size: '0' (command line) must be a whole number from 1 to \
             9223372036854775807; with no bound one client could fill the \
             memory",
        ),
        (
            "--buffer-memory=1024",
            "invalid buffer_memory: '1024' (command line) must be a whole number from 1048576 to 9223372036854775807; \
             less than 1 MiB would not hold what is read and written at once",
        ),
    ] {
        assert_eq!(refused(&[given]), [message]);
    }
    assert_eq!(refused(&["--client-body-timeout=0", "--client-send-timeout=0"]).len(), 2);
}

#[test]
fn what_concerns_proxies_is_refused_with_all_that_helps() {
    assert_eq!(
        refused(&["--forwarded-allow-ips=10.0.0.1/8"]),
        ["invalid forwarded_allow_ips: '10.0.0.1/8' (command line) must be IP addresses and networks \
             (ADDRESS/PREFIX) separated by commas, or *; 10.0.0.1/8 has bits set behind its prefix: is 10.0.0.0/8 meant?"]
    );
    assert_eq!(
        refused(&["--proxy-protocol", "a:b"]),
        ["invalid proxy_protocol: 'a:b' (command line) must be off, v1, v2 or auto"]
    );
    assert_eq!(
        refused(&["--header-map=keep"]),
        ["invalid header_map: 'keep' (command line) must be drop, refuse or dangerous"]
    );
    let python = json!({ "secure_scheme_headers": { "X-A": "1", "x-a": "2" } });
    assert_eq!(
        Reading { python: Some(python), ..Reading::default() }.errors(),
        ["invalid secure_scheme_headers: {'X-A': '1', 'x-a': '2'} (/srv/app/gunicorn.conf.py) must be texts by \
             names of header fields; X-A has two values"]
    );
    assert_eq!(
        Reading { toml: Some("secure_scheme_headers = 'X-A'"), ..Reading::default() }.errors(),
        ["invalid secure_scheme_headers: 'X-A' (/srv/app/gunicorn.toml line 1) must be texts by names of header \
             fields"]
    );
}

#[test]
fn a_bad_argument_is_refused_with_all_that_helps() {
    for (given, message) in [
        (["--wrokers", "4"], "unknown option --wrokers (command line); did you mean --workers?"),
        (["--worker", "4"], "unknown option --worker (command line); did you mean --workers?"),
        (["--preload-app", "a"], "unknown option --preload-app (command line); did you mean --preload?"),
        (["--frobnicate", "4"], "unknown option --frobnicate (command line)"),
        (["-Z", "4"], "unknown option -Z (command line)"),
        (
            ["--statsd-prefix", "4"],
            "--statsd-prefix (command line): gunicorn's setting statsd_prefix is not supported yet",
        ),
        (["-D", "a"], "-D (command line): gunicorn's setting daemon is not supported yet"),
        (["a", "-w"], "--workers <INT> needs a value (command line)"),
        (["--preload=yes", "a"], "--preload takes no value (command line)"),
        (
            ["--completions", "csh"],
            "invalid completions: 'csh' (command line) must be bash, elvish, fish, powershell or zsh",
        ),
    ] {
        assert_eq!(refused(&given), [message]);
    }
    let reading = |environment| Reading { environment, ..Reading::default() };
    assert_eq!(
        reading(&["GUNICORN_CMD_ARGS=--spew"]).errors(),
        ["--spew (GUNICORN_CMD_ARGS): gunicorn's setting spew is not supported yet"]
    );
    assert_eq!(
        reading(&["GUNICORN_CMD_ARGS='"]).errors(),
        ["GUNICORN_CMD_ARGS cannot be split into arguments: a quotation mark is not closed"]
    );
}

#[test]
fn every_error_ends_the_program_with_1() {
    let errors = Reading { arguments: &["--wrokers"], ..Reading::default() }.read().unwrap_err();
    assert_eq!(errors.iter().map(SettingError::exit_code).collect::<Vec<_>>(), [1]);
}

#[test]
fn arguments_without_a_meaning_are_named() {
    let reading = Reading { arguments: &["a:b", "c"], environment: &["GUNICORN_CMD_ARGS=d"], ..Reading::default() };
    assert_eq!(reading.settings().wsgi_app.as_deref(), Some("a:b"));
    assert_eq!(
        reading.warnings(),
        ["the argument \"c\" (command line) is ignored", "the argument \"d\" (GUNICORN_CMD_ARGS) is ignored"]
    );
}

#[test]
fn a_python_config_is_warned_of_what_it_probably_did_not_mean() {
    let python = json!({
        "worker": 4, "time_out": 5, "preload": true, "statsd_prefix": 2, "spew": false, "statsd_host": null, "config": "x",
        "python": "python3", "check_config": true, "on_starting": { "repr": "<function on_starting>" },
        "timeouts": { "repr": "<module 'timeouts'>" }, "__file__": "x", "_workers": 3, "name": "x", "cores": 4,
        "default_proc_name": "x", "bind_host": "x",
    });
    assert_eq!(
        Reading { python: Some(python), ..Reading::default() }.warnings(),
        [
            "/srv/app/gunicorn.conf.py: check_config has no effect in this file and is ignored; use --check-config",
            "/srv/app/gunicorn.conf.py: config has no effect in this file and is ignored; use -c",
            "/srv/app/gunicorn.conf.py: gunicorn's setting on_starting is not supported yet and is ignored",
            "/srv/app/gunicorn.conf.py: preload is not a setting and is ignored; did you mean preload_app?",
            "/srv/app/gunicorn.conf.py: python has no effect in this file and is ignored; use --python",
            "/srv/app/gunicorn.conf.py: gunicorn's setting statsd_prefix is not supported yet and is ignored",
            "/srv/app/gunicorn.conf.py: time_out is not a setting and is ignored; did you mean timeout?",
            "/srv/app/gunicorn.conf.py: worker is not a setting and is ignored; did you mean workers?",
        ]
    );
}

#[test]
fn what_a_foreign_class_acts_on_is_not_ignored() {
    let python = json!({ "statsd_prefix": "a", "pre_request": { "repr": "<function f>" }, "when_ready": "a.b" });
    let warned = |class: &'static str| {
        let arguments = ["-k", class];
        Reading { python: Some(python.clone()), arguments: &arguments, ..Reading::default() }.warnings().len()
    };
    assert_eq!([warned("sync"), warned("uvicorn.workers.UvicornWorker"), warned("a.B")], [3, 3, 1]);
}

#[test]
fn a_variable_that_a_setting_is_made_from_is_no_near_miss() {
    let python = json!({ "worker": 4, "workers": 4 });
    assert_eq!(Reading { python: Some(python), ..Reading::default() }.warnings(), [""; 0]);
}

#[test]
fn toml_is_refused_by_line() {
    let errors = |text| Reading { toml: Some(text), ..Reading::default() }.errors();
    assert_eq!(
        errors("# comment\nworker = 4\n\nfrob = 1\n"),
        [
            "unknown setting frob (/srv/app/gunicorn.toml line 4)",
            "unknown setting worker (/srv/app/gunicorn.toml line 2); did you mean workers?",
        ]
    );
    assert_eq!(
        errors("\nworkers = '4'"),
        ["invalid workers: '4' (/srv/app/gunicorn.toml line 2) must be a whole number from 0 to 2048"]
    );
    assert_eq!(errors("[workers]\nx = 1").len(), 1);
    assert!(errors("workers = 1\nbind =\n")[0].starts_with("/srv/app/gunicorn.toml line 2: "));
    assert!(errors("workers = 1\nworkers = 2\n")[0].starts_with("/srv/app/gunicorn.toml line 2: "));
}

#[test]
fn toml_is_warned_of_what_is_not_there_yet() {
    let reading =
        Reading { toml: Some("statsd_prefix = 2\nconfig = 'x'\npython = '/usr/bin/python3'"), ..Reading::default() };
    assert_eq!(
        reading.warnings(),
        [
            "/srv/app/gunicorn.toml: config has no effect in this file and is ignored; use -c",
            "/srv/app/gunicorn.toml: gunicorn's setting statsd_prefix is not supported yet and is ignored",
        ]
    );
    assert_eq!(reading.settings().python.as_deref(), Some(Path::new("/usr/bin/python3")));
}

#[test]
fn the_configuration_is_printed_with_its_origins() {
    let reading = Reading {
        environment: &["WEB_CONCURRENCY=2"],
        python: Some(json!({ "preload_app": true })),
        arguments: &["-b", ":80", "-b", "unix:/x", "a:b"],
        ..Reading::default()
    };
    let printed = reading.read().unwrap().print_config();
    let line = |name: &str| printed.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
    assert_eq!(line("workers"), "workers                            = 2  (environment WEB_CONCURRENCY)");
    assert_eq!(line("bind"), "bind                               = ['0.0.0.0:80', 'unix:/x']  (command line)");
    assert_eq!(line("preload_app"), "preload_app                        = True  (/srv/app/gunicorn.conf.py)");
    assert_eq!(line("worker_class"), "worker_class                       = sync  (default)");
    assert_eq!(line("pidfile"), "pidfile                            = None  (default)");
    assert_eq!(line("wsgi_app"), "wsgi_app                           = a:b  (command line)");
    assert_eq!(line("config"), "config                             = /srv/app/gunicorn.conf.py  (default)");
    assert_eq!(line("forwarded_allow_ips"), "forwarded_allow_ips                = ['127.0.0.1', '::1']  (default)");
    assert_eq!(
        line("secure_scheme_headers"),
        "secure_scheme_headers              = {'X-FORWARDED-PROTO': 'https', 'X-FORWARDED-PROTOCOL': 'ssl', \
         'X-FORWARDED-SSL': 'on'}  (default)"
    );
    assert_eq!(printed.lines().count(), all().count());
}

//! Values: which layer wins, and what a value comes to mean.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::*;

#[test]
fn nothing_given_gives_gunicorns_defaults() {
    let expected = Settings {
        wsgi_app: None,
        config: None,
        bind: vec![Bind::Tcp { host: "127.0.0.1".into(), port: 8000 }],
        backlog: 2048,
        workers: 1,
        worker_class: "sync".into(),
        timeout: Some(Duration::from_secs(30)),
        graceful_timeout: Duration::from_secs(30),
        keepalive: None,
        max_requests: None,
        max_requests_jitter: 0,
        preload_app: false,
        chdir: "/srv/app".into(),
        pythonpath: vec![],
        raw_env: vec![],
        pidfile: None,
        proc_name: None,
        user: None,
        group: None,
        umask: 0,
        errorlog: LogTarget::Standard,
        accesslog: None,
        access_log_format: r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#.into(),
        loglevel: LogLevel::Info,
        capture_output: false,
        limit_request_line: Some(4094),
        limit_request_fields: 100,
        limit_request_field_size: Some(8190),
        reuse_port: false,
        python: None,
    };
    assert_eq!(arguments(&[]), expected);
}

#[test]
fn the_stronger_layer_wins() {
    let mut reading = Reading { environment: &["WEB_CONCURRENCY=2"], ..Reading::default() };
    let seen = |reading: &Reading<'_>| {
        let resolved = reading.read().unwrap();
        (resolved.settings.workers, resolved.origin("workers").to_string())
    };
    assert_eq!(seen(&Reading::default()), (1, "default".into()));
    assert_eq!(seen(&reading), (2, "environment WEB_CONCURRENCY".into()));
    reading.python = Some(json!({ "workers": 3 }));
    assert_eq!(seen(&reading), (3, "/srv/app/gunicorn.conf.py".into()));
    reading.environment = &["WEB_CONCURRENCY=2", "GUNICORN_CMD_ARGS=--workers=4"];
    assert_eq!(seen(&reading), (4, "GUNICORN_CMD_ARGS".into()));
    reading.arguments = &["-w5"];
    assert_eq!(seen(&reading), (5, "command line".into()));
}

#[test]
fn a_list_replaces_that_of_a_weaker_layer() {
    let settings = Reading {
        environment: &["PORT=5000"],
        python: Some(json!({ "bind": ["a:1", "b:2"], "raw_env": ["A=1"] })),
        arguments: &["-b", "c:3", "--bind=unix:run/d", "-e", "B=2=3", "-e", "C="],
        ..Reading::default()
    }
    .settings();
    assert_eq!(settings.bind, [Bind::Tcp { host: "c".into(), port: 3 }, Bind::Unix("/srv/app/run/d".into())]);
    assert_eq!(settings.raw_env, [("B".into(), "2=3".into()), ("C".into(), String::new())]);
}

#[test]
fn the_environment_gives_workers_and_port() {
    let settings = |environment| Reading { environment, ..Reading::default() }.settings();
    assert_eq!(settings(&["PORT=5000"]).bind, [Bind::Tcp { host: "0.0.0.0".into(), port: 5000 }]);
    assert_eq!(settings(&["PORT=", "WEB_CONCURRENCY="]), arguments(&[]));
    assert_eq!(settings(&["GUNICORN_CMD_ARGS=--access-logformat '%(h)s %(s)s'"]).access_log_format, "%(h)s %(s)s");
}

#[test]
fn an_environment_that_is_overridden_is_not_checked() {
    let reading = |arguments| Reading { environment: &["PORT=http"], arguments, ..Reading::default() };
    assert_eq!(
        reading(&[]).errors(),
        [
            "invalid bind: '0.0.0.0:http' (environment PORT) must be HOST, HOST:PORT, [IPV6]:PORT, unix:PATH or fd://FD; \
          \"http\" is not a port"
        ]
    );
    assert_eq!(reading(&["-b:80"]).settings().bind, [Bind::Tcp { host: "0.0.0.0".into(), port: 80 }]);
}

#[test]
fn zero_means_no_limit() {
    let settings = config(json!({
        "timeout": 0, "max_requests": 0, "keepalive": 0, "limit_request_line": 0, "limit_request_fields": 0,
        "limit_request_field_size": 0,
    }));
    assert_eq!((settings.timeout, settings.max_requests, settings.keepalive), (None, None, Some(Duration::ZERO)));
    assert_eq!(settings.limit_request_line, None);
    assert_eq!(settings.limit_request_fields, 32_768);
    assert_eq!(settings.limit_request_field_size, None);
}

#[test]
fn limits_beyond_gunicorns_count_as_gunicorns() {
    let settings = config(json!({ "limit_request_line": 9000, "limit_request_fields": 40_000 }));
    assert_eq!((settings.limit_request_line, settings.limit_request_fields), (Some(8190), 32_768));
}

#[test]
fn a_python_config_may_write_values_as_gunicorn_allows() {
    let settings = config(json!({
        "workers": "4", "preload_app": "True", "bind": "127.0.0.1:1, [::1]:2", "raw_env": "A=1", "keepalive": 5,
        "pythonpath": "lib,/opt/lib", "user": "www-data", "group": 1000, "umask": "022", "loglevel": "DEBUG",
        "accesslog": "", "errorlog": null, "pidfile": null, "reuse_port": null, "capture_output": true,
    }));
    assert_eq!(settings.workers, 4);
    assert!(settings.preload_app && settings.capture_output && !settings.reuse_port);
    assert_eq!(settings.bind.len(), 2);
    assert_eq!(settings.raw_env, [("A".into(), "1".into())]);
    assert_eq!(settings.keepalive, Some(Duration::from_secs(5)));
    assert_eq!(settings.pythonpath, [Path::new("/srv/app/lib"), Path::new("/opt/lib")]);
    assert_eq!((settings.user, settings.group, settings.umask), (Some(33), Some(1000), 0o22));
    assert_eq!(settings.loglevel, LogLevel::Debug);
    assert_eq!((settings.accesslog, settings.errorlog, settings.pidfile), (None, LogTarget::Standard, None));
    assert_eq!(config(json!({ "bind": null, "raw_env": [] })).bind, []);
}

#[test]
fn relative_paths_are_relative_to_chdir_and_that_to_the_working_directory() {
    let settings = arguments(&[
        "--chdir=site/../site",
        "-p",
        "run/pid",
        "--log-file=error.log",
        "--access-logfile=../access.log",
        "--python=venv/bin/python",
    ]);
    assert_eq!(settings.chdir, Path::new("/srv/app/site"));
    assert_eq!(settings.pidfile.as_deref(), Some(Path::new("/srv/app/site/run/pid")));
    assert_eq!(settings.errorlog, LogTarget::File("/srv/app/site/error.log".into()));
    assert_eq!(settings.accesslog, Some(LogTarget::File("/srv/app/access.log".into())));
    assert_eq!(settings.python.as_deref(), Some(Path::new("/srv/app/venv/bin/python")));
    assert_eq!(arguments(&["--python=python3.12"]).python.as_deref(), Some(Path::new("python3.12")));
}

#[test]
fn the_application_of_the_command_line_wins() {
    let reading = |arguments| Reading { python: Some(json!({ "wsgi_app": "a:b" })), arguments, ..Reading::default() };
    assert_eq!(reading(&[]).read().unwrap().application(), Ok("a:b"));
    assert_eq!(reading(&["c:d"]).read().unwrap().application(), Ok("c:d"));
    assert_eq!(Reading::default().read().unwrap().application(), Err(SettingError::NoApplication));
}

#[test]
fn toml_is_read_with_its_types() {
    let text = "workers = 3\npreload_app = true\nbind = ['[::1]:80', 'fd://3']\numask = 0o22\nuser = 'www-data'\n";
    let resolved = Reading { toml: Some(text), ..Reading::default() }.read().unwrap();
    let settings = &resolved.settings;
    assert_eq!((settings.workers, settings.preload_app, settings.umask), (3, true, 0o22));
    assert_eq!(settings.bind, [Bind::Tcp { host: "::1".into(), port: 80 }, Bind::Fd(3)]);
    assert_eq!(settings.config.as_deref(), Some(Path::new("/srv/app/gunicorn.toml")));
    assert_eq!(resolved.origin("umask").to_string(), "/srv/app/gunicorn.toml line 4");
}

#[test]
fn settings_survive_the_way_to_the_zygote() {
    let settings = arguments(&["-b", "unix:/x", "-t0", "--access-logfile=-", "a:b"]);
    let json = serde_json::to_string(&settings).unwrap();
    assert_eq!(serde_json::from_str::<Settings>(&json).unwrap(), settings);
}

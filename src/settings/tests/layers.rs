//! Values: which layer wins, and what a value comes to mean.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::http::{ForwardedClient, HeaderMap, Network, Networks, ProxyProtocol};

fn networks(texts: &[&str]) -> Networks {
    Networks::Of(texts.iter().map(|text| Network::parse(text).unwrap()).collect())
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// What concerns the asgi kind; the rest does not matter.
fn asgi_defaults() -> Settings {
    Settings {
        asgi_loop: AsgiLoop::Auto,
        asgi_lifespan: AsgiLifespan::Auto,
        asgi_disconnect_grace_period: Duration::from_secs(3),
        websocket_max_message_size: 16 << 20,
        ws_ping_interval: Some(Duration::from_secs(20)),
        ws_ping_timeout: Some(Duration::from_secs(20)),
        ws_compression: true,
        ..Settings::default()
    }
}

#[test]
fn nothing_given_gives_gunicorns_defaults() {
    let expected = Settings {
        wsgi_app: None,
        config: None,
        bind: vec![Bind::Tcp { host: "127.0.0.1".into(), port: 8000 }],
        backlog: 2048,
        workers: 1,
        worker_class: None,
        threads: 1,
        stream_request_body: false,
        request_timeout: None,
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
        limit_request_body: Some(1 << 30),
        client_header_timeout: Duration::from_secs(30),
        client_body_timeout: Duration::from_secs(30),
        client_min_rate: Some(240),
        client_send_timeout: Duration::from_secs(30),
        keepalive_requests: Some(10_000),
        worker_connections: 1000,
        buffer_memory: 64 << 20,
        buffer_disk: 1 << 30,
        tmp_upload_dir: None,
        sendfile: true,
        permit_obsolete_folding: false,
        strip_header_spaces: false,
        permit_unconventional_http_method: false,
        permit_unconventional_http_version: false,
        casefold_http_method: false,
        header_map: HeaderMap::Drop,
        forwarded_allow_ips: networks(&["127.0.0.1", "::1"]),
        secure_scheme_headers: texts(&[
            ("X-FORWARDED-PROTOCOL", "ssl"),
            ("X-FORWARDED-PROTO", "https"),
            ("X-FORWARDED-SSL", "on"),
        ]),
        forwarder_headers: vec!["SCRIPT_NAME".into(), "PATH_INFO".into()],
        forwarded_client: ForwardedClient::Off,
        proxy_protocol: ProxyProtocol::Off,
        proxy_allow_ips: networks(&["127.0.0.1", "::1"]),
        root_path: String::new(),
        reuse_port: false,
        python: None,
        ..asgi_defaults()
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
        "limit_request_field_size": 0, "limit_request_body": 0, "client_min_rate": 0, "keepalive_requests": 0,
        "ws_ping_interval": 0, "ws_ping_timeout": 0,
    }));
    assert_eq!((settings.timeout, settings.max_requests, settings.keepalive), (None, None, Some(Duration::ZERO)));
    assert_eq!(settings.limit_request_line, None);
    assert_eq!(settings.limit_request_fields, 32_768);
    assert_eq!(settings.limit_request_field_size, None);
    assert_eq!((settings.limit_request_body, settings.client_min_rate), (None, None));
    assert_eq!(settings.keepalive_requests, None);
    assert_eq!((settings.ws_ping_interval, settings.ws_ping_timeout), (None, None));
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

#[test]
fn trusted_proxies_come_from_the_environment_too() {
    let settings = |environment, python| Reading { environment, python, ..Reading::default() }.settings();
    let trusted = |environment, python| settings(environment, python).forwarded_allow_ips;
    assert_eq!(trusted(&["FORWARDED_ALLOW_IPS=*"], None), Networks::All);
    assert_eq!(trusted(&["FORWARDED_ALLOW_IPS=10.0.0.0/8, ::1"], None), networks(&["10.0.0.0/8", "::1"]));
    assert_eq!(trusted(&["FORWARDED_ALLOW_IPS="], None), Networks::NONE);
    assert_eq!(trusted(&["FORWARDED_ALLOW_IPS=*"], Some(json!({ "forwarded_allow_ips": "::1" }))), networks(&["::1"]));
    assert_eq!(arguments(&["--proxy-allow-from=10.0.0.0/255.0.0.0"]).proxy_allow_ips, networks(&["10.0.0.0/8"]));
    assert_eq!(config(json!({ "proxy_allow_ips": null })).proxy_allow_ips, Networks::NONE);
}

#[test]
fn the_proxy_protocol_is_named_or_switched_on() {
    let seen = |flags| arguments(flags).proxy_protocol;
    assert_eq!(seen(&["--proxy-protocol"]), ProxyProtocol::Auto);
    assert_eq!(seen(&["--proxy-protocol", "-w2", "a:b"]), ProxyProtocol::Auto);
    assert_eq!(seen(&["a:b", "--proxy-protocol", "V1"]), ProxyProtocol::V1);
    assert_eq!(seen(&["--proxy-protocol=v2", "a:b"]), ProxyProtocol::V2);
    assert_eq!(seen(&["--proxy-protocol=false"]), ProxyProtocol::Off);
    assert_eq!(config(json!({ "proxy_protocol": true })).proxy_protocol, ProxyProtocol::Auto);
    assert_eq!(config(json!({ "proxy_protocol": null })).proxy_protocol, ProxyProtocol::Off);
    let toml = Reading { toml: Some("proxy_protocol = true"), ..Reading::default() };
    assert_eq!(toml.settings().proxy_protocol, ProxyProtocol::Auto);
}

#[test]
fn what_proxies_tell_is_set_by_words_and_names() {
    let settings =
        arguments(&["--header-map=Refuse", "--forwarder-headers=script_name, Remote_User", "--root-path=/a"]);
    assert_eq!((settings.header_map, settings.root_path.as_str()), (HeaderMap::Refuse, "/a"));
    assert_eq!(settings.forwarder_headers, ["SCRIPT_NAME", "REMOTE_USER"]);
    assert_eq!(arguments(&["--forwarded-client=X-Forwarded-For"]).forwarded_client, ForwardedClient::XForwardedFor);
    assert_eq!(config(json!({ "forwarder_headers": "*" })).forwarder_headers, ["*"]);
    assert_eq!(config(json!({ "forwarder_headers": "", "root_path": null })).forwarder_headers, [""; 0]);
}

#[test]
fn scheme_headers_are_a_dictionary_or_a_table() {
    let expected = texts(&[("X-SCHEME", "https"), ("X-TLS", "1")]);
    let python = json!({ "secure_scheme_headers": { "X-Scheme": "https", "X-TLS": "1" } });
    assert_eq!(config(python).secure_scheme_headers, expected);
    let toml = "workers = 2\n[secure_scheme_headers]\nx-scheme = 'https'\nX-TLS = '1'\n";
    assert_eq!(Reading { toml: Some(toml), ..Reading::default() }.settings().secure_scheme_headers, expected);
    assert_eq!(config(json!({ "secure_scheme_headers": {} })).secure_scheme_headers, texts(&[]));
}

#[test]
fn sendfile_is_on_unless_it_is_turned_off() {
    fn seen(environment: &[&str], python: Option<Value>, arguments: &[&str]) -> bool {
        Reading { environment, python, arguments, ..Reading::default() }.settings().sendfile
    }
    assert!(!seen(&[], None, &["--no-sendfile"]));
    for (variable, on) in [
        ("SENDFILE=y", true),
        ("SENDFILE=1", true),
        ("SENDFILE=Yes", true),
        ("SENDFILE=TRUE", true),
        ("SENDFILE=on", false),
        ("SENDFILE=0", false),
        ("SENDFILE=", false),
    ] {
        assert_eq!(seen(&[variable], None, &[]), on, "{variable}");
    }
    let python = |value| Some(json!({ "sendfile": value }));
    assert!(!seen(&["SENDFILE=1"], python(json!(false)), &[]));
    assert!(seen(&["SENDFILE=0"], python(json!(true)), &[]));
    assert!(!seen(&["SENDFILE=0"], python(json!(null)), &[]));
    assert!(seen(&[], python(json!(null)), &[]));
    assert!(!seen(&["SENDFILE=1"], python(json!(true)), &["--no-sendfile"]));
}

#[test]
fn the_kind_is_known_by_its_names_and_not_set_unless_given() {
    for (given, class) in [
        ("asgi", "asgi"),
        ("egg:gunicorn#asgi", "asgi"),
        ("gunicorn.workers.sync.SyncWorker", "gunicorn.workers.sync.SyncWorker"),
        ("uvicorn_worker.UvicornWorker", "uvicorn_worker.UvicornWorker"),
    ] {
        assert_eq!(arguments(&["-k", given]).worker_class.as_deref(), Some(class), "{given}");
    }
    let python = || Some(json!({ "worker_class": "asgi" }));
    assert_eq!(Reading { python: python(), ..Reading::default() }.settings().worker_class.as_deref(), Some("asgi"));
    let stronger = Reading { python: python(), arguments: &["-k", "sync"], ..Reading::default() };
    assert_eq!(stronger.settings().worker_class.as_deref(), Some("sync"));
    assert_eq!(Reading { python: Some(json!({ "worker_class": null })), ..Reading::default() }.errors().len(), 1);
}

#[test]
fn the_asgi_kind_is_set_by_words_and_numbers() {
    let settings = arguments(&["--asgi-loop=UVLOOP", "--asgi-lifespan", "on", "--asgi-disconnect-grace-period=0"]);
    assert_eq!((settings.asgi_loop, settings.asgi_lifespan), (AsgiLoop::Uvloop, AsgiLifespan::On));
    assert_eq!(settings.asgi_disconnect_grace_period, Duration::ZERO);
    let settings = config(json!({ "asgi_loop": null, "asgi_lifespan": null }));
    assert_eq!((settings.asgi_loop, settings.asgi_lifespan), (AsgiLoop::Auto, AsgiLifespan::Auto));
    assert_eq!(config(json!({ "asgi_loop": "asyncio" })).asgi_loop, AsgiLoop::Asyncio);
    assert_eq!(config(json!({ "asgi_lifespan": "off" })).asgi_lifespan, AsgiLifespan::Off);
    assert_eq!(
        refused(&["--asgi-loop=trio", "--asgi-lifespan=true"]),
        [
            "invalid asgi_loop: 'trio' (command line) must be auto, asyncio or uvloop",
            "invalid asgi_lifespan: 'true' (command line) must be auto, on or off",
        ]
    );
}

#[test]
fn websockets_are_bounded_pinged_and_compressed_unless_it_is_turned_off() {
    let settings = arguments(&["--websocket-max-message-size=1024", "--ws-ping-interval=5", "--ws-ping-timeout=7"]);
    assert_eq!(settings.websocket_max_message_size, 1024);
    assert_eq!(settings.ws_ping_interval, Some(Duration::from_secs(5)));
    assert_eq!(settings.ws_ping_timeout, Some(Duration::from_secs(7)));
    assert!(settings.ws_compression && !arguments(&["--no-ws-compression"]).ws_compression);
    assert!(!Reading { toml: Some("ws_compression = false"), ..Reading::default() }.settings().ws_compression);
}

#[test]
fn the_directory_of_uploads_is_relative_to_chdir_wherever_that_is_given() {
    let python = json!({ "tmp_upload_dir": "site" });
    let reading = |arguments| Reading { python: Some(python.clone()), arguments, ..Reading::default() };
    assert_eq!(reading(&[]).settings().tmp_upload_dir.as_deref(), Some(Path::new("/srv/app/site")));
    assert_eq!(reading(&["--chdir=.."]).errors().len(), 1);
    assert_eq!(config(json!({ "tmp_upload_dir": "app", "chdir": ".." })).tmp_upload_dir, Some("/srv/app".into()));
    assert_eq!(config(json!({ "tmp_upload_dir": "" })).tmp_upload_dir, None);
}

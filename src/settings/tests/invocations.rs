//! What is known before any config file is read.

use std::time::Duration;

use super::*;

#[test]
fn flags_may_be_abbreviated_repeated_and_mixed_with_the_application() {
    let settings = arguments(&["--preloa", "-w", "2", "pkg.mod:app", "--workers=3", "-t9"]);
    assert!(settings.preload_app);
    assert_eq!((settings.workers, settings.timeout), (3, Some(Duration::from_secs(9))));
    assert_eq!(settings.wsgi_app.as_deref(), Some("pkg.mod:app"));
}

#[test]
fn the_request_is_read_from_both_argument_layers() {
    assert_eq!(requested(&["a:b"]), Request::Serve);
    assert_eq!(requested(&["--check-config"]), Request::CheckConfig);
    assert_eq!(requested(&["--check-config", "--print-config"]), Request::PrintConfig);
    assert_eq!(requested(&["-v"]), Request::Say(format!("gunicorn-rs (version {})\n", env!("CARGO_PKG_VERSION"))));
    for flags in [["-h"], ["--help"], ["--man"], ["--completions=zsh"]] {
        assert!(matches!(requested(&flags), Request::Say(text) if text.contains("graceful")), "{flags:?}");
    }
    let reading = Reading { environment: &["GUNICORN_CMD_ARGS=--check-config"], ..Reading::default() };
    assert_eq!(reading.invocation().unwrap().request(), &Request::CheckConfig);
}

#[test]
fn the_config_file_is_the_one_named_or_the_one_that_lies_there() {
    let source = |arguments: &[&str], files: &[&'static str]| {
        let invocation = Reading { arguments, ..Reading::default() }.invocation().unwrap();
        invocation.config_source(&Host::with(files)).map_err(|error| error.to_string())
    };
    let (python, toml) = ("/srv/app/gunicorn.conf.py", "/srv/app/gunicorn.toml");
    assert_eq!(source(&[], &[]), Ok(None));
    assert_eq!(source(&[], &[python]), Ok(Some(ConfigSource::Python(python.into()))));
    assert_eq!(source(&[], &[toml]), Ok(Some(ConfigSource::Toml(toml.into()))));
    assert_eq!(
        source(&[], &[python, toml]),
        Err("both gunicorn.conf.py and gunicorn.toml exist: name the one to read with -c".into())
    );
    assert_eq!(source(&["-c", "./gunicorn.toml"], &[python, toml]), Ok(Some(ConfigSource::Toml(toml.into()))));
    assert_eq!(source(&["-cfile:/etc/x.conf"], &["/etc/x.conf"]), Ok(Some(ConfigSource::Python("/etc/x.conf".into()))));
    assert_eq!(source(&["-c", "python:a.b"], &[python]), Ok(Some(ConfigSource::Module("a.b".into()))));
    assert_eq!(
        source(&["-c", "x.py"], &[python]),
        Err("the config file /srv/app/x.py (command line) does not exist".into())
    );
}

#[test]
fn the_interpreter_is_known_before_the_config_file_is_read() {
    let reading = Reading { environment: &["GUNICORN_CMD_ARGS=--python=bin/python"], ..Reading::default() };
    assert_eq!(reading.invocation().unwrap().python(&Host::new()), Some("/srv/app/bin/python".into()));
    assert_eq!(Reading::default().invocation().unwrap().python(&Host::new()), None);
}

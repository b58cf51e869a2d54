//! Whole readings of a configuration, from arguments to values and messages.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;

mod invocations;
mod layers;
mod messages;
mod properties;

/// A machine with a few directories, one user, one group, and the files that a test gives it.
pub(super) struct Host {
    files: Vec<&'static str>,
}

impl Host {
    pub(super) fn new() -> Self {
        Self { files: Vec::new() }
    }

    fn with(files: &[&'static str]) -> Self {
        Self { files: files.to_vec() }
    }
}

impl Resolve for Host {
    fn current_dir(&self) -> PathBuf {
        PathBuf::from("/srv/app")
    }

    fn is_dir(&self, path: &Path) -> bool {
        ["/srv", "/srv/app", "/srv/app/site"].iter().any(|directory| path == Path::new(directory))
    }

    fn is_file(&self, path: &Path) -> bool {
        self.files.iter().any(|file| path == Path::new(file))
    }

    fn user(&self, name: &str) -> Option<u32> {
        (name == "www-data").then_some(33)
    }

    fn group(&self, name: &str) -> Option<u32> {
        (name == "www-data").then_some(34)
    }
}

/// One reading: the environment as `KEY=VALUE`, the config file, the arguments.
#[derive(Default)]
struct Reading<'a> {
    environment: &'a [&'a str],
    python: Option<Value>,
    toml: Option<&'a str>,
    arguments: &'a [&'a str],
}

impl Reading<'_> {
    fn invocation(&self) -> Result<Invocation, SettingError> {
        let pair = |text: &&str| text.split_once('=').map(|(key, value)| (key.into(), value.into())).unwrap();
        Invocation::parse(self.arguments.iter().map(OsString::from), self.environment.iter().map(pair))
    }

    fn read(&self) -> Result<Resolved, Vec<SettingError>> {
        let invocation = self.invocation().map_err(|error| vec![error])?;
        let mut layers = Layers::new(&invocation);
        if let Some(values) = &self.python {
            let values: BTreeMap<String, Value> = serde_json::from_value(values.clone()).unwrap();
            layers = layers.config_python(&ConfigSource::Python("/srv/app/gunicorn.conf.py".into()), values);
        }
        if let Some(text) = self.toml {
            layers = layers.config_toml(&ConfigSource::Toml("/srv/app/gunicorn.toml".into()), text)?;
        }
        layers.resolve(&Host::new())
    }

    fn settings(&self) -> Settings {
        self.read().unwrap().settings
    }

    fn errors(&self) -> Vec<String> {
        self.read().unwrap_err().iter().map(ToString::to_string).collect()
    }

    fn warnings(&self) -> Vec<String> {
        self.read().unwrap().warnings.iter().map(ToString::to_string).collect()
    }
}

fn arguments(arguments: &[&str]) -> Settings {
    Reading { arguments, ..Reading::default() }.settings()
}

fn refused(arguments: &[&str]) -> Vec<String> {
    Reading { arguments, ..Reading::default() }.errors()
}

fn config(values: Value) -> Settings {
    Reading { python: Some(values), ..Reading::default() }.settings()
}

fn requested(arguments: &[&str]) -> Request {
    Reading { arguments, ..Reading::default() }.invocation().unwrap().request().clone()
}

//! The layers of settings, from the weakest to the strongest: defaults, environment, config file,
//! `GUNICORN_CMD_ARGS`, command line.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use serde_json::Value;

use super::field::Refusal;
use super::given::Given;
use super::setting::Setting;
use super::table::missing;
use super::{ConfigSource, Invocation, Resolve, Resolved, SettingError, Settings, Source, Warning};
use super::{config_python, config_toml, paths};

/// One value of one layer.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) setting: &'static Setting,
    pub(super) given: Given,
    pub(super) origin: Source,
}

impl Entry {
    fn refused(&self, refusal: Refusal) -> SettingError {
        let mut allowed = self.setting.field.allowed();
        if let Some(hint) = refusal.hint {
            allowed += "; ";
            allowed += &hint;
        }
        SettingError::Value {
            name: self.setting.name,
            value: self.given.quoted(),
            origin: self.origin.clone(),
            allowed,
        }
    }
}

/// The layers of one reading of the configuration.
#[derive(Debug)]
pub struct Layers<'a> {
    invocation: &'a Invocation,
    config: Option<String>,
    config_file: Vec<Entry>,
    warnings: Vec<Warning>,
}

impl<'a> Layers<'a> {
    /// The layers without a config file.
    pub fn new(invocation: &'a Invocation) -> Self {
        Self { invocation, config: None, config_file: Vec::new(), warnings: invocation.warnings.clone() }
    }

    /// Adds the names of `gunicorn.conf.py` (or of a config module) and their values, as the interpreter that executed
    /// it reports them. A value without a JSON form (a function, a class, a module) is either left out or the object
    /// `{"repr": TEXT}`. Names that are no settings are ignored.
    #[must_use]
    pub fn config_python(mut self, source: &ConfigSource, values: BTreeMap<String, Value>) -> Self {
        let (entries, warnings) = config_python::entries(&source.to_string(), values);
        self.config = Some(source.to_string());
        self.config_file = entries;
        self.warnings.extend(warnings);
        self
    }

    /// Adds the text of `gunicorn.toml`.
    ///
    /// # Errors
    /// All that is wrong with its form and its names; values are checked by [`Layers::resolve`].
    pub fn config_toml(mut self, source: &ConfigSource, text: &str) -> Result<Self, Vec<SettingError>> {
        let (entries, warnings) = config_toml::entries(&source.to_string(), text)?;
        self.config = Some(source.to_string());
        self.config_file = entries;
        self.warnings.extend(warnings);
        Ok(self)
    }

    /// Checks every value and puts the layers on each other.
    ///
    /// # Errors
    /// Every value that is not allowed, in whichever layer; but for those of the environment that a stronger layer
    /// overrides, since the environment is often not the user's to change.
    pub fn resolve(self, host: &dyn Resolve) -> Result<Resolved, Vec<SettingError>> {
        let mut settings = Settings { chdir: host.current_dir(), ..Settings::default() };
        let mut origins = HashMap::new();
        let mut errors = Vec::new();
        // Other paths are relative to this one, in whichever layer they stand.
        let (chdir, others): (Vec<_>, Vec<_>) = self.entries().partition(|entry| entry.setting.name == "chdir");
        for entry in chdir.into_iter().chain(others) {
            match entry.setting.field.assign(&mut settings, &entry.given, host) {
                Ok(()) => drop(origins.insert(entry.setting.name, entry.origin.clone())),
                Err(refusal) => errors.push(entry.refused(refusal)),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        settings.config = self.config.map(PathBuf::from);
        paths::anchor(&mut settings);
        let mut warnings = self.warnings;
        if settings.foreign_class().is_some() {
            let is_read = |name| missing::is_read_by_classes(name);
            warnings.retain(|warning| !matches!(warning, Warning::Unsupported { name, .. } if is_read(name)));
        }
        Ok(Resolved::new(settings, origins, warnings))
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        let Invocation { environment, cmd_args, command_line, .. } = self.invocation;
        let stronger = move || self.config_file.iter().chain(cmd_args).chain(command_line);
        let overridden = move |entry: &Entry| stronger().any(|other| other.setting.name == entry.setting.name);
        environment.iter().filter(move |entry| !overridden(entry)).chain(stronger())
    }
}

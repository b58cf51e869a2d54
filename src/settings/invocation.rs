//! How the program was started: its arguments and its environment. They stay the same over every reload.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::arguments::{self, Arguments, Request};
use super::error::CMD_ARGS;
use super::given::Given;
use super::layers::Entry;
use super::paths::absolute;
use super::{Resolve, Setting, SettingError, Source, Warning, table, words};

/// The config files that are looked for in the working directory.
const DEFAULT_CONFIGS: [&str; 2] = ["gunicorn.conf.py", "gunicorn.toml"];

/// How the program was started.
#[derive(Debug, Clone)]
pub struct Invocation {
    pub(super) environment: Vec<Entry>,
    pub(super) cmd_args: Vec<Entry>,
    pub(super) command_line: Vec<Entry>,
    pub(super) warnings: Vec<Warning>,
    request: Request,
}

/// What has to be read for the config layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigSource {
    /// A Python file, absolute: executed by the zygote.
    Python(PathBuf),
    /// A Python module: imported by the zygote.
    Module(String),
    /// A TOML file, absolute.
    Toml(PathBuf),
}

impl fmt::Display for ConfigSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Python(path) | Self::Toml(path) => write!(f, "{}", path.display()),
            Self::Module(name) => write!(f, "python:{name}"),
        }
    }
}

impl Invocation {
    /// Reads the arguments (without the program's name) and the environment.
    ///
    /// # Errors
    /// Unknown or unsupported flags, a flag without its value, `GUNICORN_CMD_ARGS` that cannot be split. Values are
    /// checked later, by [`Layers::resolve`](super::Layers::resolve).
    pub fn parse(
        arguments: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingError> {
        let environment: Vec<_> = environment.into_iter().collect();
        let lookup = |name: &str| environment.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        let words = lookup(CMD_ARGS).map_or(Ok(Vec::new()), |text| words::split(&text.to_string_lossy()))?;

        let command_line = arguments::parse(arguments, &Source::CommandLine)?;
        let cmd_args = arguments::parse(words.into_iter().map(OsString::from), &Source::CmdArgs)?;
        Ok(Self::join(variables(&lookup), cmd_args, command_line))
    }

    fn join(environment: Vec<Entry>, cmd_args: Arguments, command_line: Arguments) -> Self {
        let mut positional = command_line.positional.into_iter();
        let application = positional.next();
        let warnings = ignored(positional, &Source::CommandLine).chain(ignored(cmd_args.positional, &Source::CmdArgs));
        let application = application.zip(table::find("wsgi_app")).map(|(name, setting)| Entry {
            setting,
            given: Given::lenient(name),
            origin: Source::CommandLine,
        });
        Self {
            environment,
            warnings: warnings.collect(),
            request: if command_line.request == Request::Serve { cmd_args.request } else { command_line.request },
            cmd_args: cmd_args.entries,
            command_line: command_line.entries.into_iter().chain(application).collect(),
        }
    }

    /// What the user wants of the program.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The config file to read: the one of `-c`, else the one that lies in the working directory, if any.
    ///
    /// # Errors
    /// The file of `-c` does not exist; or none was named and both `gunicorn.conf.py` and `gunicorn.toml` exist.
    pub fn config_source(&self, host: &dyn Resolve) -> Result<Option<ConfigSource>, SettingError> {
        match self.early("config") {
            Some((text, origin)) => named_config(&text, origin, host).map(Some),
            None => default_config(host),
        }
    }

    /// The interpreter of `--python`, which has to be known before a config file in Python can be read.
    pub fn python(&self, host: &dyn Resolve) -> Option<PathBuf> {
        let (text, _) = self.early("python")?;
        Some(host.program(&text))
    }

    /// A text that is given by arguments, and where.
    fn early(&self, name: &str) -> Option<(String, &Source)> {
        let entries = self.command_line.iter().chain(&self.cmd_args);
        let entry = entries.into_iter().find(|entry| entry.setting.name == name)?;
        let text = entry.given.text().ok()??;
        (!text.is_empty()).then_some((text, &entry.origin))
    }
}

/// The settings that variables of the environment give.
fn variables<'a>(lookup: &impl Fn(&str) -> Option<&'a OsString>) -> Vec<Entry> {
    let entry = |setting: &'static Setting| {
        let variable = setting.variable?;
        let text = (variable.read)(&lookup(variable.name)?.to_string_lossy())?;
        let given = Given::lenient(text);
        Some(Entry { setting, given, origin: Source::Environment(variable.name) })
    };
    table::all().filter_map(entry).collect()
}

fn ignored(arguments: impl IntoIterator<Item = String>, origin: &Source) -> impl Iterator<Item = Warning> {
    arguments.into_iter().map(|argument| Warning::Argument { argument, origin: origin.clone() })
}

fn named_config(text: &str, origin: &Source, host: &dyn Resolve) -> Result<ConfigSource, SettingError> {
    if let Some(module) = text.strip_prefix("python:") {
        return Ok(ConfigSource::Module(module.to_owned()));
    }
    let path = absolute(&host.current_dir(), Path::new(text.strip_prefix("file:").unwrap_or(text)));
    if host.is_file(&path) {
        return Ok(by_name(path));
    }
    Err(SettingError::ConfigMissing { path: path.display().to_string(), origin: origin.clone() })
}

fn default_config(host: &dyn Resolve) -> Result<Option<ConfigSource>, SettingError> {
    let directory = host.current_dir();
    match DEFAULT_CONFIGS.map(|name| Some(directory.join(name)).filter(|path| host.is_file(path))) {
        [Some(_), Some(_)] => Err(SettingError::ConfigAmbiguous(DEFAULT_CONFIGS[0], DEFAULT_CONFIGS[1])),
        [one, other] => Ok(one.or(other).map(by_name)),
    }
}

fn by_name(path: PathBuf) -> ConfigSource {
    match path.extension() {
        Some(extension) if extension == "toml" => ConfigSource::Toml(path),
        _ => ConfigSource::Python(path),
    }
}

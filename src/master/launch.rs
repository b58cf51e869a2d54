//! How this process was started: what every generation is built from anew.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::build::Failure;
use super::interpreter::Places;
use crate::settings::{ConfigSource, Invocation, Layers, Request, Resolve, Resolved, SettingError};
use crate::sys::users;

/// How this process was started.
#[derive(Debug)]
pub struct Launch {
    /// Where interpreters are looked for.
    pub places: Places,
    /// The arguments, the program's name first: the application's `sys.argv`.
    pub argv: Vec<String>,
    invocation: Invocation,
    host: Host,
}

/// The config of one generation, as far as it has been read.
#[derive(Debug)]
pub enum Config {
    /// There is none.
    None,
    /// A TOML file and its text.
    Toml(ConfigSource, String),
    /// Python, and what it defines once it has been executed.
    Python(ConfigSource, Option<BTreeMap<String, Value>>),
}

impl Launch {
    /// Reads the arguments, program name first, and this process's environment.
    ///
    /// # Errors
    /// One line for the user.
    pub fn new(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Failure> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let argv = arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
        let invocation = Invocation::parse(arguments.into_iter().skip(1), env::vars_os()).map_err(refused)?;
        let places = Places::of_this_process().map_err(Failure::new)?;
        Ok(Self { places, argv, invocation, host: Host { directory: current_dir()? } })
    }

    /// What the user wants of the program.
    pub fn request(&self) -> &Request {
        self.invocation.request()
    }

    /// Finds the config and reads it, unless it is Python, which only a zygote can.
    ///
    /// # Errors
    /// A config that was named and is not there, or cannot be read.
    pub fn find_config(&self) -> Result<Config, Failure> {
        match self.invocation.config_source(&self.host).map_err(refused)? {
            None => Ok(Config::None),
            Some(ConfigSource::Toml(path)) => match fs::read_to_string(&path) {
                Ok(text) => Ok(Config::Toml(ConfigSource::Toml(path), text)),
                Err(error) => Err(Failure::new(format!("cannot read config file {}: {error}", path.display()))),
            },
            Some(source) => Ok(Config::Python(source, None)),
        }
    }

    /// Puts the layers on each other; Python that has not been executed yet is left out.
    ///
    /// # Errors
    /// Every name and value that is not allowed, a line each.
    pub fn resolve(&self, config: &Config) -> Result<Resolved, Failure> {
        let layers = Layers::new(&self.invocation);
        let layers = match config {
            Config::Toml(source, text) => layers.config_toml(source, text).map_err(all_refused)?,
            Config::Python(source, Some(values)) => layers.config_python(source, values.clone()),
            Config::None | Config::Python(_, None) => layers,
        };
        layers.resolve(&self.host).map_err(all_refused)
    }
}

/// What the settings may ask of this machine.
#[derive(Debug)]
struct Host {
    directory: PathBuf,
}

impl Resolve for Host {
    fn current_dir(&self) -> PathBuf {
        self.directory.clone()
    }

    fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn is_file(&self, path: &Path) -> bool {
        path.exists() && !path.is_dir()
    }

    fn user(&self, name: &str) -> Option<u32> {
        users::user_id(name)
    }

    fn group(&self, name: &str) -> Option<u32> {
        users::group_id(name)
    }
}

/// `PWD` when it names the working directory, so that symbolic links stay as the user wrote them.
fn current_dir() -> Result<PathBuf, Failure> {
    use std::os::unix::fs::MetadataExt;
    let directory = env::current_dir().map_err(|error| Failure::new(format!("no working directory: {error}")))?;
    let identity = |path: &Path| path.metadata().map(|meta| (meta.dev(), meta.ino())).ok();
    let named = env::var_os("PWD").map(PathBuf::from).filter(|named| named.is_absolute());
    Ok(named.filter(|named| identity(named) == identity(&directory)).unwrap_or(directory))
}

fn refused(error: SettingError) -> Failure {
    all_refused(vec![error])
}

fn all_refused(errors: Vec<SettingError>) -> Failure {
    let exit_code = errors.first().map_or(1, SettingError::exit_code);
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Failure { exit_code, message: lines.join("\nError: ") }
}

//! What can be wrong with the settings, and where each value came from.

use std::fmt;

use super::words::SplitError;

/// The layer that a value came from; later ones win.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The table.
    Default,
    /// A variable of the environment.
    Environment(&'static str),
    /// The config file.
    ConfigFile {
        /// The file as the user knows it.
        file: String,
        /// Line, from 1, when known.
        line: Option<usize>,
    },
    /// The variable `GUNICORN_CMD_ARGS`.
    CmdArgs,
    /// The arguments of the program.
    CommandLine,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::ConfigFile { file, line: Some(line) } => write!(f, "{file} line {line}"),
            Self::ConfigFile { file, line: None } => f.write_str(file),
            Self::CmdArgs => f.write_str(CMD_ARGS),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

/// The variable whose content is read as if it stood on the command line.
pub const CMD_ARGS: &str = "GUNICORN_CMD_ARGS";

/// Why the server cannot start, or cannot take a new configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// A value that is not allowed.
    #[error("invalid {name}: {value} ({origin}) must be {allowed}")]
    Value {
        /// The setting.
        name: &'static str,
        /// The value, quoted.
        value: String,
        /// Where it came from.
        origin: Source,
        /// What is allowed, and what else helps.
        allowed: String,
    },
    /// A name or flag that no setting has.
    #[error("unknown {what} {name} ({origin}){}", Suggestion(nearest))]
    Unknown {
        /// "setting" or "option".
        what: &'static str,
        /// As given.
        name: String,
        /// Where it came from.
        origin: Source,
        /// The nearest name that there is.
        nearest: Option<String>,
    },
    /// A setting that gunicorn has, on the command line.
    #[error("{flag} ({origin}): gunicorn's setting {name} is not supported yet")]
    Unsupported {
        /// The setting.
        name: &'static str,
        /// The flag as given.
        flag: String,
        /// Where it came from.
        origin: Source,
    },
    /// The arguments cannot be taken apart.
    #[error("{problem} ({origin})")]
    Arguments {
        /// What is wrong.
        problem: String,
        /// Where they came from.
        origin: Source,
    },
    /// `GUNICORN_CMD_ARGS` cannot be split into words.
    #[error("{CMD_ARGS} cannot be split into arguments: {0}")]
    CmdArgs(#[from] SplitError),
    /// The config file that was asked for is not there.
    #[error("the config file {path} ({origin}) does not exist")]
    ConfigMissing {
        /// As given.
        path: String,
        /// Where it was asked for.
        origin: Source,
    },
    /// Two config files, and none was asked for.
    #[error("both {0} and {1} exist: name the one to read with -c")]
    ConfigAmbiguous(&'static str, &'static str),
    /// `gunicorn.toml` is not TOML.
    #[error("{origin}: {problem}")]
    Toml {
        /// Where.
        origin: Source,
        /// What the parser says.
        problem: String,
    },
    /// There is nothing to serve.
    #[error(
        "No application module specified. Give it as an argument (MODULE:CALLABLE), or as wsgi_app in the config file"
    )]
    NoApplication,
}

impl SettingError {
    /// The program's exit code for it.
    pub const fn exit_code(&self) -> i32 {
        1
    }
}

/// What is worth telling the user, though the server starts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// A name of `gunicorn.conf.py` that looks like a mistyped setting.
    #[error("{file}: {name} is not a setting and is ignored; did you mean {nearest}?")]
    NearMiss {
        /// The config file.
        file: String,
        /// The name in it.
        name: String,
        /// The setting.
        nearest: &'static str,
    },
    /// A setting that gunicorn has.
    #[error("{file}: gunicorn's setting {name} is not supported yet and is ignored")]
    Unsupported {
        /// The config file.
        file: String,
        /// The setting.
        name: &'static str,
    },
    /// A setting that cannot be given there.
    #[error("{file}: {name} has no effect in this file and is ignored; {instead}")]
    NoEffect {
        /// The config file.
        file: String,
        /// The setting.
        name: &'static str,
        /// What to do.
        instead: &'static str,
    },
    /// An argument that has no meaning.
    #[error("the argument {argument:?} ({origin}) is ignored")]
    Argument {
        /// As given.
        argument: String,
        /// Where.
        origin: Source,
    },
}

struct Suggestion<'a>(&'a Option<String>);

impl fmt::Display for Suggestion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |nearest| write!(f, "; did you mean {nearest}?"))
    }
}

//! What one setting is: a row of the table.
//!
//! Everything that the program knows about a setting stands in its row; the command line, the keys of `gunicorn.toml`,
//! the names in `gunicorn.conf.py`, `--print-config` and the documentation are made from it.

use std::fmt;

use super::field::Field;

/// The group that a setting belongs to; gunicorn's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// Where the other settings come from, and the application.
    ConfigFile,
    /// The listening sockets.
    ServerSocket,
    /// The pool of workers.
    WorkerProcesses,
    /// Limits on what a client may send, and how long it may take.
    Security,
    /// The environment of the processes.
    ServerMechanics,
    /// Error log and access log.
    Logging,
    /// What the processes are called.
    ProcessNaming,
}

impl Section {
    /// The heading, as in `--help` and the documentation.
    pub const fn title(self) -> &'static str {
        match self {
            Self::ConfigFile => "Config File",
            Self::ServerSocket => "Server Socket",
            Self::WorkerProcesses => "Worker Processes",
            Self::Security => "Security",
            Self::ServerMechanics => "Server Mechanics",
            Self::Logging => "Logging",
            Self::ProcessNaming => "Process Naming",
        }
    }
}

/// What it takes for a changed setting to have an effect when the configuration is read again (HUP).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reload {
    /// The master applies it at once; no worker has to be replaced for it.
    Live,
    /// It holds for the workers that are forked from then on.
    RespawnWorkers,
    /// The listening sockets have to be opened anew.
    Rebind,
    /// Only a new master takes it.
    Restart,
}

impl fmt::Display for Reload {
    /// As it stands after "takes effect".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "at once",
            Self::RespawnWorkers => "in new workers",
            Self::Rebind => "with newly bound sockets",
            Self::Restart => "after a restart only",
        })
    }
}

/// How a setting is given on the command line. A setting without long names has no flag.
#[derive(Debug, Clone, Copy)]
pub struct Flags {
    /// `-X`.
    pub short: Option<char>,
    /// `--NAME` without the dashes; the first is the usual one, the others are accepted too.
    pub long: &'static [&'static str],
    /// What stands for the value in the help; empty for a switch.
    pub value: &'static str,
    /// The value that the flag gives when it stands alone; `None`: it needs one.
    pub alone: Option<&'static str>,
}

impl Flags {
    /// No flag.
    pub const NONE: Self = Self { short: None, long: &[], value: "", alone: None };

    /// A flag with a short name.
    pub const fn short(short: char, long: &'static [&'static str], value: &'static str) -> Self {
        Self { short: Some(short), ..Self::long(long, value) }
    }

    /// A flag with long names only. That of a switch turns it on.
    pub const fn long(long: &'static [&'static str], value: &'static str) -> Self {
        Self { short: None, long, value, alone: if value.is_empty() { Some("true") } else { None } }
    }

    /// The same flag, which gives this value when it stands alone.
    #[must_use]
    pub const fn alone(self, value: &'static str) -> Self {
        Self { alone: Some(value), ..self }
    }
}

/// An environment variable that gives a setting.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Makes the setting's value of its content; `None`: the variable counts as one that is not set.
    pub read: fn(&str) -> Option<String>,
}

/// The content as it is; an empty variable counts as one that is not set.
pub(super) fn unless_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// One setting: a row of the table.
#[derive(Debug)]
pub struct Setting {
    /// Name in `gunicorn.conf.py` and `gunicorn.toml`, and of the field in [`Settings`](super::Settings).
    pub name: &'static str,
    /// Group.
    pub section: Section,
    /// Command line.
    pub flags: Flags,
    /// Type, range and place in [`Settings`](super::Settings).
    pub field: Field,
    /// Default value, written as on the command line; `None`: not set.
    pub default: Option<&'static str>,
    /// Environment variable, if there is one.
    pub variable: Option<Variable>,
    /// What a change of it takes.
    pub reload: Reload,
    /// Documentation in Markdown: a summary line, then perhaps an empty line and more.
    pub doc: &'static str,
}

impl Setting {
    /// The first line of the documentation, without its period.
    pub fn summary(&self) -> &'static str {
        self.doc.lines().next().unwrap_or_default().trim_end_matches('.')
    }
}

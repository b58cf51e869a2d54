//! The environment of the processes.

use std::path::{Path, PathBuf};

use super::super::field::{Field, Refusal};
use super::super::paths::absolute;
use super::super::setting::{Flags, Reload, Section, Setting};
use super::super::{Resolve, Settings};

pub(super) const ROWS: &[Setting] = &[
    Setting {
        name: "preload_app",
        section: Section::ServerMechanics,
        flags: Flags::long(&["preload"], ""),
        field: Field::Switch {
            get: |settings| settings.preload_app,
            set: |settings, value| settings.preload_app = value,
        },
        default: Some("false"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "Load the application before the workers are forked.

Workers then share the memory that it takes, and start at once. A reload loads it anew.",
    },
    Setting {
        name: "reuse_port",
        section: Section::ServerMechanics,
        flags: Flags::long(&["reuse-port"], ""),
        field: Field::Switch {
            get: |settings| settings.reuse_port,
            set: |settings, value| settings.reuse_port = value,
        },
        default: Some("false"),
        variable: None,
        reload: Reload::Rebind,
        doc: "Set SO_REUSEPORT on the listening sockets.

Several servers can then listen on the same address.",
    },
    Setting {
        name: "chdir",
        section: Section::ServerMechanics,
        flags: Flags::long(&["chdir"], "DIR"),
        field: Field::Text {
            allowed: "a directory that exists",
            get: |settings| Some(settings.chdir.display().to_string()),
            set: set_chdir,
        },
        default: None,
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The directory to change to before the application is loaded.

It is the working directory when not set. Other relative paths, but for that of the config file, are relative to it.",
    },
    Setting {
        name: "pythonpath",
        section: Section::ServerMechanics,
        flags: Flags::long(&["pythonpath"], "DIRS"),
        field: Field::List {
            allowed: "directories separated by commas",
            repeated: false,
            get: |settings| settings.pythonpath.iter().map(|path| path.display().to_string()).collect(),
            set: |settings, texts| {
                settings.pythonpath = texts.iter().flat_map(|text| directories(text)).collect();
                Ok(())
            },
        },
        default: None,
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "Directories to put in front of the Python path, separated by commas.

The last is searched first.",
    },
    Setting {
        name: "raw_env",
        section: Section::ServerMechanics,
        flags: Flags::short('e', &["env"], "KEY=VALUE"),
        field: Field::List {
            allowed: "KEY=VALUE",
            repeated: true,
            get: |settings| settings.raw_env.iter().map(|(key, value)| format!("{key}={value}")).collect(),
            set: |settings, texts| {
                settings.raw_env = texts.iter().map(|text| variable(text)).collect::<Result<_, _>>()?;
                Ok(())
            },
        },
        default: None,
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "A variable of the application's environment; repeat it for several.",
    },
    Setting {
        name: "pidfile",
        section: Section::ServerMechanics,
        flags: Flags::short('p', &["pid"], "FILE"),
        field: Field::Text {
            allowed: "a path",
            get: |settings| settings.pidfile.as_ref().map(|path| path.display().to_string()),
            set: |settings, value, _| {
                settings.pidfile = value.filter(|path| !path.is_empty()).map(PathBuf::from);
                Ok(())
            },
        },
        default: None,
        variable: None,
        reload: Reload::Live,
        doc: "The file to write the master's process id to.",
    },
    Setting {
        name: "user",
        section: Section::ServerMechanics,
        flags: Flags::short('u', &["user"], "USER"),
        field: Field::Account {
            allowed: "the number or the name of a user of this machine",
            get: |settings| settings.user,
            set: |settings, id| settings.user = id,
            lookup: |host, name| host.user(name),
        },
        default: None,
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The user that the workers run as, by number or name.",
    },
    Setting {
        name: "group",
        section: Section::ServerMechanics,
        flags: Flags::short('g', &["group"], "GROUP"),
        field: Field::Account {
            allowed: "the number or the name of a group of this machine",
            get: |settings| settings.group,
            set: |settings, id| settings.group = id,
            lookup: |host, name| host.group(name),
        },
        default: None,
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The group that the workers run as, by number or name.",
    },
    Setting {
        name: "umask",
        section: Section::ServerMechanics,
        flags: Flags::short('m', &["umask"], "MODE"),
        field: Field::Mode { get: |settings| settings.umask, set: |settings, bits| settings.umask = bits },
        default: Some("0"),
        variable: None,
        reload: Reload::Rebind,
        doc: "The permission bits that files made by the server do not get.

It applies to Unix sockets too. Write it in octal with a leading 0 (`022`, `0o22`); `22` is a decimal number.",
    },
];

fn set_chdir(settings: &mut Settings, value: Option<&str>, host: &dyn Resolve) -> Result<(), Refusal> {
    let path = absolute(&host.current_dir(), Path::new(value.ok_or(Refusal::PLAIN)?));
    if !host.is_dir(&path) {
        return Err(Refusal::hint(format!("{} is none", path.display())));
    }
    settings.chdir = path;
    Ok(())
}

fn directories(text: &str) -> impl Iterator<Item = PathBuf> {
    text.split(',').map(str::trim).filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn variable(text: &str) -> Result<(String, String), Refusal> {
    match text.split_once('=') {
        // putenv(3) takes neither.
        Some((key, _)) if key.is_empty() || text.contains('\0') => Err(Refusal::PLAIN),
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err(Refusal::hint(format!("{text:?} has no \"=\""))),
    }
}

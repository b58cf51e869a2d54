//! The environment of the processes.

use std::path::{Path, PathBuf};

use super::super::bounds::Bounds;
use super::super::field::{Field, Refusal};
use super::super::paths::absolute;
use super::super::setting::{Flags, Reload, Section, Setting, Variable};
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
        name: "sendfile",
        section: Section::ServerMechanics,
        flags: Flags::long(&["no-sendfile"], "").alone("false"),
        field: Field::Switch { get: |settings| settings.sendfile, set: |settings, value| settings.sendfile = value },
        default: Some("true"),
        variable: Some(Variable { name: "SENDFILE", read: |text| Some(is_yes(text).to_string()) }),
        reload: Reload::RespawnWorkers,
        doc: "Whether files are sent by sendfile(2); the flag turns that off.

So does the variable, unless it is `y`, `1`, `yes` or `true`.",
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
    Setting {
        name: "tmp_upload_dir",
        section: Section::ServerMechanics,
        flags: Flags::NONE,
        field: Field::Text {
            allowed: "a directory that exists",
            get: |settings| settings.tmp_upload_dir.as_ref().map(|path| path.display().to_string()),
            set: |settings, value, host| {
                let path = value.filter(|path| !path.is_empty());
                settings.tmp_upload_dir = path.map(|path| directory(&settings.chdir, path, host)).transpose()?;
                Ok(())
            },
        },
        default: None,
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The directory of the files that hold requests and responses.

The files have no name. It is the system's directory for temporary files when not set.",
    },
    Setting {
        name: "buffer_memory",
        section: Section::ServerMechanics,
        flags: Flags::long(&["buffer-memory"], "BYTES"),
        field: Field::Number {
            bounds: Bounds::COUNT.at_least(1 << 20, "less than 1 MiB would not hold what is read and written at once"),
            get: |settings| Some(settings.buffer_memory),
            set: |settings, value| settings.buffer_memory = value,
        },
        default: Some("67108864"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The most memory for requests and responses in one worker, in bytes.

What is beyond goes to files in `tmp_upload_dir`.

WebSocket messages whose end has not come, or which the application has not taken, count too, and go to no file. A
client whose message finds no room has to wait, as long as `client_send_timeout`; then it is closed with 1013, or at
once with 1009 if its message is longer than all of it.

It is counted beyond what each connection at work has anyway, at most 36 KiB: the buffer that it is read into, a short
body and a short answer.",
    },
    Setting {
        name: "buffer_disk",
        section: Section::ServerMechanics,
        flags: Flags::long(&["buffer-disk"], "BYTES"),
        field: Field::Number {
            bounds: Bounds::COUNT,
            get: |settings| Some(settings.buffer_disk),
            set: |settings, value| settings.buffer_disk = value,
        },
        default: Some("1073741824"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The most bytes in files for requests and responses in one worker.

Beyond it request bodies are refused with 503, and responses wait for their clients.",
    },
];

fn set_chdir(settings: &mut Settings, value: Option<&str>, host: &dyn Resolve) -> Result<(), Refusal> {
    settings.chdir = directory(&host.current_dir(), value.ok_or(Refusal::PLAIN)?, host)?;
    Ok(())
}

/// The path of a directory that exists, as seen from `base`.
fn directory(base: &Path, text: &str, host: &dyn Resolve) -> Result<PathBuf, Refusal> {
    let path = absolute(base, Path::new(text));
    if host.is_dir(&path) { Ok(path) } else { Err(Refusal::hint(format!("{} is none", path.display()))) }
}

/// Whether gunicorn takes the content of `SENDFILE` for a yes.
fn is_yes(text: &str) -> bool {
    ["y", "1", "yes", "true"].iter().any(|yes| text.eq_ignore_ascii_case(yes))
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

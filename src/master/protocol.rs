//! What the master and a zygote say to each other: JSON messages over a [`Link`](crate::sys::link::Link).
//!
//! The zygote greets first. Then each order is answered by the zygote in the order in which they came; the end of the
//! link ends the zygote. Both sides come from one release, which the greeting proves.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// Version that both sides must have in common.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A Python config file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PythonConfig {
    /// A file, absolute.
    File(PathBuf),
    /// A module, as `python:MODULE` names it.
    Module(String),
}

/// What the master tells a zygote.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Order {
    /// Execute the config and answer with `Config`.
    ReadConfig {
        /// What to execute.
        config: PythonConfig,
        /// Directory to change to first, and to import modules from.
        chdir: PathBuf,
    },
    /// Take the settings and these files: the scoreboard, the write end of the ready pipe, the read end of the pipe
    /// whose end means that the master has gone, the listeners. Then load the application if it is to be preloaded.
    /// Answered by `Loaded`.
    Load(Box<Load>),
    /// Fork a worker for the slot; answered by `Forked` or `ForkFailed`.
    Fork {
        /// The worker's slot.
        slot: u32,
    },
    /// Close the listeners: no worker will be forked any more that accepts. Not answered.
    CloseListeners,
    /// Reopen the log files; not answered.
    ReopenLogs,
}

/// Everything that a generation's workers inherit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Load {
    /// The settings.
    pub settings: Settings,
    /// Load the application now, not in each worker.
    pub preload: bool,
    /// The master's arguments, which the application sees as its own (`sys.argv`).
    pub argv: Vec<String>,
}

/// What a zygote tells the master.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Answer {
    /// The zygote is there.
    Hello {
        /// Its [`VERSION`].
        version: String,
        /// Where its extension module was found.
        origin: String,
    },
    /// The names that the config defines.
    Config {
        /// Values by name; one that JSON cannot hold is the object `{"repr": TEXT}`.
        values: BTreeMap<String, serde_json::Value>,
    },
    /// Ready to fork.
    Loaded,
    /// The last order failed, and why, as text for the operator: a line, or a traceback. The zygote ends.
    Failed {
        /// Exit code for a master that cannot start without it.
        exit_code: i32,
        /// Text for the log.
        message: String,
    },
    /// A worker is there.
    Forked {
        /// Its slot.
        slot: u32,
        /// Its pid.
        pid: i32,
    },
    /// fork(2) failed.
    ForkFailed {
        /// The slot it was for.
        slot: u32,
        /// errno
        errno: i32,
    },
}

/// A worker's word that it serves, as it is written to the ready pipe: slot and pid. Shorter than `PIPE_BUF`, so it is
/// never mixed with another's.
pub fn encode_ready(slot: u32, pid: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&slot.to_ne_bytes());
    bytes[4..].copy_from_slice(&pid.to_ne_bytes());
    bytes
}

/// Slot and pid of each word in what was read from the ready pipe.
pub fn decode_ready(bytes: &[u8]) -> impl Iterator<Item = (u32, u32)> {
    bytes.chunks_exact(8).map(|word| {
        let number = |bytes: &[u8]| u32::from_ne_bytes(bytes.try_into().unwrap_or_default());
        (number(&word[..4]), number(&word[4..]))
    })
}

/// What the processes of this server are called in the process list.
pub fn title(settings: &Settings) -> &str {
    settings.proc_name.as_deref().or(settings.wsgi_app.as_deref()).unwrap_or("gunicorn-rs")
}

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

/// Length of a [`Word`] on the ready pipe, in bytes. Shorter than `PIPE_BUF`, so that one is never mixed with
/// another's; all are of one length, so that it is known where each begins.
pub const WORD_BYTES: usize = 12;

const READY: u32 = 1;
const RESIGNED: u32 = 2;

/// What a worker says of itself on the ready pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It serves.
    Ready {
        /// Its slot.
        slot: u32,
        /// Its pid.
        pid: i32,
    },
    /// It wishes to be replaced, and serves until it is told to leave.
    Resigned {
        /// Its slot.
        slot: u32,
        /// Its pid.
        pid: i32,
    },
}

/// A worker's word that it serves, as it is written to the ready pipe.
pub fn encode_ready(slot: u32, pid: u32) -> [u8; WORD_BYTES] {
    encode_word([READY, slot, pid])
}

/// A worker's word that it wishes to be replaced, as it is written to the ready pipe.
pub fn encode_resigned(slot: u32, pid: u32) -> [u8; WORD_BYTES] {
    encode_word([RESIGNED, slot, pid])
}

fn encode_word(numbers: [u32; 3]) -> [u8; WORD_BYTES] {
    let mut bytes = [0; WORD_BYTES];
    bytes.chunks_exact_mut(4).zip(numbers).for_each(|(bytes, number)| bytes.copy_from_slice(&number.to_ne_bytes()));
    bytes
}

/// The words in what was read from the ready pipe; what is none is left out.
pub fn decode_words(bytes: &[u8]) -> impl Iterator<Item = Word> {
    bytes.chunks_exact(WORD_BYTES).filter_map(|word| {
        let number = |at: usize| word.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
        let (slot, pid) = (number(4)?, i32::try_from(number(8)?).ok().filter(|pid| *pid > 0)?);
        match number(0)? {
            READY => Some(Word::Ready { slot, pid }),
            RESIGNED => Some(Word::Resigned { slot, pid }),
            _ => None,
        }
    })
}

/// What the processes of this server are called in the process list.
pub fn title(settings: &Settings) -> &str {
    settings.proc_name.as_deref().or(settings.wsgi_app.as_deref()).unwrap_or("gunicorn-rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_as_they_were_said() {
        let bytes = [encode_ready(0, 100), encode_resigned(4095, u32::MAX / 2), encode_resigned(0, 100)].concat();
        let words: Vec<Word> = decode_words(&bytes).collect();
        let expected = [
            Word::Ready { slot: 0, pid: 100 },
            Word::Resigned { slot: 4095, pid: i32::MAX },
            Word::Resigned { slot: 0, pid: 100 },
        ];
        assert_eq!(words, expected);
    }

    #[test]
    fn nonsense_is_no_word_and_hides_none() {
        let bytes = [[0xff; WORD_BYTES], [0; WORD_BYTES], encode_ready(1, 0), encode_ready(1, 7)].concat();
        for length in 0..=bytes.len() {
            let words: Vec<Word> = decode_words(&bytes[..length]).collect();
            let whole = length == bytes.len();
            assert_eq!(words, if whole { vec![Word::Ready { slot: 1, pid: 7 }] } else { Vec::new() });
        }
    }
}

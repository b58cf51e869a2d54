//! The table of signals: what each means to the master and to a worker, and its page in the documentation.

use std::fmt::Write;

use crate::arbiter::{Plan, Signal};
use crate::settings::Settings;
use crate::sys::signals as number;

/// One row: a signal, what the arbiter is told of it, and what the operator is.
struct Row {
    number: i32,
    /// Without `SIG`.
    name: &'static str,
    taken: Taken,
    /// What it does, sent to the master.
    master: &'static str,
    /// What it does, sent to a worker.
    worker: &'static str,
}

/// What the master does with a signal.
#[derive(Clone, Copy)]
enum Taken {
    /// Collects it, and tells the arbiter.
    As(Signal),
    /// Collects it, and that is all.
    Ignored,
    /// Leaves it to the system.
    No,
}

/// USR2 (upgrade) and WINCH (park the workers) will have a meaning here; until then they are taken and ignored, since
/// their default, or a stray WINCH from a resized terminal, must not end or disturb the server.
const TABLE: [Row; 11] = [
    Row {
        number: number::TERM,
        name: "TERM",
        taken: Taken::As(Signal::Term),
        master: "ends gracefully: closes the listeners and lets each worker finish what it is in, for \
                 `graceful_timeout` at most",
        worker: "finishes what it is in, for `graceful_timeout` at most, and ends; the master starts another",
    },
    Row {
        number: number::INT,
        name: "INT",
        taken: Taken::As(Signal::Int),
        master: "ends quickly: the workers are told to end at once",
        worker: "ends at once; the master starts another",
    },
    Row { number: number::QUIT, name: "QUIT", taken: Taken::As(Signal::Quit), master: "as `INT`", worker: "as `INT`" },
    Row {
        number: number::HUP,
        name: "HUP",
        taken: Taken::As(Signal::Hup),
        master: "reloads: reads the config again, loads the application, and replaces the workers once the new ones \
                 are ready",
        worker: "the system's default: the worker ends, the master starts another",
    },
    Row {
        number: number::TTIN,
        name: "TTIN",
        taken: Taken::As(Signal::Ttin),
        master: "one worker more",
        worker: "not for workers",
    },
    Row {
        number: number::TTOU,
        name: "TTOU",
        taken: Taken::As(Signal::Ttou),
        master: "one worker less, the oldest; the last one stays",
        worker: "not for workers",
    },
    Row {
        number: number::USR1,
        name: "USR1",
        taken: Taken::As(Signal::Usr1),
        master: "reopens the log files, in all processes; no line is lost",
        worker: "reopens its log files",
    },
    Row { number: number::USR2, name: "USR2", taken: Taken::Ignored, master: "ignored", worker: "ignored" },
    Row { number: number::WINCH, name: "WINCH", taken: Taken::Ignored, master: "ignored", worker: "ignored" },
    Row {
        number: number::CHLD,
        name: "CHLD",
        // Only wakes the loop, which reaps in every turn.
        taken: Taken::Ignored,
        master: "collects the children that have ended",
        worker: "the application's own",
    },
    Row {
        number: number::ABRT,
        name: "ABRT",
        taken: Taken::No,
        master: "the system's default: the master ends",
        worker: "writes the Python stacks of all threads to the error log and ends; the master sends it to a worker \
                 that is silent for longer than `timeout`",
    },
];

const HEAD: &str = "# Signals and exit codes

<!-- Generated from src/master/signals.rs; do not edit. -->

Signals go to the master; its pid is in the log's `Listening at` line and in the `pidfile`.

| signal | what the master does | what a worker does |
| --- | --- | --- |
";

const TAIL: &str = "
A reload that fails, because of the config, an address or the application, is logged, and the workers that there were go
on serving with their settings. Another `HUP` tries again.

A worker that does not end by `ABRT`, or within `graceful_timeout` of `TERM`, gets `KILL`. If the master itself dies, by
`KILL` say, its workers notice at once, finish what they are in, and end; so does the zygote.

| exit code | why |
| --- | --- |
| 0 | told to end |
| 1 | the settings were refused, an address is taken, the pidfile is in use, or no usable interpreter was found |
| 3 | a worker failed to boot: the application's module raised an exception |
| 4 | the application was not found in its module, or is not callable |
";

/// `docs/signals.md`, in Markdown.
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    for row in &TABLE {
        // Writing to a string does not fail.
        let _ = writeln!(page, "| `{}` | {} | {} |", row.name, row.master, row.worker);
    }
    page + TAIL
}

/// Numbers of all signals that the master takes.
pub(super) fn collected() -> Vec<i32> {
    TABLE.iter().filter(|row| !matches!(row.taken, Taken::No)).map(|row| row.number).collect()
}

/// What a signal means to the arbiter.
pub(super) fn meaning(number: i32) -> Option<Signal> {
    match TABLE.iter().find(|row| row.number == number)?.taken {
        Taken::As(signal) => Some(signal),
        Taken::Ignored | Taken::No => None,
    }
}

/// Whether a signal asks for a quick end.
pub(super) fn is_quick(number: i32) -> bool {
    matches!(meaning(number), Some(Signal::Int | Signal::Quit))
}

/// What of the settings the arbiter needs.
pub(super) fn plan(settings: &Settings) -> Plan {
    let Settings { workers, timeout, graceful_timeout, max_requests, .. } = *settings;
    Plan { workers, timeout, graceful_timeout, recycles: max_requests.is_some() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::signal_name;

    #[test]
    fn each_signal_has_one_row_under_the_name_that_the_system_gives_it() {
        for (position, row) in TABLE.iter().enumerate() {
            assert_eq!(row.name, signal_name(row.number));
            assert!(TABLE[..position].iter().all(|other| other.number != row.number), "{} twice", row.name);
        }
    }

    #[test]
    fn what_the_arbiter_is_told_of_is_collected() {
        assert!(TABLE.iter().all(|row| meaning(row.number).is_none() || collected().contains(&row.number)));
        assert!(!collected().contains(&number::ABRT));
    }
}

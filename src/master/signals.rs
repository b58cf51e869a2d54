//! The table of signals: what each means to the master.

use crate::arbiter::{Plan, Signal};
use crate::settings::Settings;

/// One row: the signal's number, and what the arbiter is told.
struct Row {
    number: i32,
    meaning: Option<Signal>,
}

/// USR2 (upgrade) and WINCH (park the workers) will have a meaning here; until then they are taken and ignored, since their
/// default, or a stray WINCH from a resized terminal, must not end or disturb the server.
const TABLE: [Row; 10] = [
    Row { number: libc::SIGTERM, meaning: Some(Signal::Term) },
    Row { number: libc::SIGINT, meaning: Some(Signal::Int) },
    Row { number: libc::SIGQUIT, meaning: Some(Signal::Quit) },
    Row { number: libc::SIGHUP, meaning: Some(Signal::Hup) },
    Row { number: libc::SIGTTIN, meaning: Some(Signal::Ttin) },
    Row { number: libc::SIGTTOU, meaning: Some(Signal::Ttou) },
    Row { number: libc::SIGUSR1, meaning: Some(Signal::Usr1) },
    Row { number: libc::SIGUSR2, meaning: None },
    Row { number: libc::SIGWINCH, meaning: None },
    // Only wakes the loop, which reaps in every turn.
    Row { number: libc::SIGCHLD, meaning: None },
];

/// Numbers of all signals that the master takes.
pub(super) fn collected() -> Vec<i32> {
    TABLE.iter().map(|row| row.number).collect()
}

/// What a signal means to the arbiter.
pub(super) fn meaning(number: i32) -> Option<Signal> {
    TABLE.iter().find(|row| row.number == number)?.meaning
}

/// Whether a signal asks for a quick end.
pub(super) fn is_quick(number: i32) -> bool {
    matches!(meaning(number), Some(Signal::Int | Signal::Quit))
}

/// What of the settings the arbiter needs.
pub(super) fn plan(settings: &Settings) -> Plan {
    Plan { workers: settings.workers, timeout: settings.timeout, graceful_timeout: settings.graceful_timeout }
}

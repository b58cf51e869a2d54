//! The access log of this process: a line for each request that has been answered, in the operator's format.
//!
//! Global like the error log, and opened once: workers inherit it from their zygote. A line is formatted into a buffer
//! of its thread and written by one write(2); there is no lock and nothing is held back, so a killed worker loses none.

mod atom;
mod basic;
mod escape;
mod exchange;
mod format;
mod record;

use std::cell::Cell;
use std::io;
use std::os::fd::RawFd;
use std::sync::OnceLock;

pub use exchange::ExchangeLog;
pub use format::{Format, FormatError};
pub use record::{Lookup, Record, joined};

use super::sink::{OpenError, Sink};
use super::stamp::AccessStamp;
use crate::settings::LogTarget;
use crate::sys::localtime;

static SINK: Sink = Sink::standard(1);
static FORMAT: OnceLock<Format> = OnceLock::new();

/// What a thread keeps from line to line. Taken out while in use, so that a lookup which logs finds an empty one.
#[derive(Default)]
struct Scratch {
    line: Vec<u8>,
    stamp: AccessStamp,
}

thread_local! {
    static SCRATCH: Cell<Scratch> = Cell::default();
}

/// Opens the access log; without it there is none. The first format stays for the life of the process.
///
/// # Errors
/// The file cannot be opened.
pub fn init(target: &LogTarget, format: Format) -> Result<(), OpenError> {
    SINK.open(target)?;
    FORMAT.get_or_init(|| format);
    Ok(())
}

/// The format, if there is an access log.
pub fn format() -> Option<&'static Format> {
    FORMAT.get()
}

/// Opens the file anew under the same descriptor number (USR1). Does nothing on a standard descriptor.
///
/// # Errors
/// The file cannot be opened; then the old one stays in use.
pub fn reopen() -> Result<(), OpenError> {
    SINK.reopen()
}

/// Gives the log file, and those that reopening makes, to the user and group that workers run as.
///
/// # Errors
/// Those of fchown(2).
pub fn chown_to(user: Option<u32>, group: Option<u32>) -> io::Result<()> {
    SINK.chown_to(user, group)
}

/// The descriptor of the log, if there is one. Valid as long as the process.
pub fn fd() -> Option<RawFd> {
    format().map(|_| SINK.fd())
}

/// Writes the line of a request, if there is an access log.
pub fn write(record: &Record<'_>) {
    if let Some(format) = format() {
        write_to(&SINK, format, record);
        report_lost();
    }
}

/// Writes text that is formatted already (by Python's `logging`), if there is an access log.
pub fn raw(text: &[u8]) {
    if format().is_some() {
        SINK.write(text);
        report_lost();
    }
}

fn write_to(sink: &Sink, format: &Format, record: &Record<'_>) {
    let mut scratch = SCRATCH.try_with(Cell::take).unwrap_or_default();
    let Scratch { line, stamp } = &mut scratch;
    line.clear();
    format.append(line, record, stamp.at(localtime::unix_seconds()));
    line.push(b'\n');
    sink.write(line);
    // A thread that is ending has no place for it any more; then it is simply freed.
    let _ = SCRATCH.try_with(|place| place.set(scratch));
}

fn report_lost() {
    if let Some(lost) = SINK.take_lost() {
        super::warning!("{lost} lines of the access log were given up: it could not take them");
    }
}

#[cfg(test)]
mod tests;

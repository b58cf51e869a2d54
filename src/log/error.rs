//! The error log of this process: what the server and, through `logging`, the application have to tell the operator.
//!
//! Lines look as gunicorn's do: `[2026-11-22 22:06:21 +0000] [4711] [INFO] Listening at: ...`. It is global because
//! everything logs, the code after a fork included. Until [`init`] it writes to standard error at level `info`.
//! Written through the macros `log::info!(..)` and its four siblings. Multi-line text is never split: one call is one
//! write(2), so lines of several processes do not mix.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

use crate::settings::{LogLevel, LogTarget};
use crate::sys::{localtime, logfile};

use super::sink::{OpenError, Sink};

static SINK: Sink = Sink::standard(2);
/// Standard output and error write to the log's file.
static CAPTURED: AtomicBool = AtomicBool::new(false);
static LEVEL: AtomicU8 = AtomicU8::new(LogLevel::Info as u8);

thread_local! {
    /// The line being made, kept for its memory. Taken out while in use: a `Display` may itself log.
    static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Directs the error log to `target` and sets its level. May be called again; a file's descriptor number stays.
///
/// # Errors
/// The file cannot be opened; then nothing has changed.
pub fn init(target: &LogTarget, level: LogLevel) -> Result<(), OpenError> {
    SINK.open(target)?;
    set_level(level);
    Ok(())
}

/// Sets the least severe level that is shown.
pub fn set_level(level: LogLevel) {
    LEVEL.store(level as u8, Relaxed);
}

/// Whether lines of this level are shown.
pub fn is_shown(level: LogLevel) -> bool {
    level as u8 >= LEVEL.load(Relaxed)
}

/// Opens the file anew under the same descriptor number (USR1); captured output follows it. Does nothing on a standard
/// descriptor.
///
/// # Errors
/// The file cannot be opened; then the old one stays in use.
pub fn reopen() -> Result<(), OpenError> {
    SINK.reopen()?;
    if CAPTURED.load(Relaxed)
        && let Err(error) = redirect_output()
    {
        super::warning!("captured output stays in the old log file: {error}");
    }
    Ok(())
}

/// Gives the log file, and those that reopening makes, to the user and group that workers run as.
///
/// # Errors
/// Those of fchown(2).
pub fn chown_to(user: Option<u32>, group: Option<u32>) -> io::Result<()> {
    SINK.chown_to(user, group)
}

/// The descriptor of the log, for the fault handler. Valid as long as the process.
pub fn fd() -> RawFd {
    SINK.fd()
}

/// Makes standard output and standard error write to the log file (`capture_output`). Does nothing when the log is not
/// a file.
///
/// # Errors
/// Those of dup3(2).
pub fn capture_output() -> io::Result<()> {
    if !SINK.is_file() {
        return Ok(());
    }
    CAPTURED.store(true, Relaxed);
    redirect_output()
}

fn redirect_output() -> io::Result<()> {
    [1, 2].into_iter().try_for_each(|standard| logfile::replace(fd(), standard))
}

/// Writes text as it is, with a line end if it has none: tracebacks, and lines that Python's `logging` has formatted.
pub fn raw(text: &[u8]) {
    with_line(|line| line.extend_from_slice(text));
}

/// Writes one line if its level is shown. The macros call this.
pub fn write(level: LogLevel, message: fmt::Arguments<'_>) {
    if is_shown(level) {
        // Writing to a vector cannot fail; a `Display` that does leaves what it has written so far.
        with_line(|line| drop(append_prefix(line, level).and_then(|()| line.write_fmt(message))));
    }
}

fn with_line(fill: impl FnOnce(&mut Vec<u8>)) {
    let mut line = LINE.try_with(Cell::take).unwrap_or_default();
    line.clear();
    fill(&mut line);
    if line.last() != Some(&b'\n') {
        line.push(b'\n');
    }
    SINK.write(&line);
    // A thread that is ending has no place for it any more; then it is simply freed.
    let _ = LINE.try_with(|place| place.set(line));
    report_lost();
}

fn report_lost() {
    if let Some(lost) = SINK.take_lost() {
        write(LogLevel::Warning, format_args!("{lost} writes to this log were given up: it could not take them"));
    }
}

fn append_prefix(line: &mut Vec<u8>, level: LogLevel) -> io::Result<()> {
    let time = localtime::local_time(localtime::unix_seconds());
    super::stamp::append_error_stamp(line, &time);
    // Asked of the kernel each time: right in a forked child, without a cache to be reset.
    write!(line, " [{}] [{}] ", std::process::id(), name(level))
}

fn name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "DEBUG",
        LogLevel::Info => "INFO",
        LogLevel::Warning => "WARNING",
        LogLevel::Error => "ERROR",
        LogLevel::Critical => "CRITICAL",
    }
}

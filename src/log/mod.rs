//! What the server writes down: the error log and the access log.
//!
//! Both are appended to with one write(2) a record and no lock, by every process and thread, and can be reopened in
//! place (USR1). Neither ever stops the server: a log that takes nothing loses lines, and says so when it can again.

pub mod access;
mod complaint;
pub mod error;
pub mod sink;
mod stamp;

use std::io;

pub use complaint::Complaint;
pub use sink::OpenError;

use crate::settings::Settings;

/// Logs that cannot be set up as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// `access_log_format` is not a format.
    #[error(transparent)]
    Format(#[from] access::FormatError),
    /// Standard output and error cannot be directed to the error log.
    #[error("cannot capture output: {0}")]
    Capture(io::Error),
}

/// Opens both logs for a process that will serve, or fork those that do, and gives their files to the workers' user. To
/// be called while still privileged.
///
/// # Errors
/// A log cannot be opened, or the format of the access log is none.
pub fn open(settings: &Settings) -> Result<(), SetupError> {
    error::init(&settings.errorlog, settings.loglevel)?;
    if let Some(target) = &settings.accesslog {
        // A class of another package writes its lines itself, and aiohttp's have a format of their own.
        let format = settings.foreign_class().map_or(settings.access_log_format.as_str(), |_| "");
        access::init(target, access::Format::parse(format)?)?;
    }
    for given in [error::chown_to(settings.user, settings.group), access::chown_to(settings.user, settings.group)] {
        if let Err(error) = given {
            warning!("a log file cannot be given to the workers' user: {error}");
        }
    }
    if settings.capture_output {
        error::capture_output().map_err(SetupError::Capture)?;
    }
    Ok(())
}

/// Opens the files of both logs anew (USR1). What fails is said in the error log and stays as it is.
pub fn reopen() {
    for reopened in [error::reopen(), access::reopen()] {
        if let Err(error) = reopened {
            error!("{error}");
        }
    }
}

/// Writes a line to the error log at level `debug`; takes what `format!` takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_debug {
    ($($message:tt)+) => { $crate::log::error::write($crate::settings::LogLevel::Debug, format_args!($($message)+)) };
}

/// Writes a line to the error log at level `info`; takes what `format!` takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_info {
    ($($message:tt)+) => { $crate::log::error::write($crate::settings::LogLevel::Info, format_args!($($message)+)) };
}

/// Writes a line to the error log at level `warning`; takes what `format!` takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_warning {
    ($($message:tt)+) => { $crate::log::error::write($crate::settings::LogLevel::Warning, format_args!($($message)+)) };
}

/// Writes a line to the error log at level `error`; takes what `format!` takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_error {
    ($($message:tt)+) => { $crate::log::error::write($crate::settings::LogLevel::Error, format_args!($($message)+)) };
}

/// Writes a line to the error log at level `critical`; takes what `format!` takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_critical {
    ($($message:tt)+) => {
        $crate::log::error::write($crate::settings::LogLevel::Critical, format_args!($($message)+))
    };
}

#[doc(inline)]
pub use crate::{
    __log_critical as critical, __log_debug as debug, __log_error as error, __log_info as info,
    __log_warning as warning,
};

//! What the server writes down: the error log and the access log.
//!
//! Both are appended to with one write(2) a record and no lock, by every process and thread, and can be reopened in
//! place (USR1). Neither ever stops the server: a log that takes nothing loses lines, and says so when it can again.

pub mod access;
pub mod error;
pub mod sink;
mod stamp;

pub use sink::OpenError;

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
    ($($message:tt)+) => { $crate::log::error::write($crate::settings::LogLevel::Critical, format_args!($($message)+)) };
}

#[doc(inline)]
pub use crate::{
    __log_critical as critical, __log_debug as debug, __log_error as error, __log_info as info,
    __log_warning as warning,
};

//! The command: from arguments to an exit code.

use std::ffi::OsString;
use std::io::Write;

use crate::master::launch::Launch;
use crate::master::{self, Master};
use crate::settings::{CommandLine, Request};

/// What gunicorn exits with when it cannot start.
const FAILED: i32 = 1;

/// Does what the arguments ask for; gives the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> i32 {
    let launch = match Launch::new(arguments) {
        Ok(launch) => launch,
        Err(error) => return refuse(&error),
    };
    match launch.request() {
        Request::Serve => serve(launch),
        Request::CheckConfig => master::check_config(&launch).map_or_else(|failure| refuse(&failure.message), |()| 0),
        Request::PrintConfig => master::print_config(&launch).map_or_else(|failure| refuse(&failure.message), |text| print(&text)),
        Request::Show(text) => print(text),
    }
}

fn serve(launch: Launch) -> i32 {
    match Master::new(launch).and_then(Master::run) {
        Ok(code) => code,
        Err(error) => refuse(&format!("the master cannot go on: {error}")),
    }
}

fn refuse(message: &str) -> i32 {
    eprintln!("\nError: {}\n", message.trim_end());
    FAILED
}

/// A reader that has gone (`| head`) is no failure.
fn print(text: &str) -> i32 {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end());
    0
}

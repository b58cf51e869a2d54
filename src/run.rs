//! The command: from arguments to an exit code.

use std::ffi::OsString;
use std::io::Write;

use crate::master::build::Failure;
use crate::master::launch::Launch;
use crate::master::{self, Master};
use crate::settings::Request;

/// Does what the arguments ask for, the first of which is the program's name; gives the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> i32 {
    match Launch::new(arguments).and_then(obey) {
        Ok(code) => code,
        Err(failure) => refuse(&failure),
    }
}

fn obey(launch: Launch) -> Result<i32, Failure> {
    match launch.request() {
        Request::Serve => serve(launch),
        Request::CheckConfig => master::check_config(&launch).map(|()| 0),
        Request::PrintConfig => master::print_config(&launch).map(|text| print(&text)),
        Request::Say(text) => Ok(print(text)),
    }
}

fn serve(launch: Launch) -> Result<i32, Failure> {
    let broken = |error| Failure::new(format!("the master cannot go on: {error}"));
    Master::new(launch).and_then(Master::run).map_err(broken)
}

fn refuse(failure: &Failure) -> i32 {
    master::refuse(failure);
    failure.exit_code
}

/// A reader that has gone (`| head`) is no failure.
fn print(text: &str) -> i32 {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end());
    0
}

//! `--check-config` and `--print-config`: a generation is built as far as that needs, and given up.

use std::io;
use std::os::fd::AsFd;

use super::build::{Builder, Built, Failure, Goal, Progress, Shared};
use super::launch::Launch;
use super::report;
use crate::sys::shm::Scoreboard;
use crate::sys::{clock, fd, poll};

/// Loads config and application without binding or serving.
///
/// # Errors
/// What is wrong with either.
pub fn check_config(launch: &Launch) -> Result<(), Failure> {
    // Whatever does not load, gunicorn exits with 1 here.
    build(launch, Goal::Check)
        .map_err(|failure| Failure { exit_code: 1, ..failure })
        .map(|built| built.resolved.warnings.iter().for_each(|warning| report::say(&format!("Warning: {warning}"))))
}

/// Each setting with its value and where that came from.
///
/// # Errors
/// What is wrong with the config.
pub fn print_config(launch: &Launch) -> Result<String, Failure> {
    build(launch, Goal::Settings).map(|built| built.resolved.print_config())
}

fn build(launch: &Launch, goal: Goal) -> Result<Box<Built>, Failure> {
    let mut builder = Builder::start(launch, Vec::new(), goal)?;
    let built = drive(launch, &mut builder);
    if let Some(zygote) = builder.zygote() {
        zygote.kill();
    }
    built
}

fn drive(launch: &Launch, builder: &mut Builder) -> Result<Box<Built>, Failure> {
    let system = |error: io::Error| Failure::new(format!("cannot start: {error}"));
    let scoreboard = Scoreboard::create().map_err(system)?;
    let (alive, ready) = fd::pipe(true).map_err(system)?;
    let shared = Shared { scoreboard: scoreboard.as_fd(), ready: ready.as_fd(), alive: alive.as_fd() };
    while let Some(zygote) = builder.zygote() {
        poll::readable(&[zygote.as_fd()], None).map_err(system)?;
        let progress = match builder.on_readable(launch)? {
            Progress::Settled => builder.go_on(shared, clock::now())?,
            progress => progress,
        };
        if let Progress::Built(built) = progress {
            return Ok(built);
        }
    }
    Err(Failure::new("the interpreter was lost"))
}

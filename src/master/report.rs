//! The words in which the operator is told what the arbiter has decided.

use std::io::{self, Write};

use crate::arbiter::{Exit, Report};
use crate::log;
use crate::scoreboard::InFlight;
use crate::sys::{clock, process, shm::Scoreboard, signals};

use super::build::Failure;

/// Writes a report of the arbiter to the error log.
pub(super) fn write(report: &Report, scoreboard: &Scoreboard) {
    match report {
        Report::Handling(signal) => handling(signal),
        Report::WorkerTimeout { slot, pid } => {
            let requests = scoreboard.slot(slot.0).map(|cells| cells.in_flight()).unwrap_or_default();
            log::critical!("WORKER TIMEOUT (pid:{}){}", pid.0, in_requests(&requests));
        }
        Report::WorkerDied { pid, exit: Exit::Signal(signals::KILL), .. } => {
            log::error!("Worker (pid:{}) was sent SIGKILL! Perhaps out of memory?", pid.0);
        }
        // A class of another package, which counts them itself.
        Report::WorkerEnded { pid } => log::info!("Worker (pid:{}) has ended", pid.0),
        Report::WorkerDied { pid, exit: Exit::Code(0), .. } => {
            log::warning!("Worker (pid:{}) has ended without being told to", pid.0);
        }
        Report::WorkerDied { pid, exit, .. } => log::error!("Worker (pid:{}) {}", pid.0, ended(*exit)),
        Report::BootFailed { pid, exit, fatal } => {
            log::error!("Worker (pid:{}) {} before it could serve", pid.0, ended(*exit));
            if *fatal {
                log::error!("Reason: {}", boot_failure(*exit));
            }
        }
        Report::NoSlot { pid } => {
            log::warning!("Worker (pid:{}) leaves before it is replaced: no slot is free for another", pid.0);
        }
        Report::BackOff { delay } => {
            log::warning!(
                "No worker could be started or kept for long: the next try is in {:.1} s",
                delay.as_secs_f64()
            );
        }
        Report::ReloadCancelled(generation) => {
            log::error!("Reload given up: generation {} does not start, the one before serves on", generation.0);
        }
        Report::ReloadDone(generation) => log::info!("Reloaded: generation {} serves", generation.0),
        Report::ZygoteLost { generation, exit } => {
            log::error!("The zygote of generation {} {}: it forks no more workers", generation.0, ended(*exit));
        }
        Report::ZygoteSilent(generation) => {
            log::error!("The zygote of generation {} does not answer: it forks no more workers", generation.0);
        }
        Report::ShuttingDown => log::info!("Shutting down: Master"),
    }
}

fn handling(signal: &str) {
    log::info!("Handling signal: {signal}");
    if signal == "hup" {
        log::info!("Hang up: Master");
    }
}

/// Tells why a generation could not be built: to the log once the server serves, else to whoever has started it.
pub(super) fn build_failure(failure: &Failure, is_reload: bool) {
    if is_reload {
        log::error!("{}", failure.message);
    } else {
        refuse(failure);
    }
}

/// Tells whoever has started the program why it ends.
pub fn refuse(failure: &Failure) {
    say(&format!("\nError: {}\n", failure.message.trim_end()));
}

/// Writes a line to standard error. Nobody is left to be told if that fails.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// How a process ended, as the end of a sentence.
pub(super) fn ended(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exited with code {code}"),
        Exit::Signal(signal) => format!("was sent SIG{}!", process::signal_name(signal)),
    }
}

fn boot_failure(exit: Exit) -> &'static str {
    match exit {
        Exit::Code(4) => "App failed to load.",
        _ => "Worker failed to boot.",
    }
}

fn in_requests(requests: &[InFlight]) -> String {
    let now = clock::now();
    let shown = requests.iter().map(|InFlight { request, since }| {
        format!(" in {} for {:.1} s", request.escape_ascii(), now.since(*since).as_secs_f64())
    });
    shown.collect::<Vec<_>>().join(",")
}

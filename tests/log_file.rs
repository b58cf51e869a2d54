//! The error log of a whole process, alone in its test binary because it is global.
#![allow(clippy::unwrap_used)]

use std::fs;

use gunicorn::log;
use gunicorn::settings::{LogLevel, LogTarget};

/// One test, since all of it is about the one error log of the process.
#[test]
fn the_error_log_of_a_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("error.log");
    let text = || fs::read_to_string(&path).unwrap();

    log::error::init(&LogTarget::File(path.clone()), LogLevel::Warning).unwrap();
    log::debug!("a debug line");
    log::info!("an info line");
    log::warning!("a {} line", "warning");
    log::error!("an error line");
    log::critical!("a critical line");
    let levels: Vec<String> = text().lines().map(without_time).collect();
    let pid = std::process::id();
    assert_eq!(
        levels,
        [
            format!("[{pid}] [WARNING] a warning line"),
            format!("[{pid}] [ERROR] an error line"),
            format!("[{pid}] [CRITICAL] a critical line"),
        ]
    );

    fs::rename(&path, directory.path().join("error.log.1")).unwrap();
    log::error::reopen().unwrap();
    log::error::set_level(LogLevel::Debug);
    log::debug!("said by {}", Talkative);
    log::error::raw(b"Traceback:\n  line");
    let lines = text();
    let lines: Vec<&str> = lines.lines().collect();
    assert!(lines[0].ends_with("[DEBUG] while being shown"));
    assert!(lines[1].ends_with("[DEBUG] said by Talkative"));
    assert_eq!(lines[2..], ["Traceback:", "  line"]);
}

/// Logs while it is being logged.
struct Talkative;

impl std::fmt::Display for Talkative {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        log::debug!("while being shown");
        formatter.write_str("Talkative")
    }
}

/// The line after its time, which must look like `[2026-11-22 22:06:21 +0000] `.
fn without_time(line: &str) -> String {
    let (time, rest) = line.split_at(28);
    let shape: String =
        time.chars().map(|character| if character.is_ascii_digit() { '0' } else { character }).collect();
    assert_eq!(shape.replace('-', "+"), "[0000+00+00 00:00:00 +0000] ");
    rest.to_owned()
}

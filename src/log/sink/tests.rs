//! What a log must survive: rotation under load, a reader that stops, files that cannot be opened.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{Read, pipe};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;

/// A log file in a directory of its own, which goes with it.
pub(in crate::log) struct TemporaryLog(tempfile::TempDir);

impl TemporaryLog {
    pub(in crate::log) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(in crate::log) fn path(&self) -> PathBuf {
        self.0.path().join("a.log")
    }

    pub(in crate::log) fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn rotate(&self, turn: usize) {
        fs::rename(self.path(), self.0.path().join(format!("a.log.{turn}"))).unwrap();
    }

    /// The lines of the log and of all that it was rotated to.
    fn all_lines(&self) -> Vec<String> {
        let files = fs::read_dir(self.0.path()).unwrap();
        files
            .flat_map(|file| {
                fs::read_to_string(file.unwrap().path()).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
            })
            .collect()
    }
}

fn opened(log: &TemporaryLog) -> Sink {
    let sink = Sink::standard(2);
    sink.open(&LogTarget::File(log.path())).unwrap();
    sink
}

#[test]
fn rotation_under_load_loses_no_line() {
    const WRITERS: usize = 4;
    const LINES: usize = 2000;
    let log = TemporaryLog::new();
    let sink = opened(&log);
    let number = sink.fd();
    std::thread::scope(|scope| {
        let write = |writer: usize| (0..LINES).for_each(|line| sink.write(format!("{writer} {line}\n").as_bytes()));
        let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || write(writer))).collect();
        let mut turn = 0;
        while !writers.iter().all(|writer| writer.is_finished()) {
            log.rotate(turn);
            sink.reopen().unwrap();
            turn += 1;
        }
    });
    let mut found = log.all_lines();
    let mut expected: Vec<String> =
        (0..WRITERS).flat_map(|writer| (0..LINES).map(move |line| format!("{writer} {line}"))).collect();
    found.sort();
    expected.sort();
    assert!(found == expected, "{} lines of {}", found.len(), expected.len());
    assert_eq!(sink.fd(), number);
}

#[test]
fn a_descriptor_that_others_hold_follows_a_reopening() {
    let log = TemporaryLog::new();
    let sink = opened(&log);
    let held = sink.fd();
    log.rotate(0);
    sink.reopen().unwrap();
    logfile::write_once(held, b"from the holder\n").unwrap();
    assert_eq!(log.text(), "from the holder\n");
}

#[test]
fn a_failed_reopening_keeps_the_old_file() {
    let log = TemporaryLog::new();
    let sink = opened(&log);
    log.rotate(0);
    fs::create_dir(log.path()).unwrap();
    assert!(matches!(sink.reopen(), Err(OpenError::Refused { .. })));
    sink.write(b"still here\n");
    assert_eq!(fs::read_to_string(log.0.path().join("a.log.0")).unwrap(), "still here\n");
}

#[test]
fn another_target_takes_over_the_descriptor() {
    let (first, second) = (TemporaryLog::new(), TemporaryLog::new());
    let sink = opened(&first);
    let number = sink.fd();
    sink.open(&LogTarget::File(second.path())).unwrap();
    sink.write(b"moved\n");
    assert_eq!((sink.fd(), first.text().as_str(), second.text().as_str()), (number, "", "moved\n"));
}

#[test]
fn files_are_appended_to_and_not_writable_by_others() {
    let log = TemporaryLog::new();
    fs::write(log.path(), "before\n").unwrap();
    opened(&log).write(b"after\n");
    assert_eq!(log.text(), "before\nafter\n");
    log.rotate(0);
    opened(&log);
    assert_eq!(fs::metadata(log.path()).unwrap().permissions().mode() & 0o133, 0);
}

#[test]
fn ownership_is_given_again_to_reopened_files() {
    let log = TemporaryLog::new();
    let sink = opened(&log);
    let owner = fs::metadata(log.path()).unwrap();
    sink.chown_to(Some(owner.uid()), Some(owner.gid())).unwrap();
    log.rotate(0);
    sink.reopen().unwrap();
    let renewed = fs::metadata(log.path()).unwrap();
    assert_eq!((renewed.uid(), renewed.gid()), (owner.uid(), owner.gid()));
}

#[test]
fn a_missing_directory_is_named() {
    let log = TemporaryLog::new();
    let missing = log.0.path().join("no/such");
    let error = Sink::standard(2).open(&LogTarget::File(missing.join("a.log"))).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot open log file {:?}: there is no directory {missing:?}", missing.join("a.log"))
    );
}

#[test]
fn a_reader_that_stops_costs_lines_but_not_time() {
    let (mut reader, writer) = pipe().unwrap();
    let sink = Sink::standard(writer.as_raw_fd());
    let line = [b'x'; PIPE_BUF];
    let begin = std::time::Instant::now();
    (0..1000).for_each(|_| sink.write(&line));
    assert!(begin.elapsed() < PATIENCE * 5);
    assert_eq!(sink.take_lost(), None);
    reader.read_exact(&mut vec![0; 64 * 1024]).unwrap();
    sink.write(b"again\n");
    assert!(sink.take_lost().is_some_and(|lost| lost > 900));
    assert_eq!(sink.take_lost(), None);
}

#[test]
fn a_reader_that_has_gone_is_no_panic() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let sink = Sink::standard(writer.as_raw_fd());
    sink.write(b"to nobody\n");
    Sink::standard(-1).write(b"to nowhere\n");
}

#[test]
fn long_text_goes_through_a_pipe_whole() {
    let (mut reader, writer) = pipe().unwrap();
    let text: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
    let received = std::thread::scope(|scope| {
        let receiver = scope.spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|_| all)
        });
        Sink::standard(writer.as_raw_fd()).write(&text);
        drop(writer);
        receiver.join().unwrap().unwrap()
    });
    assert!(received == text);
}

#[test]
fn standard_devices_are_used_as_they_are() {
    assert_eq!(inherited(Path::new("/dev/stdout")), Some(1));
    assert_eq!(inherited(Path::new("/dev/stderr")), Some(2));
    assert_eq!(inherited(Path::new("/var/log/a.log")), None);
}

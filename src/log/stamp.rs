//! Times as log lines show them, in the two formats of gunicorn.

use std::io::Write;

use crate::sys::localtime::{LocalTime, local_time};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Appends `[2026-11-22 22:06:21 +0000]`, the time of an error log line.
pub(super) fn append_error_stamp(line: &mut Vec<u8>, time: &LocalTime) {
    let LocalTime { year, month, day, hour, minute, second, .. } = time;
    // Writing to a vector cannot fail.
    let _ = write!(line, "[{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} ");
    append_offset(line, time.offset_minutes);
}

/// Appends `[22/Nov/2026:22:06:21 +0000]`, the time of the Common Log Format.
pub(super) fn append_access_stamp(line: &mut Vec<u8>, time: &LocalTime) {
    let LocalTime { year, day, hour, minute, second, .. } = time;
    let month = MONTHS.get(usize::from(time.month).wrapping_sub(1)).unwrap_or(&"-");
    // Writing to a vector cannot fail.
    let _ = write!(line, "[{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} ");
    append_offset(line, time.offset_minutes);
}

fn append_offset(line: &mut Vec<u8>, minutes: i32) {
    let sign = if minutes < 0 { '-' } else { '+' };
    let distance = minutes.unsigned_abs();
    // Writing to a vector cannot fail.
    let _ = write!(line, "{sign}{:02}{:02}]", distance / 60, distance % 60);
}

/// The time of the access log, made anew only when the second changes.
#[derive(Debug, Default)]
pub(super) struct AccessStamp {
    second: i64,
    text: Vec<u8>,
}

impl AccessStamp {
    /// The text for this second.
    pub(super) fn at(&mut self, unix_seconds: i64) -> &[u8] {
        if self.second != unix_seconds || self.text.is_empty() {
            self.second = unix_seconds;
            self.text.clear();
            append_access_stamp(&mut self.text, &local_time(unix_seconds));
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: LocalTime =
        LocalTime { year: 2026, month: 1, day: 2, hour: 3, minute: 4, second: 5, offset_minutes: -570 };

    fn text(append: fn(&mut Vec<u8>, &LocalTime), offset_minutes: i32) -> String {
        let mut line = Vec::new();
        append(&mut line, &LocalTime { offset_minutes, ..TIME });
        String::from_utf8_lossy(&line).into_owned()
    }

    #[test]
    fn the_error_log_shows_iso_dates() {
        assert_eq!(text(append_error_stamp, 0), "[2026-01-02 03:04:05 +0000]");
        assert_eq!(text(append_error_stamp, 345), "[2026-01-02 03:04:05 +0545]");
    }

    #[test]
    fn the_access_log_shows_the_common_log_format() {
        assert_eq!(text(append_access_stamp, -570), "[02/Jan/2026:03:04:05 -0930]");
    }

    #[test]
    fn the_cached_stamp_follows_the_clock() {
        let mut stamp = AccessStamp::default();
        let first = stamp.at(1_000).to_vec();
        assert_eq!(stamp.at(1_000), first);
        assert_ne!(stamp.at(1_001), first);
    }
}

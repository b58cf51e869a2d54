//! The wall clock in the local time zone, for log lines.

use std::mem::MaybeUninit;
use std::time::{SystemTime, UNIX_EPOCH};

/// A second of the wall clock, broken down in the local time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// Year, such as 2026.
    pub year: i64,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 60.
    pub second: u8,
    /// Minutes east of UTC.
    pub offset_minutes: i32,
}

/// Seconds since the epoch; 0 on a clock that is set to before it.
pub fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Breaks down `unix_seconds` with localtime_r(3); a second it cannot represent comes out as the epoch in UTC.
pub fn local_time(unix_seconds: i64) -> LocalTime {
    let mut broken_down = MaybeUninit::<libc::tm>::uninit();
    // SAFETY: both pointers are to live places of the right types, and localtime_r(3) keeps neither.
    let result = unsafe { libc::localtime_r(&raw const unix_seconds, broken_down.as_mut_ptr()) };
    if result.is_null() {
        return LocalTime { year: 1970, month: 1, day: 1, hour: 0, minute: 0, second: 0, offset_minutes: 0 };
    }
    // SAFETY: localtime_r(3) succeeded, so it has filled the structure.
    from_tm(&unsafe { broken_down.assume_init() })
}

fn from_tm(tm: &libc::tm) -> LocalTime {
    let small = |value: libc::c_int| u8::try_from(value).unwrap_or(0);
    LocalTime {
        year: i64::from(tm.tm_year) + 1900,
        month: small(tm.tm_mon + 1),
        day: small(tm.tm_mday),
        hour: small(tm.tm_hour),
        minute: small(tm.tm_min),
        second: small(tm.tm_sec),
        offset_minutes: i32::try_from(tm.tm_gmtoff / 60).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_second_is_broken_down_to_the_minute_of_its_offset() {
        let time = local_time(1_795_385_181);
        let minutes = i64::from(time.hour) * 60 + i64::from(time.minute) - i64::from(time.offset_minutes);
        assert_eq!((time.year, time.month, time.second), (2026, 11, 21));
        assert_eq!(minutes.rem_euclid(24 * 60), 22 * 60 + 6);
    }

    #[test]
    fn a_second_beyond_every_calendar_is_no_panic() {
        assert_eq!(local_time(i64::MAX).year, 1970);
    }
}

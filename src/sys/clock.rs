//! Clocks (clock_gettime(2)), read through the vDSO without entering the kernel.

use std::time::Duration;

use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};

use crate::time::Time;

/// Now, on `CLOCK_MONOTONIC`.
pub fn now() -> Time {
    let micros = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| now.num_microseconds());
    Time::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// Now, on the same clock as [`now`] but as of the kernel's last tick (some milliseconds ago), and so the cheapest.
pub fn recently() -> Time {
    let micros = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).map_or(0, |now| now.num_microseconds());
    Time::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// Seconds since the Unix epoch, as exact as the last tick of the kernel (some milliseconds), and so the cheapest.
pub fn unix_time() -> Duration {
    let seconds = clock_gettime(ClockId::CLOCK_REALTIME_COARSE).map_or(0, |now| now.tv_sec());
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

//! Numbers of the table become numbers of the settings. The rows' ranges keep them in bounds, so nothing is cut off.

use std::time::Duration;

/// The number as a narrower type; its largest when it does not fit.
pub(super) fn number<T: TryFrom<u64> + Bounded>(value: u64) -> T {
    T::try_from(value).unwrap_or(T::LARGEST)
}

/// A type of number with a largest one.
pub(super) trait Bounded {
    /// The largest.
    const LARGEST: Self;
}

impl Bounded for u32 {
    const LARGEST: Self = Self::MAX;
}

impl Bounded for usize {
    const LARGEST: Self = Self::MAX;
}

/// `None` for 0, with which gunicorn's settings say "no limit".
pub(super) fn unless_zero(value: u64) -> Option<u64> {
    (value != 0).then_some(value)
}

/// Seconds; `None` for 0.
pub(super) fn seconds(value: u64) -> Option<Duration> {
    unless_zero(value).map(Duration::from_secs)
}

//! How long to wait before the next try of something that fails again and again.
//!
//! Pure arithmetic: whoever owns a [`BackOff`] tells it of failures, asks whether it may try, and sleeps until
//! [`BackOff::until`]. The first failure costs nothing (most are a single accident); then the wait doubles.

use std::time::Duration;

use crate::time::Time;

/// The wait after the second failure in a row.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Without a failure for so long after a wait, the next one is the first again.
const CALM: Duration = Duration::from_secs(10);

/// Doublings after which [`LONGEST_WAIT`] is surely reached; more would overflow.
const MOST_DOUBLINGS: u32 = 6;

/// A streak of failures.
#[derive(Debug, Clone, Default)]
pub(super) struct BackOff {
    failures: u32,
    until: Time,
}

impl BackOff {
    /// Counts a failure; returns the wait that it starts, if it starts one. Failures during a wait come from tries
    /// made before it (a pool dies all at once), so they lengthen nothing.
    pub(super) fn fail(&mut self, now: Time) -> Option<Duration> {
        if self.blocks(now) {
            return None;
        }
        if now.since(self.until) > CALM {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        let delay = delay(self.failures);
        self.until = now + delay;
        (!delay.is_zero()).then_some(delay)
    }

    /// Whether the next try must wait.
    pub(super) fn blocks(&self, now: Time) -> bool {
        now < self.until
    }

    /// When the wait ends; in the past when there is none.
    pub(super) fn until(&self) -> Time {
        self.until
    }

    /// Whether anything has failed yet.
    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }
}

/// The wait after this many failures in a row.
fn delay(failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        more => (FIRST_WAIT * 2_u32.pow((more - 2).min(MOST_DOUBLINGS))).min(LONGEST_WAIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_micros(1_000_000_000 + millis * 1000)
    }

    #[test]
    fn the_first_failure_is_free_and_then_the_wait_doubles_up_to_a_limit() {
        let mut backoff = BackOff::default();
        let mut now = at(0);
        let mut waits = Vec::new();
        for _ in 0..10 {
            waits.push(backoff.fail(now).map_or(0, |wait| wait.as_millis()));
            now = backoff.until();
        }
        assert_eq!(waits, [0, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
    }

    #[test]
    fn a_pool_that_dies_all_at_once_counts_once() {
        let mut backoff = BackOff::default();
        assert_eq!(backoff.fail(at(0)), None);
        assert_eq!(backoff.fail(at(1)), Some(FIRST_WAIT));
        assert_eq!(backoff.fail(at(2)), None);
        assert_eq!(backoff.until(), at(501));
    }

    #[test]
    fn calm_ends_the_streak() {
        let mut backoff = BackOff::default();
        backoff.fail(at(0));
        backoff.fail(at(1));
        assert!(backoff.blocks(at(500)));
        assert!(!backoff.blocks(at(501)));
        assert_eq!(backoff.fail(at(501) + CALM + Duration::from_millis(1)), None);
    }

    #[test]
    fn no_number_of_failures_overflows() {
        assert_eq!(delay(u32::MAX), LONGEST_WAIT);
    }
}

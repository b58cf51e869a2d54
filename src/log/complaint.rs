//! A trouble that lasts is told now and then, not each time that it shows.

use std::time::Duration;

use crate::time::Time;

/// Least time between two lines in the log about one trouble.
const INTERVAL: Duration = Duration::from_secs(10);

/// When the log was told of a trouble last.
#[derive(Debug, Clone, Copy, Default)]
pub struct Complaint(Option<Time>);

impl Complaint {
    /// Whether the log is to be told at `now`; then it counts as told.
    pub fn is_due(&mut self, now: Time) -> bool {
        let is_due = self.0.is_none_or(|last| now - last >= INTERVAL);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_at_first_and_after_each_interval() {
        let (mut complaint, start) = (Complaint::default(), Time::from_micros(7));
        let due = [0, 9, 10, 19, 21].map(|seconds| complaint.is_due(start + Duration::from_secs(seconds)));
        assert_eq!(due, [true, false, true, false, true]);
    }
}

//! Whether the client is still there: pings, and how long to wait for an answer.
//!
//! Whatever arrives is a sign of life, not only a pong: a client in the middle of a long frame can send none (RFC 6455,
//! section 5.4). So only who is silent is asked.
//!
//! ```text
//!   Quiet --- interval ---> Asked --- timeout ---> lost
//!     ^                       |
//!     '------- any byte ------'
//! ```

use std::time::Duration;

use crate::time::Time;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// A ping is to be sent.
    Ping,
    /// The client has not answered one.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The last sign of life.
    Quiet(Time),
    /// When it was asked for one.
    Asked(Time),
    /// Nothing is read, so nothing can be heard.
    Deaf,
}

/// The state of one client.
#[derive(Debug, Clone)]
pub(super) struct Liveness {
    interval: Option<Duration>,
    timeout: Option<Duration>,
    state: State,
}

impl Liveness {
    pub(super) fn new(interval: Option<Duration>, timeout: Option<Duration>, now: Time) -> Self {
        Self { interval, timeout, state: State::Quiet(now) }
    }

    /// Something has arrived.
    pub(super) fn hear(&mut self, now: Time) {
        if self.state != State::Deaf {
            self.state = State::Quiet(now);
        }
    }

    /// Whether the driver reads what arrives. When it begins to again, the client gets its whole time anew.
    pub(super) fn listen(&mut self, is_reading: bool, now: Time) {
        match (is_reading, self.state) {
            (false, _) => self.state = State::Deaf,
            (true, State::Deaf) => self.state = State::Quiet(now),
            (true, State::Quiet(_) | State::Asked(_)) => {}
        }
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Time> {
        match self.state {
            State::Quiet(since) => Some(since + self.interval?),
            // Without a timeout a ping only keeps the way open, through whatever forgets connections that are silent.
            State::Asked(since) => Some(since + self.timeout.or(self.interval)?),
            State::Deaf => None,
        }
    }

    /// What is due now; it is taken for done.
    pub(super) fn on_time(&mut self, now: Time) -> Option<Due> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        if matches!(self.state, State::Asked(_)) && self.timeout.is_some() {
            return Some(Due::Lost);
        }
        self.state = State::Asked(now);
        Some(Due::Ping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Option<Duration> = Some(Duration::from_secs(20));
    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(5));

    fn at(seconds: u64) -> Time {
        Time::from_micros((1000 + seconds) * 1_000_000)
    }

    #[test]
    fn a_silent_client_is_asked_and_lost_if_it_does_not_answer() {
        let mut liveness = Liveness::new(INTERVAL, TIMEOUT, at(0));
        assert_eq!((liveness.deadline(), liveness.on_time(at(19))), (Some(at(20)), None));
        assert_eq!(liveness.on_time(at(20)), Some(Due::Ping));
        assert_eq!((liveness.deadline(), liveness.on_time(at(24))), (Some(at(25)), None));
        assert_eq!(liveness.on_time(at(25)), Some(Due::Lost));
    }

    #[test]
    fn whatever_arrives_puts_the_ping_off() {
        let mut liveness = Liveness::new(INTERVAL, TIMEOUT, at(0));
        liveness.hear(at(15));
        assert_eq!(liveness.on_time(at(20)), None);
        assert_eq!(liveness.on_time(at(36)), Some(Due::Ping));
        liveness.hear(at(37));
        assert_eq!((liveness.deadline(), liveness.on_time(at(45))), (Some(at(57)), None));
    }

    #[test]
    fn who_is_not_read_is_not_lost() {
        let mut liveness = Liveness::new(INTERVAL, TIMEOUT, at(0));
        assert_eq!(liveness.on_time(at(20)), Some(Due::Ping));
        liveness.listen(false, at(21));
        assert_eq!((liveness.deadline(), liveness.on_time(at(99))), (None, None));
        liveness.hear(at(100));
        assert_eq!(liveness.deadline(), None);
        liveness.listen(true, at(101));
        liveness.listen(true, at(102));
        assert_eq!(liveness.deadline(), Some(at(121)));
    }

    #[test]
    fn without_a_timeout_nobody_is_lost_and_without_an_interval_nobody_is_asked() {
        let mut liveness = Liveness::new(INTERVAL, None, at(0));
        assert_eq!([20, 40, 60].map(|second| liveness.on_time(at(second))), [Some(Due::Ping); 3]);
        assert_eq!(Liveness::new(None, TIMEOUT, at(0)).deadline(), None);
    }
}

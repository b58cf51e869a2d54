//! The value of `Date` (RFC 9110, section 6.6.1), written once a second.

use std::cell::Cell;
use std::time::{Duration, UNIX_EPOCH};

use crate::sys::clock;

/// Bytes of an IMF-fixdate (RFC 9110, section 5.6.7).
const LENGTH: usize = 29;

thread_local! {
    static LAST: Cell<(Duration, [u8; LENGTH])> =
        const { Cell::new((Duration::ZERO, *b"Thu, 01 Jan 1970 00:00:00 GMT")) };
}

/// Now, as an IMF-fixdate.
pub(super) fn now() -> [u8; LENGTH] {
    at(clock::unix_time())
}

/// `time` since the Unix epoch in whole seconds, as an IMF-fixdate.
fn at(time: Duration) -> [u8; LENGTH] {
    let (last, text) = LAST.get();
    if last == time {
        return text;
    }
    let formatted = httpdate::fmt_http_date(UNIX_EPOCH + time);
    let text = formatted.as_bytes().try_into().unwrap_or(text);
    LAST.set((time, text));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_clock() {
        assert_eq!(&at(Duration::from_secs(784_111_777)), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(&at(Duration::from_secs(784_111_777)), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(&at(Duration::from_secs(784_111_778)), b"Sun, 06 Nov 1994 08:49:38 GMT");
        assert_eq!(&at(Duration::ZERO), b"Thu, 01 Jan 1970 00:00:00 GMT");
    }
}

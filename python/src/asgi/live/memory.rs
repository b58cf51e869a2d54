//! What a WebSocket keeps, charged to the worker's memory, and what becomes of it when there is none.

use gunicorn::http::ws::CloseCode;
use gunicorn::reactor::UNCHARGED_BYTES;
use gunicorn::time::Time;

use super::{BUFFER_BYTES, Live, News};

impl Live {
    /// How many bytes may be read now; 0: its message in progress has to wait for memory.
    ///
    /// # Errors
    /// It has waited for long enough, or will wait in vain: it is closed. Or it has gone meanwhile.
    pub(super) fn room(&mut self, now: Time) -> Result<usize, News> {
        let held = self.held(0);
        if held == 0 && !self.upgraded.is_memory_full() {
            return Ok(BUFFER_BYTES);
        }
        let wanted = self.held(BUFFER_BYTES);
        if wanted > 0 && self.upgraded.may_hold(wanted) {
            self.hungry_until = None;
            return Ok(BUFFER_BYTES);
        }
        if held < UNCHARGED_BYTES {
            return Ok(UNCHARGED_BYTES - held);
        }
        if self.upgraded.has_hung_up() {
            return Err(News::Broken);
        }
        if !self.upgraded.might_hold(wanted) || *self.hungry_until.get_or_insert(now + self.write_timeout) <= now {
            return Err(self.refuse(now, wanted));
        }
        Ok(0)
    }

    /// Charges what is held now. `false`: what a message was decompressed to has no room.
    pub(super) fn settle(&mut self) -> bool {
        let (held, before) = (self.held(0), self.upgraded.held());
        if held == 0 && before == 0 {
            return true;
        }
        let is_allowed = self.upgraded.hold(held);
        self.has_freed |= self.upgraded.held() < before;
        // What is beyond was read before anybody could know: one message that was, and what came with it.
        is_allowed || held <= 2 * BUFFER_BYTES + UNCHARGED_BYTES
    }

    /// There is no room for what was decompressed.
    pub(super) fn refuse_what_is_held(&mut self, now: Time) -> News {
        self.refuse(now, self.held(0))
    }

    /// Whether it holds less than when this was asked last.
    pub(in crate::asgi) fn take_freed(&mut self) -> bool {
        std::mem::take(&mut self.has_freed)
    }

    /// Whether it waits for memory.
    pub(in crate::asgi) fn is_hungry(&self) -> bool {
        self.hungry_until.is_some()
    }

    /// Bytes that are kept, or will be when `more` of a message in progress have come.
    fn held(&self, more: usize) -> usize {
        self.websocket.held(more) + self.untaken + self.rest.capacity()
    }

    /// It is closed, since there is no room for so many bytes.
    fn refuse(&mut self, now: Time, wanted: usize) -> News {
        let (code, reason) = match self.upgraded.might_hold(wanted) {
            true => (CloseCode::TRY_AGAIN_LATER, "the server has no memory left"),
            false => (CloseCode::TOO_BIG, "the message is larger than the server's memory"),
        };
        self.upgraded.complain_of_memory(reason);
        let mut out = Vec::new();
        self.websocket.give_up(code, reason, &mut out);
        match self.answer(now, &out) {
            Ok(()) => News::Closed(code.get(), reason.into()),
            Err(_) => News::Broken,
        }
    }
}

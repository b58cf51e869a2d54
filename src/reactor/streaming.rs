//! A request body that is read by the application's thread while it arrives: for worker kinds whose threads may wait
//! for a client. The reactor has handed the exchange out before the body was whole.

use std::os::fd::AsFd;

use super::exchange::Exchange;
use super::input::Fill;
use crate::http::ProtocolError;
use crate::sys::{clock, poll};
use crate::time::Time;

/// Bytes of a body that must have arrived before it is streamed: shorter ones are waited for by the reactor, where that
/// costs no thread.
pub(super) const STREAMED_FROM: usize = 128 * 1024;

/// Why the rest of a body cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BodyError {
    /// The client has gone, or has ended its side (RFC 9112, section 8).
    #[error("the client has gone before the request body was complete")]
    Gone,
    /// It sends more slowly than it may.
    #[error("the request body arrives too slowly")]
    TooSlow,
    /// The framing is broken, or the body is longer than it may be.
    #[error("{0}")]
    Protocol(ProtocolError),
}

impl BodyError {
    /// Status of the answer, where nothing has been answered yet.
    pub fn status(&self) -> u16 {
        match self {
            Self::Gone => 400,
            Self::TooSlow => 408,
            Self::Protocol(error) => error.status(),
        }
    }
}

impl Exchange {
    /// Whether there may be more of the body than [`Exchange::take_body`] has given.
    pub fn is_body_open(&self) -> bool {
        !self.work.decoder.is_done()
    }

    /// Why reading the body has failed, if it has.
    pub fn body_error(&self) -> Option<&BodyError> {
        self.work.body_error.as_ref()
    }

    /// The next bytes of an open body, once there are any; empty at its end. Waits for the client, within the times
    /// that it has.
    ///
    /// # Errors
    /// The rest cannot be had, now or later.
    pub fn read_body(&mut self) -> Result<Vec<u8>, BodyError> {
        if let Some(error) = &self.work.body_error {
            return Err(error.clone());
        }
        let read = self.try_read_body();
        if let Err(error) = &read {
            self.work.body_error = Some(error.clone());
        }
        read
    }

    fn try_read_body(&mut self) -> Result<Vec<u8>, BodyError> {
        let pause = clock::now() + self.connection.patience.pause;
        loop {
            if let Some(data) = self.next_of_body()? {
                return Ok(data);
            }
            self.await_body(pause)?;
        }
    }

    /// What has arrived; empty at the end, `None` when nothing has.
    pub(super) fn next_of_body(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        loop {
            let work = &mut *self.work;
            let decoded = work.decoder.decode(work.input.pending_mut()).map_err(BodyError::Protocol)?;
            let data = work.input.pending().get(decoded.data).unwrap_or_default().to_vec();
            work.input.discard(decoded.consumed);
            self.connection.note_body(data.len());
            if !data.is_empty() || decoded.done {
                return Ok(Some(data));
            }
            match work.input.fill(&mut self.connection.stream) {
                Ok(Fill::Some | Fill::Drained) => {}
                Ok(Fill::Blocked) => return Ok(None),
                Ok(Fill::End | Fill::Full | Fill::Refused) | Err(_) => return Err(BodyError::Gone),
            }
        }
    }

    /// Waits for bytes, until this time at most and no longer than the rate allows.
    fn await_body(&self, pause: Time) -> Result<(), BodyError> {
        let until = self.connection.slowest(self.connection.patience.pause).map_or(pause, |slowest| slowest.min(pause));
        loop {
            let left = until - clock::now();
            if left.is_zero() {
                return Err(BodyError::TooSlow);
            }
            match poll::readable(&[self.connection.stream.as_fd()], Some(left)) {
                Ok(ready) if ready.first() == Some(&true) => return Ok(()),
                Ok(_) => {}
                Err(_) => return Err(BodyError::Gone),
            }
        }
    }
}

//! The sending side of a connection: at once what the socket takes, the rest from the queue.

use std::fs::File;
use std::io::{self, IoSlice, Write};

use super::{Connection, TURN_BYTES};
use crate::reactor::exchange::Payload;
use crate::reactor::output::Flushed;

impl Connection {
    /// Sends the parts: at once what the socket takes, the rest from the queue.
    pub(in crate::reactor) fn send(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        if !self.output.is_empty() {
            self.output.push_rest(parts, 0);
            return self.flush().map(drop);
        }
        let sent = self.try_send(parts)?;
        if sent < parts.iter().map(|part| part.len()).sum() {
            self.output.push_rest(parts, sent);
        }
        Ok(())
    }

    /// As `send`, for the first `take` bytes of a payload, which are never copied, and what goes before and after it.
    pub(in crate::reactor) fn send_owned(
        &mut self,
        before: &[&[u8]; 2],
        payload: Box<dyn Payload>,
        take: usize,
        after: &[u8],
    ) -> io::Result<()> {
        let is_first = self.output.is_empty();
        let bytes = (*payload).as_ref().get(..take).unwrap_or_default();
        let sent = if is_first { self.try_send(&[before[0], before[1], bytes, after])? } else { 0 };
        let skip = self.output.push_rest(before, sent);
        self.output.push_owned(payload, skip.min(take)..take);
        self.output.push_rest(&[after], skip.saturating_sub(take));
        if is_first { Ok(()) } else { self.flush().map(drop) }
    }

    /// As `send`, for a file (with offset and length), and what goes before and after it.
    pub(in crate::reactor) fn send_file(
        &mut self,
        before: &[&[u8]; 2],
        file: (File, u64, u64),
        after: &[u8],
    ) -> io::Result<()> {
        self.output.push_rest(before, 0);
        self.output.push_file(file.0, file.1, file.2);
        self.output.push(after);
        self.flush().map(drop)
    }

    /// Sends what the queue holds, as far as the socket takes it and not so much that others would have to wait.
    pub(in crate::reactor) fn flush(&mut self) -> io::Result<Flushed> {
        let most = self.moved + TURN_BYTES;
        self.output.flush(&mut self.stream, &mut self.moved, most)
    }

    /// Has the flusher send what the queue holds; `false`: it cannot.
    pub(in crate::reactor) fn hand_over(&mut self) -> bool {
        self.output.hand_over(&self.stream)
    }

    /// One write past the queue.
    fn try_send(&mut self, parts: &[&[u8]]) -> io::Result<usize> {
        let sent = match parts {
            [part] => self.stream.write(part),
            _ => {
                let mut slices = [IoSlice::new(&[]); 4];
                slices.iter_mut().zip(parts).for_each(|(slice, part)| *slice = IoSlice::new(part));
                self.stream.write_vectored(&slices)
            }
        };
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            sent => sent,
        }
    }
}

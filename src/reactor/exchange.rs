//! One request and its response, checked out of the reactor while the application runs.
//!
//! Whoever runs the application writes the response through it, straight to the socket. What the socket does not take
//! waits, in memory or in a file, for the reactor, which goes on with it when the exchange has ended; that of an
//! application which makes its body part by part the flusher sends meanwhile. So a slow client holds nobody
//! within the bounds of the worker; beyond them, whoever writes waits for the client.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

pub use super::body::RequestBody;
use super::config::Heartbeat;
use super::connection::Connection;
use super::date;
pub use super::output::OUTPUT_BYTES;
use super::response::{Response, Stage};
use super::work::Work;
use crate::http::h1::{ERROR_PAGE_TYPE, Finish, RequestContext, encode_early_hints, error_page};
use crate::http::{Head, ProxyHeader, Version, reason_phrase};
pub use crate::http::{ResponseError, ResponseHead};
use crate::log;
use crate::net::Address;
use crate::sys::clock;
use crate::sys::poll::has_hung_up;
use crate::sys::writable::wait_writable;

/// How long an application that makes its body part by part waits for a client that is a little behind, before the
/// flusher takes over: a client that reads as it should costs no thread so, and the application does not run away.
const PATIENCE: Duration = Duration::from_millis(5);

/// Up to this size a part of the body is copied behind the head and sent with it by one write(2), in bytes: for so
/// few, copying is cheaper than a scattered write.
const JOINED_BYTES: usize = 4096;

/// Bytes that somebody else owns (a Python `bytes`, say) and that are sent without being copied.
pub trait Payload: AsRef<[u8]> + Send {}
impl<T: AsRef<[u8]> + Send> Payload for T {}

/// One request and its response. Owns the connection while it lives; goes back by `Reactor::complete`.
#[derive(Debug)]
pub struct Exchange {
    pub(super) place: usize,
    pub(super) connection: Box<Connection>,
    pub(super) work: Box<Work>,
    /// How long the client may pause while somebody waits for it.
    pub(super) write_timeout: Duration,
    /// What is told that waiting for the client is not the application's delay.
    pub(super) heartbeat: Option<Heartbeat>,
    /// Whether the server wants another request on the connection.
    pub(super) persist: bool,
    /// Whether the writer may be made to wait for the client.
    pub(super) waits: bool,
}

impl Exchange {
    /// The request's head.
    pub fn head(&self) -> Head<'_> {
        Head { bytes: self.work.input.head(), parsed: &self.work.head }
    }

    /// The other end.
    pub fn peer(&self) -> &Address {
        &self.connection.peer
    }

    /// Our end: what the listener is bound to.
    pub fn local(&self) -> &Address {
        &self.connection.local
    }

    /// The client's address: what a trusted proxy tells, else the other end's. `None`: it has none, being connected by
    /// a Unix socket.
    pub fn client(&self) -> Option<SocketAddr> {
        let proxied = self.proxied().and_then(|header| header.addresses);
        match (&self.connection.peer, self.work.head.told.client, proxied) {
            (_, Some(client), _) | (_, None, Some((client, _))) => Some(client),
            (Address::Inet(peer), None, None) => Some(*peer),
            (Address::Unix(_), None, None) => None,
        }
    }

    /// What a PROXY protocol header has told of the connection.
    pub fn proxied(&self) -> Option<&ProxyHeader> {
        self.connection.proxied.as_deref()
    }

    /// Whether the client has come by `https`, as a trusted proxy tells.
    pub fn is_secure(&self) -> bool {
        self.work.head.told.is_secure.unwrap_or(false)
    }

    /// Where the application is mounted, as a trusted proxy tells.
    pub fn script_name(&self) -> Option<&[u8]> {
        self.work.head.told.script_name.map(|value| value.of(self.work.input.head()))
    }

    /// Descriptor of the client's socket, for `gunicorn.socket`. Owned by the exchange.
    pub fn as_raw_fd(&self) -> RawFd {
        self.connection.stream.as_raw_fd()
    }

    /// Whether the client has closed its side, or has vanished. One that has only said that it sends no more may still
    /// read: who asks this decides what it means.
    pub fn is_client_gone(&self) -> bool {
        has_hung_up(self.connection.stream.as_fd()).unwrap_or(true)
    }

    /// Takes the body out; a second call gives an empty one.
    pub fn take_body(&mut self) -> RequestBody {
        std::mem::take(&mut self.work.body)
    }

    /// Makes this the last request of its connection, if the response has not started.
    pub fn close_after(&mut self) {
        self.persist = false;
    }

    /// Sends a 103 at once (RFC 8297). Does nothing to a 1.0 client or when the response has started.
    ///
    /// # Errors
    /// A field that cannot be sent.
    pub fn early_hints(&mut self, fields: &[(&[u8], &[u8])]) -> Result<(), ResponseError> {
        if self.work.head.version < Version::Http11 || self.is_head_sent() {
            return Ok(());
        }
        self.make_room()?;
        let mut hints = Vec::new();
        encode_early_hints(fields, &mut hints)?;
        let sent = self.connection.send(&[&hints]);
        self.settle(sent)
    }

    /// Starts the final response: checks and encodes the head, decides the framing. The bytes leave with the first
    /// `write`, or with `finish`; until then another head may be started instead. `body_length` is what the
    /// caller knows of the body when it has the whole of it in hand (used only if the fields hold no Content-Length).
    ///
    /// # Errors
    /// A head that cannot be sent; then nothing has changed and another head may be started.
    pub fn start(&mut self, head: &ResponseHead<'_>, body_length: Option<u64>) -> Result<(), ResponseError> {
        let request = RequestContext {
            version: self.work.head.version,
            is_head: self.head().method() == b"HEAD",
            // What is left of a body that may never be read would be taken for the next request.
            keep_alive: self.persist
                && self.work.head.keep_alive
                && self.work.decoder.is_done()
                && !self.connection.closes.load(Relaxed),
        };
        let response = &mut self.work.response;
        if response.is_head_sent {
            return Ok(());
        }
        let replaced = response.head.len();
        response.encoder.start(head, request, body_length, &date::now(), &mut response.head)?;
        response.head.drain(..replaced);
        response.status = head.status;
        response.given = 0;
        if response.encoder.has_left_out() {
            self.complain_of_hop_by_hop();
        }
        Ok(())
    }

    /// What belongs to the connection is none of the application's (PEP 3333; ASGI, "Response Start"). It is told once
    /// in a process, since an application that does so does it all the time.
    fn complain_of_hop_by_hop(&self) {
        static TOLD: AtomicBool = AtomicBool::new(false);
        if !TOLD.swap(true, Relaxed) {
            let (method, target) = (self.head().method().escape_ascii(), self.head().target().escape_ascii());
            log::warning!(
                "Response to {method} {target}: hop-by-hop headers are the server's (RFC 9110, section 7.6.1), the \
                 application's are not sent"
            );
        }
    }

    /// Whether any byte of the final response may have left (after that, only `abort` can end it early).
    pub fn is_head_sent(&self) -> bool {
        self.work.response.is_head_sent
    }

    /// Sends a part of the body. Bytes beyond the Content-Length are dropped, bytes for a response without a body
    /// (HEAD, 204, 304) too. What the socket does not take at once goes into the output buffer. Waits for the client
    /// first if that is beyond its bounds.
    ///
    /// # Errors
    /// [`ResponseError::Gone`].
    pub fn write(&mut self, data: &[u8]) -> Result<(), ResponseError> {
        self.make_room()?;
        let response = &mut self.work.response;
        let frame = response.encoder.frame(data.len());
        response.given += data.len() as u64;
        match data.get(..frame.take) {
            None | Some([]) => Ok(()),
            Some(data) => self.send_behind_head([frame.prefix(), data, frame.suffix()]),
        }
    }

    /// As `write`, without copying what the socket does not take at once.
    ///
    /// # Errors
    /// [`ResponseError::Gone`].
    pub fn write_owned(&mut self, data: Box<dyn Payload>) -> Result<(), ResponseError> {
        self.make_room()?;
        let response = &mut self.work.response;
        let length = (*data).as_ref().len();
        let frame = response.encoder.frame(length);
        response.given += length as u64;
        if frame.take == 0 {
            return Ok(());
        }
        let head = if response.is_head_sent { &[][..] } else { &response.head };
        let sent = self.connection.send_owned(&[head, frame.prefix()], data, frame.take, frame.suffix());
        response.is_head_sent = true;
        self.settle(sent)
    }

    /// Sends `length` bytes of `file` from `offset`, by sendfile(2) where the transport can.
    ///
    /// # Errors
    /// [`ResponseError::Gone`].
    pub fn send_file(&mut self, file: File, offset: u64, length: u64) -> Result<(), ResponseError> {
        self.make_room()?;
        let response = &mut self.work.response;
        let frame = response.encoder.frame(usize::try_from(length).unwrap_or(usize::MAX));
        // Content-Length is a way to say how much of the file is meant.
        response.given += frame.take as u64;
        if frame.take == 0 {
            return Ok(());
        }
        let head = if response.is_head_sent { &[][..] } else { &response.head };
        let sent =
            self.connection.send_file(&[head, frame.prefix()], (file, offset, frame.take as u64), frame.suffix());
        response.is_head_sent = true;
        self.settle(sent)
    }

    /// Ends the response: flushes the head if the body was empty, writes the last chunk. A response that
    /// fell short of its Content-Length closes the connection.
    ///
    /// # Errors
    /// [`ResponseError::Gone`].
    pub fn finish(&mut self) -> Result<(), ResponseError> {
        self.finish_with(&[])
    }

    /// As `finish`, with trailers, which have been checked by [`ResponseHead::check`]. A client that gets no chunks
    /// gets none.
    ///
    /// # Errors
    /// [`ResponseError::Gone`].
    pub fn finish_with(&mut self, trailers: &[(&[u8], &[u8])]) -> Result<(), ResponseError> {
        // A part that was kept against the bounds is not left to the reactor; for the few bytes that may come now
        // nobody has to make room.
        self.make_room()?;
        self.check_length();
        let mut last = Vec::new();
        let finish = self.work.response.encoder.finish_with(trailers, &mut last);
        if !self.is_head_sent() || !last.is_empty() {
            self.send_behind_head([&last, &[], &[]])?;
        }
        self.work.response.stage = if finish == Finish::KeepAlive { Stage::KeepAlive } else { Stage::Close };
        Ok(())
    }

    /// Answers with this status and, where there is something to say, `detail`, instead of the application; the
    /// connection is closed after it. Cuts the response if its head has been sent.
    pub fn refuse(&mut self, status: u16, detail: &str) {
        if self.is_head_sent() {
            return self.abort();
        }
        self.close_after();
        let page = error_page(status, detail);
        let fields: [(&[u8], &[u8]); 1] = [(b"Content-Type", ERROR_PAGE_TYPE)];
        let head = ResponseHead { status, reason: reason_phrase(status).as_bytes(), fields: &fields };
        let sent = self.start(&head, Some(page.len() as u64)).and_then(|()| self.write(page.as_bytes()));
        if sent.and_then(|()| self.finish()).is_err() {
            self.abort();
        }
    }

    /// Cuts the response: what is buffered may still leave, then the connection is closed without the last chunk,
    /// so that the client sees that it is incomplete.
    pub fn abort(&mut self) {
        if self.work.response.stage != Stage::Gone {
            self.work.response.stage = Stage::Close;
        }
    }

    /// Status sent (0: none yet) and body bytes sent so far, for the access log.
    pub fn sent(&self) -> (u16, u64) {
        let response = &self.work.response;
        (response.status, response.encoder.body_bytes())
    }

    /// The head of the response as it was encoded, for the access log. Empty before `start`.
    pub fn response_head(&self) -> &[u8] {
        &self.work.response.head
    }

    /// Whether the next step of the response, of `length` bytes, may write to a file or wait for the client. Who holds
    /// a lock that others need (an interpreter's, say) gives it up for that.
    pub fn may_take_time(&self, length: usize) -> bool {
        length > OUTPUT_BYTES || self.connection.output.is_handed_over() || !self.connection.output.is_empty()
    }

    /// Waits until the output buffer is within its bounds.
    fn make_room(&mut self) -> Result<(), ResponseError> {
        while self.waits && self.connection.output.is_full() {
            self.wait_for_client()?;
        }
        self.check_open()
    }

    /// Whether something that the application has given is here and nobody sends it, while it makes the next part. When
    /// the body is complete nothing depends on what the application does next: that is left to the reactor.
    pub fn is_behind(&self) -> bool {
        let output = &self.connection.output;
        !output.is_handed_over() && !output.is_empty() && !self.work.response.encoder.is_body_complete()
    }

    /// Sees to it that what is here is sent while the application makes the next part (PEP 3333, "Buffering and
    /// Streaming"): by the flusher, if the client does not take it right now. Waits for the client only where
    /// that cannot be.
    ///
    /// # Errors
    /// [`ResponseError::Gone`], also when the client takes nothing for too long, and when the response has ended.
    pub fn catch_up(&mut self) -> Result<(), ResponseError> {
        self.await_briefly()?;
        if self.is_behind() && !self.connection.hand_over() {
            while self.is_behind() {
                self.wait_for_client()?;
            }
        }
        self.check_open()
    }

    /// The application is going to use the socket itself: waits until what it has given so far is sent, and has nothing
    /// sent behind its back from now on.
    ///
    /// # Errors
    /// As [`Self::catch_up`].
    pub fn lend_socket(&mut self) -> Result<(), ResponseError> {
        self.connection.output.lend();
        while self.is_behind() {
            self.wait_for_client()?;
        }
        self.check_open()
    }

    /// Waits for a client that is just reading, for a moment.
    fn await_briefly(&mut self) -> Result<(), ResponseError> {
        let end = clock::now() + PATIENCE;
        while self.is_behind() && clock::now() < end {
            match wait_writable(self.connection.stream.as_fd(), end - clock::now()) {
                Ok(true) if self.connection.flush().is_err() => return self.gone(),
                Ok(true) => {}
                Ok(false) | Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Waits until the client takes something, and sends that. The worker is not late meanwhile.
    fn wait_for_client(&mut self) -> Result<(), ResponseError> {
        self.connection.output.take_back();
        let put_off = |wait| self.heartbeat.iter().for_each(|heartbeat| heartbeat.put_off(wait));
        put_off(self.write_timeout);
        let is_writable = wait_writable(self.connection.stream.as_fd(), self.write_timeout);
        put_off(Duration::ZERO);
        if matches!(is_writable, Ok(true)) && self.connection.flush().is_ok() { Ok(()) } else { self.gone() }
    }

    /// Warns of a body that is not as long as was announced: the client's view of it depends on the number alone.
    fn check_length(&self) {
        let Response { encoder, given, .. } = &self.work.response;
        if let Some(announced) = encoder.announced().filter(|announced| announced != given) {
            let (method, target) = (self.head().method().escape_ascii(), self.head().target().escape_ascii());
            log::warning!(
                "Response to {method} {target}: Content-Length is {announced}, but the body has {given} bytes"
            );
        }
    }

    /// The response can still be added to.
    fn check_open(&mut self) -> Result<(), ResponseError> {
        match self.work.response.stage {
            Stage::Open if self.connection.output.is_open(self.write_timeout) => Ok(()),
            Stage::Open => self.gone(),
            _ => Err(ResponseError::Gone),
        }
    }

    /// Sends the parts, and the head before them if it has not been sent.
    fn send_behind_head(&mut self, parts: [&[u8]; 3]) -> Result<(), ResponseError> {
        let response = &mut self.work.response;
        let sent = if response.is_head_sent {
            self.connection.send(&parts)
        } else if parts.iter().map(|part| part.len()).sum::<usize>() <= JOINED_BYTES {
            let length = response.head.len();
            parts.iter().for_each(|part| response.head.extend_from_slice(part));
            let sent = self.connection.send(&[&response.head]);
            response.head.truncate(length);
            sent
        } else {
            self.connection.send(&[&response.head, parts[0], parts[1], parts[2]])
        };
        response.is_head_sent = true;
        self.settle(sent)
    }

    /// What a send means for the response.
    fn settle(&mut self, sent: io::Result<()>) -> Result<(), ResponseError> {
        if sent.is_ok() { Ok(()) } else { self.gone() }
    }

    /// The client has gone.
    ///
    /// # Errors
    /// [`ResponseError::Gone`], always.
    pub fn lose(&mut self) -> Result<(), ResponseError> {
        self.gone()
    }

    fn gone(&mut self) -> Result<(), ResponseError> {
        self.work.response.stage = Stage::Gone;
        Err(ResponseError::Gone)
    }
}

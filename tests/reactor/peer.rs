//! A client by chance: what it sends, how it reads, and what it is like in the end.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use socket2::SockRef;

use super::random::Random;

/// What it does at last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// Sends all that it has to send, and reads all that comes.
    Good,
    /// Does nothing more, and stays.
    Silent,
    /// Sends everything and reads nothing.
    Deaf,
    /// Goes.
    Leaving,
}

pub(super) struct Peer {
    stream: TcpStream,
    nature: Nature,
    script: Vec<u8>,
    sent: usize,
    requests: usize,
    /// Responses that have come whole.
    responses: usize,
    received: usize,
    got: Vec<u8>,
    /// Bytes that are missing of the response whose head has come.
    missing: usize,
    is_over: bool,
    is_shut: bool,
}

/// A request: now and then a large response, a long body, or none at all.
fn request(random: &mut Random) -> Vec<u8> {
    let size = match random.between(0, 5) {
        0 => random.between(1_000_000, 4_000_000),
        1 => random.between(50_000, 300_000),
        _ => random.between(0, 100),
    };
    let body = vec![
        b'b';
        usize::try_from([0, 10, 700_000, 1_500_000][usize::try_from(random.between(0, 3)).unwrap()])
            .unwrap()
    ];
    match random.between(0, 3) {
        0 => {
            let head = format!("POST /{size} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
            [head.into_bytes(), body].concat()
        }
        1 if !body.is_empty() => {
            let head =
                format!("POST /{size} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len());
            [head.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat()
        }
        _ => format!("GET /{size} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes(),
    }
}

impl Peer {
    /// One of any nature, or one that is good or goes.
    pub(super) fn new(address: SocketAddr, is_any: bool, random: &mut Random) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        SockRef::from(&stream).set_send_buffer_size(16 * 1024).unwrap();
        stream.set_nonblocking(true).unwrap();
        let requests = usize::try_from(random.between(1, 4)).unwrap();
        let script = (0..requests).flat_map(|_| request(random)).collect();
        let bad = if is_any { 2 } else { 0 };
        let nature =
            random.pick(&[(5, Nature::Good), (bad, Nature::Silent), (bad, Nature::Deaf), (1, Nature::Leaving)]);
        Self {
            stream,
            nature,
            script,
            sent: 0,
            requests,
            responses: 0,
            received: 0,
            got: Vec::new(),
            missing: 0,
            is_over: false,
            is_shut: false,
        }
    }

    pub(super) fn nature(&self) -> Nature {
        self.nature
    }

    /// How many bytes have gone to it and from it.
    pub(super) fn moved(&self) -> usize {
        self.sent + self.received
    }

    /// For a message.
    pub(super) fn state(&self) -> String {
        let Self { nature, sent, script, requests, responses, missing, .. } = self;
        format!("{nature:?}: {sent} of {} sent, {responses} of {requests} had, {missing} missing", script.len())
    }

    /// Does one thing; whether it is gone after that.
    pub(super) fn act(&mut self, random: &mut Random) -> bool {
        match random.between(0, 19) {
            0..=8 => {
                let most = random.pick(&[(3, 20), (2, 2_000), (5, usize::MAX)]);
                self.send(most);
            }
            9..=17 => {
                let most = random.pick(&[(2, 100), (2, 100_000), (5, usize::MAX)]);
                self.read(most);
            }
            18 if self.nature != Nature::Good && self.sent == self.script.len() => self.shut(),
            19 => return self.nature == Nature::Leaving,
            _ => {}
        }
        false
    }

    /// Does what its nature is; whether nothing more is to be expected of it.
    pub(super) fn finish(&mut self) -> bool {
        match self.nature {
            Nature::Leaving => true,
            Nature::Silent => false,
            Nature::Deaf => {
                self.send(usize::MAX);
                false
            }
            Nature::Good => {
                self.send(usize::MAX);
                self.read(usize::MAX);
                self.is_over || self.responses == self.requests
            }
        }
    }

    fn shut(&mut self) {
        if !std::mem::replace(&mut self.is_shut, true) {
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }

    fn send(&mut self, most: usize) {
        let end = self.script.len().min(self.sent.saturating_add(most));
        while self.sent < end && !self.is_shut {
            match self.stream.write(&self.script[self.sent..end]) {
                Ok(length) => self.sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // It may have been answered before it had sent everything.
                Err(_) => return self.is_shut = true,
            }
        }
    }

    fn read(&mut self, mut most: usize) {
        let mut buffer = [0; 65536];
        while most > 0 && !self.is_over {
            let room = most.min(buffer.len());
            match self.stream.read(&mut buffer[..room]) {
                Ok(0) => self.is_over = true,
                Ok(length) => {
                    most -= length;
                    self.received += length;
                    self.note(&buffer[..length]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.is_over = true,
            }
        }
    }

    fn note(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.missing > 0 {
                let taken = self.missing.min(bytes.len());
                self.missing -= taken;
                bytes = &bytes[taken..];
                self.responses += usize::from(self.missing == 0);
                continue;
            }
            self.got.push(bytes[0]);
            bytes = &bytes[1..];
            if self.got.ends_with(b"\r\n\r\n") {
                let head = String::from_utf8(std::mem::take(&mut self.got)).unwrap().to_lowercase();
                assert!(head.starts_with("http/1.1 "), "{head}");
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                self.missing = length.map_or(0, |length| length.parse().unwrap());
                self.responses += usize::from(self.missing == 0);
            }
        }
    }
}

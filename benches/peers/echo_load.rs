//! Loads a WebSocket server that echoes: `echo_load HOST:PORT PATH CONNECTIONS IN_FLIGHT SECONDS`.
//!
//! wrk(1) knows no WebSocket. This keeps so many messages in flight on each of its connections: for each echo it sends
//! the next message, and for all echoes of one read together. What it sends is made once, masked as RFC 6455 wants it
//! (section 5.3), and it offers no compression; what comes back is compared with what must come, so that a server which
//! answers less is not the faster one. It ends with a line of JSON, as `load.lua` does.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// A chat's or a ticker's message.
const TEXT: &[u8] = br#"{"type":"tick","id":1234567890}"#;
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const HANDSHAKE_SECONDS: Duration = Duration::from_secs(5);

/// The message as a client sends it.
fn masked() -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | u8::try_from(TEXT.len()).unwrap()];
    frame.extend(KEY);
    frame.extend(TEXT.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// The message as a server sends it.
fn unmasked() -> Vec<u8> {
    [&[0x81, u8::try_from(TEXT.len()).unwrap()], TEXT].concat()
}

struct Client {
    stream: TcpStream,
    /// How much of an echo has come.
    partial: usize,
    /// When the messages in flight were sent: so many of them at that time.
    sent: VecDeque<(Instant, usize)>,
    is_broken: bool,
}

struct Load {
    frames: Vec<u8>,
    echoes: Vec<u8>,
    frame_bytes: usize,
    echo_bytes: usize,
    buffer: Vec<u8>,
    latencies: Vec<u32>,
    messages: usize,
    errors: usize,
}

impl Load {
    fn new(in_flight: usize) -> Self {
        Self {
            frames: masked().repeat(in_flight),
            echoes: unmasked().repeat(in_flight + 1),
            frame_bytes: masked().len(),
            echo_bytes: unmasked().len(),
            buffer: vec![0; 65536],
            latencies: Vec::new(),
            messages: 0,
            errors: 0,
        }
    }

    /// Sends so many messages. What is in flight fits into any socket's buffer, so that a part is an error.
    fn send(&self, client: &mut Client, count: usize) -> io::Result<()> {
        let frames = &self.frames[..count * self.frame_bytes];
        client.sent.push_back((Instant::now(), count));
        match client.stream.write(frames)? == frames.len() {
            true => Ok(()),
            false => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// Reads what is there, and sends as many messages as have come back.
    fn turn(&mut self, client: &mut Client) -> io::Result<()> {
        loop {
            let mut buffer = std::mem::take(&mut self.buffer);
            let read = client.stream.read(&mut buffer);
            let known = |length: usize| self.is_echo(client.partial, &buffer[..length]);
            let checked = match read {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) if !known(length) => Err(io::ErrorKind::InvalidData.into()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                other => other.map(Some),
            };
            let is_full = checked.as_ref().is_ok_and(|length| *length == Some(buffer.len()));
            self.buffer = buffer;
            let Some(length) = checked? else { return Ok(()) };
            let bytes = client.partial + length;
            client.partial = bytes % self.echo_bytes;
            self.count(client, bytes / self.echo_bytes);
            if bytes >= self.echo_bytes {
                self.send(client, bytes / self.echo_bytes)?;
            }
            if !is_full {
                return Ok(());
            }
        }
    }

    fn is_echo(&self, mut start: usize, bytes: &[u8]) -> bool {
        bytes.chunks(self.echoes.len() - self.echo_bytes).all(|chunk| {
            let is_same = self.echoes.get(start..start + chunk.len()).is_some_and(|echoes| echoes == chunk);
            start = (start + chunk.len()) % self.echo_bytes;
            is_same
        })
    }

    fn count(&mut self, client: &mut Client, mut echoes: usize) {
        self.messages += echoes;
        let now = Instant::now();
        while echoes > 0 {
            let (since, left) = client.sent.front_mut().unwrap();
            let done = echoes.min(*left);
            let latency = u32::try_from((now - *since).as_micros()).unwrap_or(u32::MAX);
            self.latencies.extend(std::iter::repeat_n(latency, done));
            (echoes, *left) = (echoes - done, *left - done);
            if *left == 0 {
                client.sent.pop_front();
            }
        }
    }
}

fn connect(address: SocketAddr, path: &str) -> Client {
    let stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(HANDSHAKE_SECONDS)).unwrap();
    stream.set_nodelay(true).unwrap();
    let opening = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    (&stream).write_all(opening.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        (&stream).read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", answer.escape_ascii());
    stream.set_nonblocking(true).unwrap();
    Client { stream: TcpStream::from_std(stream), partial: 0, sent: VecDeque::new(), is_broken: false }
}

fn percentile(sorted: &[u32], percent: usize) -> u32 {
    sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied().unwrap_or(0)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, path, connections, in_flight, seconds] = &arguments[..] else {
        panic!("usage: echo_load HOST:PORT PATH CONNECTIONS IN_FLIGHT SECONDS");
    };
    let address: SocketAddr = address.parse().unwrap();
    let in_flight: usize = in_flight.parse().unwrap();
    let mut clients: Vec<Client> = (0..connections.parse().unwrap()).map(|_| connect(address, path)).collect();
    let mut poll = Poll::new().unwrap();
    let mut load = Load::new(in_flight);
    for (number, client) in clients.iter_mut().enumerate() {
        poll.registry().register(&mut client.stream, Token(number), Interest::READABLE).unwrap();
        load.send(client, in_flight).unwrap();
    }
    let (began, length) = (Instant::now(), Duration::from_secs(seconds.parse().unwrap()));
    let mut events = Events::with_capacity(clients.len());
    while began.elapsed() < length {
        poll.poll(&mut events, Some(length.saturating_sub(began.elapsed()))).unwrap();
        for event in &events {
            let client = &mut clients[event.token().0];
            if !client.is_broken && load.turn(client).is_err() {
                (client.is_broken, load.errors) = (true, load.errors + 1);
            }
        }
    }
    let took = began.elapsed().as_micros();
    load.latencies.sort_unstable();
    println!(
        r#"RESULT {{"requests": {}, "microseconds": {took}, "p50": {}, "p99": {}, "errors": {}}}"#,
        load.messages,
        percentile(&load.latencies, 50),
        percentile(&load.latencies, 99),
        load.errors
    );
}

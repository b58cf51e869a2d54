//! tungstenite as the client: what it sends is understood, and it understands what it is sent.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use proptest::prelude::*;
use tungstenite::protocol::frame::coding::CloseCode as TheirCode;
use tungstenite::protocol::{CloseFrame, Role};
use tungstenite::{Error, Message};

use super::*;

/// The transport between the two; the server's answers come in pieces of `size`.
struct Wire {
    server: Echo,
    size: usize,
    answers: VecDeque<u8>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.answers.is_empty() && !self.server.websocket.is_over() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = buffer.len().min(self.size);
        self.answers.read(&mut buffer[..length])
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len().min(self.size);
        self.server.feed(&bytes[..length]);
        self.answers.extend(self.server.output.drain(..));
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn client(size: usize) -> tungstenite::WebSocket<Wire> {
    let wire = Wire { server: Echo::new(&OPTIONS, None), size, answers: VecDeque::new() };
    tungstenite::WebSocket::from_raw_socket(wire, Role::Client, None)
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        4 => "\\PC{0,80}".prop_map(Message::text),
        4 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Message::binary),
        1 => (65_500..65_600_usize).prop_map(|length| Message::binary(vec![7; length])),
        4 => prop::collection::vec(any::<u8>(), 0..=125).prop_map(|payload| Message::Ping(payload.into())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn messages_come_back_as_they_were_sent(
        messages in prop::collection::vec(message(), 1..8),
        size in prop_oneof![Just(7_usize), Just(130), Just(100_000)],
        code in prop_oneof![Just(1000_u16), 3000..=4999_u16],
        reason in "\\PC{0,30}",
    ) {
        let mut client = client(size);
        for message in &messages {
            client.send(message.clone()).unwrap();
            let expected = match message {
                Message::Ping(payload) => Message::Pong(payload.clone()),
                other => other.clone(),
            };
            prop_assert_eq!(client.read().unwrap(), expected);
        }
        client.close(Some(CloseFrame { code: TheirCode::from(code), reason: reason.clone().into() })).unwrap();
        let answer = client.read().unwrap();
        prop_assert!(matches!(&answer, Message::Close(Some(frame)) if u16::from(frame.code) == code), "{:?}", answer);
        prop_assert!(matches!(client.read(), Err(Error::ConnectionClosed)));
        prop_assert_eq!(client.get_mut().server.end.take(), Some(Ok((code, reason))));
    }
}

//! Connections that have left HTTP.

use gunicorn::http::ws::opening;
use gunicorn::reactor::{Arrived, Reactor, ReactorConfig, Upgraded};

use super::foreign::{next, with};
use super::server::Client;

const OPENING: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// One that was just upgraded, and what had come with its handshake.
fn upgraded(ahead: &str) -> (Reactor, Client, Upgraded, Vec<u8>) {
    let (mut reactor, mut client) = with(ReactorConfig::default());
    client.send(&format!("{OPENING}{ahead}"));
    let mut exchange = next(&mut reactor);
    let handshake = opening(exchange.head()).unwrap().unwrap().handshake(None);
    exchange.switch_to_websocket(&handshake, None, &[]).unwrap();
    assert_eq!(exchange.sent(), (101, 0));
    let (upgraded, ahead) = reactor.upgrade(exchange);
    (reactor, client, upgraded, ahead)
}

#[test]
fn bytes_go_both_ways_and_the_end_is_orderly() {
    let (mut reactor, mut client, mut upgraded, ahead) = upgraded("early");
    assert_eq!(ahead, b"early");
    reactor.attend_upgraded(&mut upgraded).unwrap();
    client.send("later");
    let mut buffer = [0; 64];
    let mut read = Vec::new();
    while read != b"later" {
        match upgraded.try_read(&mut buffer) {
            Arrived::Some(length) => read.extend_from_slice(&buffer[..length]),
            Arrived::Nothing => {
                reactor.turn(None).unwrap();
                reactor.take_attention().into_iter().for_each(|news| upgraded.note(news));
            }
            Arrived::End => panic!("the client is there"),
        }
    }
    upgraded.write(&[b"ans", b"wer "]).unwrap();
    upgraded.write_owned(b"and ", Box::new(vec![b'x'; 3])).unwrap();
    assert!(upgraded.is_flushed() && upgraded.try_flush().unwrap() == 0);
    assert!(!reactor.is_empty());
    reactor.complete_upgraded(upgraded);
    assert!(client.rest().ends_with(b"\r\n\r\nanswer and xxx"));
    drop(client);
    while !reactor.is_empty() {
        reactor.turn(None).unwrap();
    }
}

#[test]
fn one_that_is_given_up_is_closed_at_once() {
    let (mut reactor, client, mut upgraded, _) = upgraded("");
    upgraded.give_up();
    assert!(upgraded.write(&[b"never"]).is_err());
    assert_eq!(upgraded.try_read(&mut [0; 8]), Arrived::Nothing);
    reactor.complete_upgraded(upgraded);
    assert!(reactor.is_empty());
    drop(client);
}

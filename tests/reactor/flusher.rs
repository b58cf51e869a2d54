//! What a reactor alone keeps for slow clients; and the flusher, which sends while the application makes more.

use std::io::{Cursor, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gunicorn::reactor::{Exchange, OUTPUT_BYTES, Reactor, ReactorConfig, ResponseError};

use super::foreign::{OK, REQUEST, connect, listening, next, with};
use super::server::{Client, LIMIT, file, pattern};
use super::spool::{MB, ask};

/// Turns until nobody is connected any more.
fn turn_until_empty(reactor: &mut Reactor) {
    turn_until(reactor, Reactor::is_empty);
}

fn turn_until(reactor: &mut Reactor, is_done: impl Fn(&Reactor) -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_done(reactor) {
        assert!(Instant::now() < end, "a connection is left");
        reactor.turn(Some(Duration::from_millis(20))).unwrap();
    }
}

#[test]
fn what_waits_is_kept_in_files_beyond_the_memory() {
    let memory = 4 * MB as u64;
    let config = ReactorConfig { keepalive: None, buffer_memory: memory, ..ReactorConfig::default() };
    let (mut reactor, address) = listening(config);
    let bytes = Arc::new(pattern(20 * MB));
    let mut slow = Vec::new();
    for _ in 0..10 {
        let mut client = connect(address);
        client.send(REQUEST);
        let mut exchange = next(&mut reactor);
        exchange.start(&OK, None).unwrap();
        exchange.write_owned(Box::new(bytes.to_vec())).unwrap();
        exchange.finish().unwrap();
        reactor.complete(exchange);
        assert!(reactor.buffered().0 <= memory);
        slow.push(client);
    }
    assert!(reactor.buffered().1 > 100 * MB as u64, "{:?}", reactor.buffered());
    let readers = std::thread::spawn(move || slow.iter_mut().all(|client| client.response().body == *bytes));
    turn_until_empty(&mut reactor);
    assert!(readers.join().unwrap());
    assert_eq!(reactor.buffered(), (0, 0));
}

/// A part that tells when it is dropped.
struct Part(Arc<Vec<u8>>);

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[test]
fn nobody_keeps_a_large_part_for_a_slow_reader() {
    let (mut reactor, mut client) = with(ReactorConfig::default());
    let bytes = Arc::new(pattern(64 * MB));
    client.send(REQUEST);
    let mut exchange = next(&mut reactor);
    exchange.start(&OK, Some(bytes.len() as u64)).unwrap();
    exchange.write_owned(Box::new(Part(Arc::clone(&bytes)))).unwrap();
    assert_eq!(Arc::strong_count(&bytes), 1);
    exchange.finish().unwrap();
    reactor.complete(exchange);
    assert!(reactor.buffered().0 <= OUTPUT_BYTES as u64);
    let reader = std::thread::spawn(move || client.response().body == *bytes);
    turn_until_empty(&mut reactor);
    assert!(reader.join().unwrap());
}

#[test]
fn a_part_of_some_length_is_not_copied() {
    let (mut reactor, mut client) = with(ReactorConfig::default());
    let bytes = Arc::new(pattern(7 * MB));
    client.send(REQUEST);
    let mut exchange = next(&mut reactor);
    exchange.start(&OK, Some(bytes.len() as u64)).unwrap();
    exchange.write_owned(Box::new(Part(Arc::clone(&bytes)))).unwrap();
    assert_eq!((Arc::strong_count(&bytes), reactor.buffered().1), (2, 0));
    exchange.finish().unwrap();
    reactor.complete(exchange);
    let reader = std::thread::spawn(move || client.response().body);
    turn_until_empty(&mut reactor);
    assert!(reader.join().unwrap() == *bytes);
    assert_eq!((Arc::strong_count(&bytes), reactor.buffered()), (1, (0, 0)));
}

#[test]
fn the_flusher_sends_while_the_application_makes_more() {
    let (mut reactor, mut client) = with(ReactorConfig { keepalive: Some(LIMIT), ..ReactorConfig::default() });
    ask(&mut client, "/");
    let mut exchange = next(&mut reactor);
    exchange.start(&OK, Some(20 * MB as u64)).unwrap();
    let bytes = pattern(20 * MB);
    for part in bytes.chunks(4 * MB) {
        exchange.write(part).unwrap();
        exchange.catch_up().unwrap();
        // As if the next one took long: nobody calls the reactor or the exchange, and yet all of this one arrives.
        if part.as_ptr() == bytes.as_ptr() {
            client.until(b"\r\n\r\n");
        }
        assert!(client.exactly(part.len()) == part);
    }
    exchange.finish().unwrap();
    reactor.complete(exchange);
    assert_eq!(reactor.buffered(), (0, 0));
    ask(&mut client, "/");
    let exchange = next(&mut reactor);
    reactor.complete(exchange);
}

#[test]
fn the_applications_time_does_not_depend_on_its_reader() {
    let (mut reactor, mut client) = with(ReactorConfig::default());
    ask(&mut client, "/");
    let mut exchange = next(&mut reactor);
    exchange.start(&OK, None).unwrap();
    let bytes = pattern(40 * MB);
    let began = Instant::now();
    for part in bytes.chunks(MB / 10) {
        exchange.write(part).unwrap();
        exchange.catch_up().unwrap();
    }
    exchange.finish().unwrap();
    // The client has read nothing, and would have been waited for until the write timeout of 30 seconds.
    assert!(began.elapsed() < LIMIT);
    reactor.complete(exchange);
    assert!(reactor.buffered().1 > 20 * MB as u64);
    let reader = std::thread::spawn(move || client.response().body);
    turn_until_empty(&mut reactor);
    assert!(reader.join().unwrap() == bytes);
    assert_eq!(reactor.buffered(), (0, 0));
}

/// Streams until the client is found to have gone.
fn stream_until_gone(exchange: &mut Exchange) {
    exchange.start(&OK, None).unwrap();
    let part = [b'x'; 100_000];
    let end = Instant::now() + LIMIT;
    while Instant::now() < end {
        if let Err(error) = exchange.write(&part).and_then(|()| exchange.catch_up()) {
            assert!(matches!(error, ResponseError::Gone));
            return;
        }
    }
    panic!("the client was not missed");
}

#[test]
fn a_client_that_vanishes_from_the_flusher_is_told_to_the_writer() {
    let (mut reactor, mut client) = with(ReactorConfig::default());
    ask(&mut client, "/");
    let mut exchange = next(&mut reactor);
    let gone = std::thread::spawn(move || {
        client.stream.read_exact(&mut vec![0; 3 * MB]).unwrap();
        // Unread bytes at the close make it a reset.
        drop(client);
    });
    stream_until_gone(&mut exchange);
    gone.join().unwrap();
    reactor.complete(exchange);
    turn_until_empty(&mut reactor);
    assert_eq!(reactor.buffered(), (0, 0));
}

#[test]
fn a_client_that_takes_nothing_from_the_flusher_is_given_up() {
    let write_timeout = Duration::from_millis(100);
    let (mut reactor, mut client) = with(ReactorConfig { write_timeout, ..ReactorConfig::default() });
    ask(&mut client, "/");
    let mut exchange = next(&mut reactor);
    stream_until_gone(&mut exchange);
    reactor.complete(exchange);
    turn_until_empty(&mut reactor);
    assert_eq!(reactor.buffered(), (0, 0));
}

#[test]
fn a_lent_socket_carries_all_that_was_sent_before() {
    let (mut reactor, mut client) = with(ReactorConfig::default());
    ask(&mut client, "/");
    let mut exchange = next(&mut reactor);
    exchange.start(&OK, None).unwrap();
    let bytes = pattern(10 * MB);
    exchange.write(&bytes).unwrap();
    exchange.catch_up().unwrap();
    let reader = std::thread::spawn(move || (client.response().body, client.rest()));
    exchange.lend_socket().unwrap();
    assert_eq!(reactor.buffered(), (0, 0));
    exchange.finish().unwrap();
    reactor.complete(exchange);
    turn_until_empty(&mut reactor);
    assert!(reader.join().unwrap() == (bytes, Vec::new()));
}

#[test]
fn exchanges_on_several_threads_share_the_flusher() {
    let config =
        ReactorConfig { buffer_memory: 2 * MB as u64, buffer_disk: 30 * MB as u64, ..ReactorConfig::default() };
    let (mut reactor, address) = listening(config);
    let bytes = Arc::new(pattern(9 * MB));
    let mut readers = Vec::new();
    let mut writers = Vec::new();
    for number in 0..6 {
        let mut client = connect(address);
        ask(&mut client, "/");
        let (mut exchange, bytes) = (next(&mut reactor), Arc::clone(&bytes));
        readers.push(std::thread::spawn(move || {
            if number % 2 == 0 {
                client.stream.peek(&mut [0]).unwrap();
                std::thread::sleep(Duration::from_millis(50));
            }
            client.response().body
        }));
        writers.push(std::thread::spawn(move || {
            exchange.start(&OK, None).unwrap();
            for part in bytes.chunks(70_001) {
                exchange.write(part).unwrap();
                exchange.catch_up().unwrap();
            }
            exchange.finish().unwrap();
            exchange
        }));
    }
    for writer in writers {
        reactor.complete(writer.join().unwrap());
    }
    turn_until_empty(&mut reactor);
    assert!(readers.into_iter().all(|reader| reader.join().unwrap() == *bytes));
    assert_eq!(reactor.buffered(), (0, 0));
}

/// Numbers without a pattern, the same for the same seed (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    /// Small numbers more often than large ones.
    fn size(&mut self, most: usize) -> usize {
        let bound = (most >> self.below(12)).max(1);
        1 + self.below(bound)
    }
}

/// Writes parts of random sizes in random ways; gives what was written.
fn write_randomly(exchange: &mut Exchange, random: &mut Random) -> Vec<u8> {
    let mut written = Vec::new();
    let most = 3 * MB;
    exchange.start(&OK, None).unwrap();
    for _ in 0..40 {
        let part: Vec<u8> = pattern(random.size(most)).iter().map(|byte| byte ^ written.len() as u8).collect();
        written.extend_from_slice(&part);
        match random.below(5) {
            0 => exchange.write_owned(Box::new(part)).unwrap(),
            1 => exchange.send_file(file(&part), 0, part.len() as u64).unwrap(),
            _ => exchange.write(&part).unwrap(),
        }
        match random.below(4) {
            0 => {}
            1 => std::thread::sleep(Duration::from_micros(random.size(3000) as u64)),
            _ => exchange.catch_up().unwrap(),
        }
    }
    exchange.finish().unwrap();
    written
}

/// The body, read in pieces of random sizes with random pauses.
fn read_randomly(mut client: Client, random: &mut Random) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let mut bytes = vec![0; random.size(MB)];
        match client.stream.read(&mut bytes).unwrap() {
            0 => return Client::over(Cursor::new(all)).response().body,
            length => all.extend_from_slice(&bytes[..length]),
        }
        if random.below(10) == 0 {
            std::thread::sleep(Duration::from_micros(random.size(5000) as u64));
        }
    }
}

#[test]
fn whatever_the_sizes_and_pauses_all_bytes_arrive_in_order() {
    for seed in 1..=12 {
        let (memory, disk) = [(u64::MAX, u64::MAX), (MB as u64, 10 * MB as u64), (0, u64::MAX), (0, 0)][seed % 4];
        let config = ReactorConfig { buffer_memory: memory, buffer_disk: disk, ..ReactorConfig::default() };
        let (mut reactor, address) = listening(config);
        let exchanges = (0..2).map(|number| {
            let mut client = connect(address);
            ask(&mut client, "/");
            let mut random = Random((seed * 2 + number) as u64);
            let exchange = next(&mut reactor);
            let reader = std::thread::spawn(move || read_randomly(client, &mut Random((seed * 7919 + number) as u64)));
            let writer = std::thread::spawn(move || {
                let mut exchange = exchange;
                (write_randomly(&mut exchange, &mut random), exchange)
            });
            (reader, writer)
        });
        for (reader, writer) in exchanges.collect::<Vec<_>>() {
            let (written, exchange) = writer.join().unwrap();
            reactor.complete(exchange);
            turn_until(&mut reactor, |_| reader.is_finished());
            assert!(reader.join().unwrap() == written, "seed {seed}");
        }
        turn_until_empty(&mut reactor);
        assert_eq!(reactor.buffered(), (0, 0));
    }
}

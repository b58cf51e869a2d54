//! What a connection costs: the numbers in the module's documentation.

use allocation_counter::measure;

use super::*;

fn agreed(window_bits: u8, takeover: bool) -> Option<Deflate> {
    let (server_takeover, client_takeover) = (takeover, takeover);
    Some(Deflate { window_bits, tells_window_bits: false, server_takeover, client_takeover })
}

/// Bytes that a WebSocket keeps after it has sent, and after it has received, a message; both compressed.
fn kept(window_bits: u8, takeover: bool) -> (i64, i64) {
    let text = "*".repeat(1000);
    let mut out = Vec::with_capacity(2000);
    let mut websocket = WebSocket::new(&OPTIONS, agreed(window_bits, takeover), NOW);
    let sent = measure(|| websocket.text(&text).unwrap().append_to(&mut out)).bytes_current;
    let mut input = frame(0xc1, &frames(&out)[0].1);
    let received = measure(|| {
        assert!(websocket.feed(NOW, &mut input, &mut out).incoming.is_some());
    });
    (sent, received.bytes_current)
}

#[test]
fn an_idle_websocket_costs_nothing_but_itself() {
    assert!(size_of::<WebSocket>() <= 200, "{} bytes", size_of::<WebSocket>());
    let mut out = Vec::with_capacity(1000);
    let (mut text, mut ping) = (frame(0x81, b"Hello"), frame(0x89, b"Hello"));
    let used = measure(|| {
        let mut websocket = WebSocket::new(&OPTIONS, agreed(12, true), NOW);
        assert!(websocket.feed(NOW, &mut text, &mut out).incoming.is_some());
        assert!(websocket.feed(NOW, &mut ping, &mut out).incoming.is_none());
        websocket.text("Hello").unwrap().append_to(&mut out);
        websocket.on_time(NOW + Duration::from_secs(60), &mut out);
    });
    assert_eq!(used.count_total, 0);
}

#[test]
fn contexts_cost_what_the_documentation_says() {
    let kib = |(sent, received): (i64, i64)| (sent / 1024, received / 1024);
    assert_eq!(kib(kept(12, true)), (161, 46));
    assert_eq!(kib(kept(15, true)), (273, 46));
    assert_eq!(kept(12, false), (0, 0));
}

#[test]
fn a_message_that_arrives_in_pieces_takes_no_more_than_it_may_be_long() {
    let options = Options { max_message_size: 1_000_000, ..OPTIONS };
    let message = frame(0x82, &vec![0; 1_000_000]);
    let mut pieces: Vec<Vec<u8>> = message.chunks(10_000).map(<[u8]>::to_vec).collect();
    let used = measure(|| {
        let mut websocket = WebSocket::new(&options, None, NOW);
        let mut messages = 0;
        for piece in &mut pieces {
            messages += usize::from(websocket.feed(NOW, piece, &mut Vec::new()).incoming.is_some());
        }
        assert_eq!(messages, 1);
    });
    // While it grows, what it was and what it becomes.
    assert!(used.bytes_max <= 2_000_000, "{} bytes", used.bytes_max);
    // A length that is announced costs nothing.
    let mut head = message[..1000].to_vec();
    let used = measure(|| drop(WebSocket::new(&options, None, NOW).feed(NOW, &mut head, &mut Vec::new())));
    assert!(used.bytes_max <= 1000, "{} bytes", used.bytes_max);
}

#[test]
fn who_drives_it_is_told_what_a_message_in_progress_holds_and_will_hold() {
    let options = Options { max_message_size: 1_000_000, ..OPTIONS };
    let mut websocket = WebSocket::new(&options, None, NOW);
    assert_eq!((websocket.held(0), websocket.held(1000)), (0, 0));
    let mut message = frame(0x82, &vec![0; 1_000_000]);
    for piece in message.chunks_mut(10_000) {
        let foretold = websocket.held(piece.len());
        let is_begun = websocket.held(0) > 0;
        let used = measure(|| drop(websocket.feed(NOW, piece, &mut Vec::new())));
        assert!(!is_begun || websocket.held(0) <= foretold, "{} bytes, not {foretold}", websocket.held(0));
        assert!(used.bytes_current <= 1_000_000);
    }
    assert_eq!(websocket.held(0), 0);
}

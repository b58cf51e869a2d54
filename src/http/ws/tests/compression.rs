//! permessage-deflate: the examples of RFC 7692, and Autobahn's families 12 and 13.

use super::*;
use crate::http::ws::deflate::{Deflater, Inflater};

const ALL: Deflate =
    Deflate { window_bits: 15, tells_window_bits: false, server_takeover: true, client_takeover: true };
const NONE: Deflate = Deflate { server_takeover: false, client_takeover: false, ..ALL };

/// The same as the client sees it.
fn mirrored(agreed: Deflate) -> Deflate {
    Deflate { server_takeover: agreed.client_takeover, client_takeover: agreed.server_takeover, ..agreed }
}

/// How a receiver reads these frames, in pieces of `size`.
fn receive(agreed: Deflate, limit: usize, bytes: &[u8], size: usize) -> (Vec<Vec<u8>>, Option<WsError>) {
    let mut receiver = Receiver::new(limit, Some(agreed));
    let (mut messages, mut input) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(size) {
        input.extend_from_slice(piece);
        loop {
            let fed = match receiver.feed(&mut input) {
                Ok(fed) => fed,
                Err(error) => return (messages, Some(error)),
            };
            let (consumed, is_over) = (fed.consumed, fed.event.is_none());
            if let Some(Event::Text(bytes) | Event::Binary(bytes)) = fed.event {
                messages.push(bytes.into_owned());
            }
            input.drain(..consumed);
            if is_over {
                break;
            }
        }
    }
    (messages, None)
}

/// RFC 7692, section 7.2.3: "Hello" in each of the forms that it shows.
#[test]
fn the_examples_of_the_rfc() {
    let one_block = frame(0xc1, b"\xf2\x48\xcd\xc9\xc9\x07\x00");
    let fragments = [frame(0x41, b"\xf2\x48\xcd"), frame(0x80, b"\xc9\xc9\x07\x00")].concat();
    let shared_window = [one_block.clone(), frame(0xc1, b"\xf2\x00\x11\x00\x00")].concat();
    let without_compression = frame(0xc1, b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00");
    let final_block = frame(0xc1, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00");
    let two_blocks = frame(0xc1, b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00");
    let cases = [
        (&one_block, 1),
        (&fragments, 1),
        (&shared_window, 2),
        (&without_compression, 1),
        (&final_block, 1),
        (&two_blocks, 1),
    ];
    for (bytes, times) in cases {
        for size in [bytes.len(), 1, 3] {
            assert_eq!(receive(ALL, 100, bytes, size), (vec![b"Hello".to_vec(); times], None), "{bytes:x?}");
        }
    }
    // The window is not shared where no context takeover was agreed upon.
    assert_eq!(receive(NONE, 100, &shared_window, 1).1, Some(WsError::Deflate));
    // After a final block the stream begins anew, for all messages that follow.
    let again = [final_block.clone(), one_block, final_block].concat();
    assert_eq!(receive(ALL, 100, &again, 1).0.len(), 3);
}

#[test]
fn an_empty_message_has_some_forms() {
    for payload in [&b"\x00"[..], b"", b"\x02\x00"] {
        let bytes = [frame(0xc1, payload), frame(0xc1, b"\xf2\x48\xcd\xc9\xc9\x07\x00")].concat();
        assert_eq!(receive(ALL, 100, &bytes, 1), (vec![vec![], b"Hello".to_vec()], None), "{payload:x?}");
    }
}

/// Final blocks of nothing, each of which ends a stream, between others.
#[test]
fn a_stream_may_end_again_and_again() {
    let ends = b"\x03\x00".repeat(50_000);
    let payload = [&ends[..], b"\xf3\x48\xcd\xc9\xc9\x07\x00", &ends, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"].concat();
    for size in [1, 1000, payload.len() + 20] {
        assert_eq!(receive(ALL, 10, &frame(0xc1, &payload), size), (vec![b"HelloHello".to_vec()], None));
    }
}

#[test]
fn compressed_and_other_messages_mix() {
    let bytes = [
        frame(0xc2, b"\xf2\x48\xcd\xc9\xc9\x07\x00"),
        frame(0x82, b"plain"),
        frame(0x42, b""),
        frame(0x89, b""),
        frame(0x00, b"\xf2"),
        frame(0x80, b"\x00\x11\x00\x00"),
    ];
    let expected = vec![b"Hello".to_vec(), b"plain".to_vec(), b"Hello".to_vec()];
    assert_eq!(receive(ALL, 100, &bytes.concat(), 1), (expected, None));
}

/// Text, JSON, noise; whatever Autobahn sends.
fn payloads() -> Vec<Vec<u8>> {
    let mut state = 1_u32;
    let mut noise = |length: usize| -> Vec<u8> {
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length).map(next).collect()
    };
    let json =
        |count: usize| (0..count).map(|i| format!("{{\"id\": {i}, \"name\": \"item {i}\"}},")).collect::<String>();
    let mut payloads: Vec<Vec<u8>> = [0, 16, 64, 256, 1024, 4096, 16384, 50_000]
        .into_iter()
        .flat_map(|length| [noise(length), vec![b'*'; length], json(length / 30).into_bytes()])
        .collect();
    // The same again, so that what is remembered is used.
    payloads.extend_from_within(3..18);
    payloads
}

/// 12.x and 13.x: messages of all sizes come back, compressed, whatever was agreed upon, in frames of any size.
#[test]
fn families_12_and_13() {
    for agreed in agreements() {
        let mut client = (Sender::new(Some(mirrored(agreed))), Receiver::new(usize::MAX, Some(mirrored(agreed))));
        let mut server = Echo::new(&OPTIONS, Some(agreed));
        let mut sizes = (0, 0);
        for payload in payloads() {
            let sent = client.0.binary(&payload);
            let first = if sent.head()[0] & 0x40 == 0 { 0x02 } else { 0x42 };
            let parts = sent.payload().chunks(5000).enumerate();
            let mut bytes: Vec<u8> = parts.flat_map(|(i, part)| frame(if i == 0 { first } else { 0 }, part)).collect();
            bytes.extend(frame(if payload.is_empty() { 0x82 } else { 0x80 }, b""));
            bytes.chunks(4096).for_each(|piece| server.feed(piece));
            assert_eq!(server.end, None, "{agreed:?}");

            let (first, compressed) = frames(&std::mem::take(&mut server.output)).remove(0);
            assert_eq!(first == 0xc2, payload.len() >= 64);
            sizes = (sizes.0 + payload.len(), sizes.1 + compressed.len());
            let mut input = frame(first, &compressed);
            let fed = client.1.feed(&mut input).unwrap();
            assert!(fed.event == Some(Event::Binary(payload.as_slice().into())), "{agreed:?}, {}", payload.len());
        }
        assert!(sizes.1 < sizes.0 / 2, "{sizes:?}");
    }
}

#[test]
fn what_was_sent_before_makes_messages_shorter_unless_it_is_forgotten() {
    let text = "a sentence that is long enough to be compressed, and not very repetitive: quick brown foxes jump";
    let mut sender = Sender::new(Some(ALL));
    let first = sender.text(text).payload().len();
    let second = sender.text(text).payload().len();
    assert!(first < text.len() && second < 12, "{first}, {second}");
    sender.forget();
    assert_eq!(sender.text(text).payload().len(), first);
    let mut sender = Sender::new(Some(NONE));
    assert_eq!([0; 3].map(|_| sender.text(text).payload().len()), [first; 3]);
}

#[test]
fn a_bad_stream_fails_the_connection() {
    for payload in [&b"\x07"[..], b"\xff\xff\xff", b"\xf2\x00\x11\x00\x00", b"\x00\x05\x00\x05\x00Hello"] {
        for size in [100, 1] {
            assert_eq!(
                receive(ALL, 100, &frame(0xc1, payload), size),
                (vec![], Some(WsError::Deflate)),
                "{payload:x?}"
            );
        }
    }
}

/// What a text is when it is decompressed is checked as it comes, too.
#[test]
fn a_bad_text_is_known_at_its_first_bad_byte_though_it_is_compressed() {
    let text = [&[b'*'; 1000], &b"\xf4\x90"[..], &[b'*'; 100_000]].concat();
    let compressed = Deflater::new(ALL).message(&text).unwrap();
    assert_eq!(receive(ALL, 2000, &frame(0x41, &compressed), 1), (vec![], Some(WsError::Utf8)));
    assert_eq!(receive(ALL, 2000, &frame(0x41, &compressed), 1000), (vec![], Some(WsError::Utf8)));
    assert_eq!(receive(ALL, 1001, &frame(0xc1, b"\x00\x02\x00\xfd\xff\xf4\x8f\x00"), 100).1, Some(WsError::Utf8));
}

#[test]
fn the_limit_holds_for_what_a_message_is_decompressed_to() {
    for (length, error) in
        [(999, None), (1000, None), (1001, Some(WsError::MessageTooLong)), (1 << 24, Some(WsError::MessageTooLong))]
    {
        let compressed = Deflater::new(ALL).message(&vec![0; length]).unwrap();
        for (bytes, size) in [(frame(0xc2, &compressed), 1 << 20), (frame(0xc2, &compressed), 1)] {
            assert_eq!(receive(ALL, 1000, &bytes, size).1, error, "{length}");
        }
    }
    // Incompressible, so that the frame is longer than the message may be.
    let noise = payloads().swap_remove(15);
    let compressed = Deflater::new(ALL).message(&noise).unwrap();
    assert!(compressed.len() > noise.len());
    assert_eq!(receive(ALL, noise.len(), &frame(0xc2, &compressed), 100), (vec![noise], None));
}

#[test]
fn decompression_holds_no_more_than_the_limit_and_a_byte() {
    let compressed = Deflater::new(ALL).message(&vec![0; 1 << 24]).unwrap();
    for limit in [0, 1, 255, 256, 257, 100_000] {
        let mut out = Vec::new();
        assert_eq!(Inflater::new(ALL).inflate(&compressed, &mut out, limit), Err(WsError::MessageTooLong));
        assert!(out.len() == limit + 1 && out.capacity() <= limit + 1, "{} of {}", out.len(), out.capacity());
    }
}

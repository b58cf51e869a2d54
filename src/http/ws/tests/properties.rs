//! For any bytes, good or bad: what they mean does not depend on how they were cut, and nothing panics.

use proptest::prelude::*;

use super::*;

/// An event, to be kept.
#[derive(Debug, PartialEq)]
enum Kept {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<CloseCode>, String),
}

/// All events, and the rule that was broken.
fn read<'b>(
    pieces: impl IntoIterator<Item = &'b [u8]>,
    limit: usize,
    agreed: Option<Deflate>,
) -> (Vec<Kept>, Option<WsError>) {
    let mut receiver = Receiver::new(limit, agreed);
    let (mut kept, mut input) = (Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let fed = match receiver.feed(&mut input) {
                Ok(fed) => fed,
                Err(error) => {
                    assert_eq!(receiver.feed(&mut input), Err(error), "it stays so");
                    return (kept, Some(error));
                }
            };
            let consumed = fed.consumed;
            let Some(event) = fed.event else {
                input.drain(..consumed);
                break;
            };
            kept.push(match event {
                Event::Text(text) => Kept::Text(String::from_utf8(text.into_owned()).unwrap()),
                Event::Binary(bytes) => Kept::Binary(bytes.into_owned()),
                Event::Ping(payload) => Kept::Ping(payload.to_vec()),
                Event::Pong(payload) => Kept::Pong(payload.to_vec()),
                Event::Close(Close { code, reason }) => Kept::Close(code, reason.to_owned()),
            });
            input.drain(..consumed);
        }
        assert!(input.len() <= 131, "{} bytes are left", input.len());
    }
    (kept, None)
}

fn agreed() -> impl Strategy<Value = Option<Deflate>> {
    prop::option::of(prop::sample::select(agreements().collect::<Vec<_>>()))
}

/// The payload of a frame: text, bad text, bytes, what is compressed, the payload of a Close.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => "\\PC{0,50}".prop_map(String::into_bytes),
        2 => prop::collection::vec(any::<u8>(), 0..140),
        2 => ("[a-c]{0,90}", any::<bool>()).prop_map(|(text, is_whole)| {
            let agreed = agreements().next();
            let compressed = Sender::new(agreed).text(&format!("{text}{text}")).into_payload().into_owned();
            if is_whole { compressed } else { compressed[..compressed.len() / 2].to_vec() }
        }),
        1 => (prop_oneof![Just(1000_u16), 990..1020_u16, any::<u16>()], "\\PC{0,9}")
            .prop_map(|(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat()),
        1 => Just(vec![b'*'; 300]),
    ]
}

/// Frames, most of them such that they follow each other well, with some bytes changed.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        6 => prop::sample::select(vec![0x81_u8, 0x82, 0xc1, 0xc2, 0x89, 0x8a, 0x01, 0x02, 0x41, 0x42, 0x00, 0x80]),
        1 => Just(0x88_u8),
        1 => any::<u8>(),
    ];
    let mutation = (any::<prop::sample::Index>(), any::<u8>(), 0..3_u8);
    (prop::collection::vec((first, payload()), 0..8), prop::collection::vec(mutation, 0..2)).prop_map(
        |(parts, mutations)| {
            let mut bytes: Vec<u8> = parts.iter().flat_map(|(first, payload)| frame(*first, payload)).collect();
            for (index, byte, kind) in mutations.into_iter().filter(|_| !parts.is_empty()) {
                let at = index.index(bytes.len());
                match kind {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
                if bytes.is_empty() {
                    break;
                }
            }
            bytes
        },
    )
}

/// A message, and in how large fragments to send it.
fn message() -> impl Strategy<Value = (bool, String, usize)> {
    let text = prop_oneof!["\\PC{0,100}", "[ab ]{0,2000}", (0..3000_usize).prop_map(|length| "é".repeat(length))];
    (any::<bool>(), text, prop_oneof![1..100_usize, Just(1_000_000)])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn frames_mean_the_same_however_they_are_cut(
        bytes in stream(),
        agreed in agreed(),
        limit in prop_oneof![Just(100_usize), Just(10_000)],
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = read([&bytes[..]], limit, agreed);
        prop_assert_eq!(&read(bytes.chunks(1), limit, agreed), &whole);
        prop_assert_eq!(&read(bytes.chunks(5), limit, agreed), &whole);
        let (first, second) = bytes.split_at(cut.index(bytes.len() + 1));
        prop_assert_eq!(&read([first, second], limit, agreed), &whole);
    }

    #[test]
    fn any_bytes_are_frames_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), agreed in agreed()) {
        let whole = read([&bytes[..]], 100, agreed);
        prop_assert_eq!(read(bytes.chunks(1), 100, agreed), whole);
        // Most starts are refused at the first byte; with these the rest is looked at.
        for first in [0x81, 0x82, 0xc1, 0x89, 0x88] {
            let bytes = frame(first, &bytes);
            prop_assert_eq!(read(bytes.chunks(1), 100, agreed), read([&bytes[..]], 100, agreed));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Client to server and back, whatever was agreed upon, in fragments, with pings in between.
    #[test]
    fn messages_come_back_as_they_were_sent(messages in prop::collection::vec(message(), 1..6), agreed in agreed()) {
        let mirrored = agreed.map(|agreed| Deflate {
            server_takeover: agreed.client_takeover,
            client_takeover: agreed.server_takeover,
            ..agreed
        });
        let (mut sender, mut receiver) = (Sender::new(mirrored), Receiver::new(usize::MAX, mirrored));
        let mut server = Echo::new(&OPTIONS, agreed);
        for (is_text, text, fragment) in messages {
            let sent = if is_text { sender.text(&text) } else { sender.binary(text.as_bytes()) };
            let first = sent.head()[0] & 0x7f;
            for (index, part) in sent.payload().chunks(fragment).enumerate() {
                server.feed(&frame(if index == 0 { first } else { 0 }, part));
                server.feed(&frame(0x8a, b"unsolicited"));
            }
            server.feed(&frame(if sent.payload().is_empty() { first | 0x80 } else { 0x80 }, b""));
            let answers = frames(&std::mem::take(&mut server.output));
            prop_assert_eq!(answers.len(), 1);
            let mut answer = frame(answers[0].0, &answers[0].1);
            let event = receiver.feed(&mut answer).unwrap().event.unwrap();
            let bytes = text.as_bytes().into();
            let expected = if is_text { Event::Text(bytes) } else { Event::Binary(bytes) };
            prop_assert!(event == expected);
        }
    }
}

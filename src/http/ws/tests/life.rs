//! The closing handshake, and who is still there.

use proptest::prelude::*;

use super::*;

fn at(seconds: u64) -> Time {
    NOW + Duration::from_secs(seconds)
}

fn open() -> (WebSocket, Vec<u8>) {
    (WebSocket::new(&OPTIONS, None, NOW), Vec::new())
}

#[test]
fn we_close_and_the_client_answers() {
    let (mut websocket, mut out) = open();
    websocket.close(at(1), 1012, "restart", &mut out).unwrap();
    assert_eq!(out, b"\x88\x09\x03\xf4restart");
    assert_eq!((websocket.is_open(), websocket.is_over(), websocket.next_deadline()), (false, false, Some(at(6))));
    out.clear();

    // What was under way is dropped, and no frame follows our Close.
    let mut late = [frame(0x81, b"late"), frame(0x89, b"ping")].concat();
    let length = late.len();
    assert_eq!(websocket.feed(at(2), &mut late, &mut out), Received { consumed: length, incoming: None });
    assert_eq!(websocket.text("a"), Err(SendError::Closed));
    assert_eq!(websocket.binary(b"a"), Err(SendError::Closed));
    assert_eq!(websocket.close(at(2), 1000, "", &mut out), Err(SendError::Closed));

    let mut answer = frame(0x88, b"\x03\xf4");
    let received = websocket.feed(at(3), &mut answer, &mut out);
    let close = Close { code: Some(CloseCode::SERVICE_RESTART), reason: "" };
    assert_eq!(received.incoming, Some(Incoming::Closed(close)));
    assert!(out.is_empty());
    assert_eq!((websocket.is_over(), websocket.next_deadline()), (true, None));
}

#[test]
fn a_client_that_does_not_answer_a_close_is_not_waited_for() {
    let (mut websocket, mut out) = open();
    websocket.close(at(1), 1000, "", &mut out).unwrap();
    out.clear();
    assert_eq!(websocket.on_time(at(5), &mut out), None);
    assert_eq!(websocket.on_time(at(6), &mut out), Some(Action::Disconnect(Loss::Close)));
    assert_eq!((websocket.is_over(), websocket.on_time(at(7), &mut out)), (true, None));
    assert!(out.is_empty());
}

#[test]
fn the_client_closes_and_is_answered() {
    let (mut websocket, mut out) = open();
    let mut close = [frame(0x88, b"\x0f\xa0bye"), frame(0x89, b"")].concat();
    let received = websocket.feed(at(1), &mut close, &mut out);
    assert_eq!(received.incoming, Some(Incoming::Closed(Close { code: CloseCode::new(4000), reason: "bye" })));
    assert_eq!(out, b"\x88\x02\x0f\xa0");
    assert_eq!((websocket.is_over(), websocket.text("a")), (true, Err(SendError::Closed)));
    let length = close.len();
    assert_eq!(websocket.feed(at(2), &mut close, &mut out), Received { consumed: length, incoming: None });
}

#[test]
fn a_client_that_breaks_a_rule_while_we_close_hears_nothing_more() {
    let (mut websocket, mut out) = open();
    websocket.close(at(1), 1000, "", &mut out).unwrap();
    out.clear();
    let mut bad = [0xff, 0xff];
    let received = websocket.feed(at(2), &mut bad, &mut out);
    assert_eq!(received, Received { consumed: 2, incoming: Some(Incoming::Failed(WsError::ReservedOpcode)) });
    assert_eq!((websocket.is_over(), out.is_empty()), (true, true));
}

#[test]
fn an_application_cannot_send_a_code_that_may_not_be_sent() {
    let (mut websocket, mut out) = open();
    for code in [0, 1005, 1006, 2000] {
        assert_eq!(websocket.close(NOW, code, "", &mut out), Err(SendError::Code(code)));
    }
    assert!(websocket.is_open() && out.is_empty());
}

#[test]
fn a_silent_client_is_asked_and_then_given_up() {
    let (mut websocket, mut out) = open();
    assert_eq!(websocket.next_deadline(), Some(at(20)));
    assert_eq!(websocket.on_time(at(20), &mut out), Some(Action::Send));
    assert_eq!((&out[..], websocket.on_time(at(20), &mut Vec::new())), (&b"\x89\0"[..], None));
    assert_eq!(websocket.feed(at(25), &mut frame(0x8a, b""), &mut out).incoming, None);
    assert_eq!(websocket.next_deadline(), Some(at(45)));

    assert_eq!(websocket.on_time(at(45), &mut out), Some(Action::Send));
    out.clear();
    assert_eq!(websocket.on_time(at(55), &mut out), Some(Action::Disconnect(Loss::Ping)));
    assert_eq!(out[..4], *b"\x88\x15\x03\xf3");
    assert!(websocket.is_over());
}

#[test]
fn a_client_that_is_not_read_from_is_not_given_up() {
    let (mut websocket, mut out) = open();
    websocket.on_time(at(20), &mut out);
    websocket.set_reading(false, at(21));
    assert_eq!(websocket.next_deadline(), None);
    websocket.set_reading(true, at(50));
    assert_eq!(websocket.next_deadline(), Some(at(70)));
}

/// What can happen to a WebSocket.
#[derive(Debug, Clone)]
enum Happening {
    Arrives(Vec<u8>),
    Send,
    Close(u16),
    Reading(bool),
    /// The next deadline comes, late by so many seconds; or so many pass.
    Deadline(u64),
    Passes(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let sent = prop_oneof![
        4 => Just(frame(0x81, b"Hello")),
        2 => Just(frame(0x89, b"ping")),
        2 => Just(frame(0x8a, b"")),
        1 => Just(frame(0x88, b"\x03\xe8")),
        1 => Just(frame(0x01, b"frag")),
        1 => Just(frame(0x80, b"ment")),
        1 => Just(b"\xff".to_vec()),
    ];
    prop_oneof![
        6 => sent.prop_map(Happening::Arrives),
        2 => Just(Happening::Send),
        1 => prop_oneof![Just(1000_u16), Just(1005)].prop_map(Happening::Close),
        1 => any::<bool>().prop_map(Happening::Reading),
        4 => (0..2_u64).prop_map(Happening::Deadline),
        2 => (0..30_u64).prop_map(Happening::Passes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// No frame follows a Close, what is over stays over, and a driver that asks at each deadline never spins.
    #[test]
    fn whatever_happens_a_websocket_ends_at_most_once(happenings in prop::collection::vec(happening(), 0..30)) {
        let (mut websocket, mut out) = open();
        let (mut now, mut ends) = (NOW, 0);
        for happening in happenings {
            let (was_open, was_over, before) = (websocket.is_open(), websocket.is_over(), out.len());
            match happening {
                Happening::Arrives(mut bytes) => {
                    let incoming = websocket.feed(now, &mut bytes, &mut out).incoming;
                    prop_assert!(incoming.is_none() || !was_over);
                    ends += usize::from(matches!(incoming, Some(Incoming::Closed(_) | Incoming::Failed(_))));
                }
                Happening::Send => match websocket.text("Hello") {
                    Ok(frame) => frame.append_to(&mut out),
                    Err(error) => prop_assert!(error == SendError::Closed && !was_open),
                },
                Happening::Close(code) => {
                    let closed = websocket.close(now, code, "", &mut out).is_ok();
                    prop_assert_eq!(closed, was_open && code == 1000);
                }
                Happening::Reading(is_reading) => websocket.set_reading(is_reading, now),
                Happening::Deadline(late) => {
                    now = websocket.next_deadline().unwrap_or(now).max(now) + Duration::from_secs(late);
                }
                Happening::Passes(seconds) => now = now + Duration::from_secs(seconds),
            }
            for _ in 0..2 {
                if let Some(Action::Disconnect(_)) = websocket.on_time(now, &mut out) {
                    ends += 1;
                }
            }
            prop_assert!(websocket.next_deadline().is_none_or(|deadline| deadline > now));
            prop_assert!(was_open || out.len() == before);
            prop_assert!(!was_over || websocket.is_over());
            prop_assert_eq!(ends, usize::from(websocket.is_over()));
        }
        let sent = frames(&out);
        let closes = sent.iter().filter(|(first, _)| *first == 0x88).count();
        prop_assert_eq!(closes, usize::from(!websocket.is_open()));
        prop_assert!(closes == 0 || sent.last().is_some_and(|(first, _)| *first == 0x88));
    }
}

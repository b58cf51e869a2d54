//! The cases of the Autobahn test suite, families 1 to 7, 9 and 10, as far as they need no socket. Each is run with all
//! bytes at once, a byte at a time, and in pieces of 7.

use super::*;

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
/// The last fragment of a message.
const LAST: u8 = 0x80;
/// One that is neither the first nor the last.
const MIDDLE: u8 = 0x00;

/// Autobahn's table of valid UTF-8.
const VALID: [&[u8]; 20] = [
    b"",
    b"Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!",
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
    b"\0",
    b"\xc2\x80",
    b"\xe0\xa0\x80",
    b"\xf0\x90\x80\x80",
    b"\x7f",
    b"\xdf\xbf",
    b"\xef\xbf\xbf",
    b"\xf4\x8f\xbf\xbf",
    b"\xed\x9f\xbf",
    b"\xee\x80\x80",
    b"\xef\xbf\xbd",
    b"\xef\xbf\xbe",
    b"\xf0\x9f\xbf\xbe",
    b"\xf4\x8f\xbf\xbe",
    b"\xef\xbf\xbf",
    b"\xf0\xaf\xbf\xbf",
    b"\xf3\xbf\xbf\xbf",
];

/// And of what is not.
const INVALID: [&[u8]; 34] = [
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    b"\xce",
    b"\xce\xba\xe1",
    b"\xce\xba\xe1\xbd",
    b"\xf8\x88\x80\x80\x80",
    b"\xfc\x84\x80\x80\x80\x80",
    b"\xf7\xbf\xbf\xbf",
    b"\xfb\xbf\xbf\xbf\xbf",
    b"\xfd\xbf\xbf\xbf\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\x80",
    b"\xbf",
    b"\x80\xbf\x80\xbf\x80\xbf",
    b"\xc0 \xc1 ",
    b"\xe0 \xe1 ",
    b"\xf0 \xf1 ",
    b"\xf8 \xf9 ",
    b"\xfc \xfd ",
    b"\xc0",
    b"\xe0\x80",
    b"\xf0\x80\x80",
    b"\xdf",
    b"\xef\xbf",
    b"\xf7\xbf\xbf",
    b"\xfe",
    b"\xff",
    b"\xc0\xaf",
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xc1\xbf",
    b"\xe0\x9f\xbf",
    b"\xf0\x8f\xbf\xbf",
    b"\xed\xa0\x80",
    b"\xed\xaf\xbf\xed\xb0\x80",
];

/// Frames that are sent, what the server sends (see `Echo::sent`), and the rule that was broken, if one was.
fn check(sent: &[(u8, &[u8])], expected: &[&str], error: Option<WsError>) {
    let bytes: Vec<u8> = sent.iter().flat_map(|(first, payload)| frame(*first, payload)).collect();
    for size in [bytes.len(), 1, 7] {
        let (answered, end) = echo(bytes.chunks(size));
        assert_eq!(answered, expected.join("\n"), "{sent:x?} in pieces of {size}");
        assert_eq!(end.and_then(Result::err), error, "{sent:x?} in pieces of {size}");
    }
}

/// Fails with this rule after these answers.
fn fails(sent: &[(u8, &[u8])], answers: &[&str], error: WsError) {
    let close = format!("88 {}", error.code().get());
    check(sent, &[answers, &[close.as_str()]].concat(), Some(error));
}

#[test]
fn family_1_framing() {
    for length in [0, 1, 125, 126, 127, 128, 65535, 65536] {
        let payload = vec![b'*'; length];
        let text = "*".repeat(length);
        check(&[(TEXT, &payload)], &[&format!("81 {text}")], None);
        check(&[(BINARY, &payload)], &[&format!("82 {text}")], None);
    }
}

#[test]
fn family_2_pings_and_pongs() {
    check(&[(PING, b"")], &["8a "], None);
    check(&[(PING, b"Hello, world!")], &["8a Hello, world!"], None);
    check(&[(PING, b"\0\xff\xfe\xfd\xfc\xfb\0\xff")], &["8a \\x00\\xff\\xfe\\xfd\\xfc\\xfb\\x00\\xff"], None);
    check(&[(PING, &[b'*'; 125])], &[&format!("8a {}", "*".repeat(125))], None);
    fails(&[(PING, &[b'*'; 126])], &[], WsError::ControlTooLong);
    check(&[(PONG, b"")], &[], None);
    check(&[(PONG, b"unsolicited"), (PING, b"ping")], &["8a ping"], None);
    check(&[(PING, &b"p"[..]); 10], &["8a p"; 10], None);
}

#[test]
fn family_3_reserved_bits() {
    let error = WsError::ReservedBits;
    fails(&[(TEXT | 0x10, b"Hello")], &[], error);
    fails(&[(TEXT, b"Hello"), (TEXT | 0x20, b"Hello"), (PING, b"")], &["81 Hello"], error);
    fails(&[(TEXT, b"Hello"), (TEXT | 0x30, b"Hello"), (PING, b"")], &["81 Hello"], error);
    fails(&[(TEXT, b"Hello"), (TEXT | 0x40, b"Hello"), (PING, b"")], &["81 Hello"], error);
    fails(&[(BINARY | 0x50, b"\0\xff")], &[], error);
    fails(&[(PING | 0x60, b"Hello")], &[], error);
    fails(&[(CLOSE | 0x70, b"\x03\xe8")], &[], error);
}

#[test]
fn family_4_reserved_opcodes() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        fails(&[(0x80 | opcode, b"")], &[], WsError::ReservedOpcode);
        fails(&[(opcode, b"")], &[], WsError::ReservedOpcode);
        fails(&[(TEXT, b"Hello"), (0x80 | opcode, b"x"), (PING, b"")], &["81 Hello"], WsError::ReservedOpcode);
    }
}

#[test]
fn family_5_fragments() {
    fails(&[(0x09, b"fragment1"), (LAST, b"fragment2")], &[], WsError::ControlFragmented);
    fails(&[(0x0a, b"fragment1"), (LAST, b"fragment2")], &[], WsError::ControlFragmented);
    let (first, last) = ((0x01, &b"fragment1"[..]), (LAST, &b"fragment2"[..]));
    let whole = "81 fragment1fragment2";
    check(&[first, last], &[whole], None);
    check(&[first, (PING, b"ping"), last], &["8a ping", whole], None);
    check(&[(0x02, b"\xff"), (MIDDLE, b""), (LAST, b"")], &["82 \\xff"], None);
    check(&[(0x01, b""), (MIDDLE, b""), (LAST, b"")], &["81 "], None);
    check(&[(0x01, b""), (MIDDLE, b"middle"), (LAST, b"")], &["81 middle"], None);
    // 5.9 to 5.14
    for opcode in [LAST, MIDDLE] {
        fails(&[(opcode, b"non-continuation"), (TEXT, b"Hello")], &[], WsError::ContinuationOfNothing);
    }
    // 5.15 to 5.17
    fails(&[first, last, (MIDDLE, b"fragment3"), (TEXT, b"x")], &[whole], WsError::ContinuationOfNothing);
    // 5.18
    fails(&[first, (TEXT, b"fragment2")], &[], WsError::MessageInMessage);
    // 5.19 and 5.20
    let (a, b, c, d, e) =
        ((0x01, &b"1"[..]), (0x00, &b"2"[..]), (PING, &b"a"[..]), (0x00, &b"3"[..]), (LAST, &b"5"[..]));
    check(&[a, b, c, d, b, (PING, b"b"), e], &["8a a", "8a b", "81 12325"], None);
}

#[test]
fn family_6_utf8() {
    for text in VALID {
        let answer = format!("81 {}", text.escape_ascii());
        check(&[(TEXT, text)], &[&answer], None);
        let (first, second) = text.split_at(text.len() / 2);
        check(&[(0x01, first), (PING, b""), (LAST, second)], &["8a ", &answer], None);
    }
    for text in INVALID {
        fails(&[(TEXT, text)], &[], WsError::Utf8);
        fails(&[(0x01, text), (MIDDLE, b""), (LAST, b"")], &[], WsError::Utf8);
        let (first, second) = text.split_at(text.len() / 2);
        let is_known = str::from_utf8(first).err().is_some_and(|error| error.error_len().is_some());
        let answers: &[&str] = if is_known { &[] } else { &["8a "] };
        fails(&[(0x01, first), (PING, b""), (LAST, second)], answers, WsError::Utf8);
    }
}

/// 6.4: at the first bad byte, though more of frame and message are to come.
#[test]
fn family_6_fails_fast() {
    let good = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";
    for (begin, bad) in [(&b"\xf4"[..], 0x90), (b"\xed", 0xa0), (b"\xf0\x90\x80", 0x20), (b"", 0xff)] {
        let text = [&good[..], begin, &[bad], b"edited"].concat();
        let known = good.len() + begin.len();
        for bytes in [frame(TEXT, &text), frame(0x01, &text), [frame(0x01, b""), frame(MIDDLE, &text)].concat()] {
            let at = bytes.len() - text.len() + known;
            let mut echo = Echo::new(&OPTIONS, None);
            echo.feed(&bytes[..at]);
            assert_eq!(echo.end, None, "before {bad:x}");
            echo.feed(&bytes[at..=at]);
            assert_eq!(echo.end, Some(Err(WsError::Utf8)), "at {bad:x}");
        }
    }
}

#[test]
fn family_7_closing() {
    check(&[(TEXT, b"Hello"), (CLOSE, b"\x03\xe8")], &["81 Hello", "88 1000"], None);
    // 7.1.2 to 7.1.4: what follows a Close is not read.
    for (first, payload) in [(CLOSE, &b"\x03\xe8"[..]), (PING, b""), (TEXT, b"Hello"), (0xff, b"")] {
        check(&[(CLOSE, b"\x03\xe8"), (first, payload)], &["88 1000"], None);
    }
    check(&[(0x01, b"fragment1"), (CLOSE, b"\x03\xe8"), (LAST, b"fragment2")], &["88 1000"], None);
    let large = vec![b'B'; 256 * 1024];
    let answer = format!("82 {}", "B".repeat(large.len()));
    check(&[(BINARY, &large), (CLOSE, b"\x03\xe8"), (PING, b"")], &[&answer, "88 1000"], None);
    // 7.3
    check(&[(CLOSE, b"")], &["88"], None);
    fails(&[(CLOSE, b"\x03")], &[], WsError::CloseLength);
    check(&[(CLOSE, b"\x03\xe8")], &["88 1000"], None);
    check(&[(CLOSE, b"\x03\xe8Hello")], &["88 1000"], None);
    check(&[(CLOSE, &[&b"\x03\xe8"[..], &[b'*'; 123]].concat())], &["88 1000"], None);
    fails(&[(CLOSE, &[&b"\x03\xe8"[..], &[b'*'; 124]].concat())], &[], WsError::ControlTooLong);
    // 7.5
    fails(&[(CLOSE, b"\x03\xe8\xce\xba\xed\xa0\x80")], &[], WsError::Utf8);
}

#[test]
fn family_7_close_codes() {
    for code in [1000_u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        check(&[(CLOSE, &code.to_be_bytes())], &[&format!("88 {code}")], None);
    }
    for code in [0_u16, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535] {
        fails(&[(CLOSE, &code.to_be_bytes())], &[], WsError::CloseCode);
    }
}

/// 9.1 to 9.6: large messages, whole, in fragments, and chopped.
#[test]
fn family_9_limits() {
    for (opcode, length) in [(1, 4 << 20), (2, 16 << 20)] {
        let payload = vec![b'*'; length];
        for fragment in [length, 1 << 20, 64 << 10, 4096, 256] {
            let mut bytes = Vec::new();
            for (index, part) in payload.chunks(fragment).enumerate() {
                let is_last = (index + 1) * fragment >= length;
                bytes.extend(frame(if is_last { LAST } else { 0 } | if index == 0 { opcode } else { 0 }, part));
            }
            let mut echo = Echo::new(&OPTIONS, None);
            bytes.chunks(128 << 10).for_each(|piece| echo.feed(piece));
            let answers = frames(&echo.output);
            assert!(answers == [(0x80 | opcode, payload.clone())], "{} answers", answers.len());
        }
    }
}

/// 10.1, and what is longer than it may be, announced or not.
#[test]
fn family_10_fragments_and_messages_beyond_the_limit() {
    let payload = vec![b'*'; 65536];
    let fragments: Vec<(u8, &[u8])> =
        payload.chunks(1300).enumerate().map(|(i, part)| (u8::from(i == 0), part)).collect();
    let answer = format!("81 {}", "*".repeat(payload.len()));
    check(&[&fragments[..], &[(LAST, b"")]].concat(), &[&answer], None);

    let narrow = Options { max_message_size: 1000, ..OPTIONS };
    let long = frame(TEXT, &[b'*'; 1001]);
    let fragments = [frame(0x01, &[b'*'; 600]), frame(MIDDLE, &[b'*'; 400]), frame(LAST, b"*")].concat();
    // The head is enough.
    for bytes in [&long[..8], &fragments[..fragments.len() - 1]] {
        let mut echo = Echo::new(&narrow, None);
        echo.feed(&bytes[..bytes.len() - 1]);
        assert_eq!(echo.end, None);
        echo.feed(&bytes[bytes.len() - 1..]);
        assert_eq!((echo.end.clone(), echo.sent()), (Some(Err(WsError::MessageTooLong)), "88 1009".to_owned()));
    }
    let mut echo = Echo::new(&narrow, None);
    echo.feed(&frame(TEXT, &[b'*'; 1000]));
    echo.feed(&[frame(0x01, &[b'*'; 600]), frame(LAST, &[b'*'; 400])].concat());
    assert_eq!((echo.end, frames(&echo.output).len()), (None, 2));
}

/// RFC 6455, section 5.7.
#[test]
fn the_examples_of_the_rfc() {
    let mut echo = Echo::new(&OPTIONS, None);
    echo.feed(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    assert_eq!(echo.output, b"\x81\x05Hello");
    echo.output.clear();
    echo.feed(b"\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    assert_eq!(echo.output, b"\x8a\x05Hello");
    echo.output.clear();
    echo.feed(&frame(0x82, &[7; 256]));
    assert_eq!(echo.output[..4], *b"\x82\x7e\x01\x00");
    echo.output.clear();
    echo.feed(&frame(0x82, &[7; 65536]));
    assert_eq!(echo.output[..10], *b"\x82\x7f\0\0\0\0\0\x01\0\0");
    echo.feed(b"\x81\x05Hello");
    assert_eq!(echo.end, Some(Err(WsError::Unmasked)));
}

//! Writes the inputs that each target begins with into `target/fuzz/seeds`, from the tables of messages: so nothing of
//! what they know has to be found by chance. Here, since a build script is not instrumented.

// What a test is told and nobody asks for here is not dead.
#[allow(dead_code)]
#[path = "../tests/http_messages/cases.rs"]
mod cases;

use std::path::Path;
use std::{fs, io};

/// Headers of the PROXY protocol, both versions, and values of the forwarding fields.
const FRONT: [&[u8]; 13] = [
    b"PROXY TCP4 198.51.100.7 192.0.2.1 51000 443\r\nGET / HTTP/1.1\r\n",
    b"PROXY TCP6 2001:db8::7 ::1 51000 443\r\n",
    b"PROXY UNKNOWN\r\n",
    b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x07\xc0\0\x02\x01\xc7\x38\x01\xbbGET",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\
      \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\xc7\x38\x01\xbb",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x13\xc6\x33\x64\x07\xc0\0\x02\x01\xc7\x38\x01\xbb\x03\0\x04\x01\x02\x03\x04",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x00\0\0",
    b"198.51.100.7, 10.0.0.1\n127.0.0.1",
    b"[2001:db8::7]:4711, unknown, ::1",
    b"for=198.51.100.7;proto=http;by=203.0.113.43, for=10.0.0.1",
    b"For=\"[2001:db8::7]:4711\", for=_hidden, for=\"10.0.0.1:80\"",
];

/// Frames of a client. Their key is 0, so that payloads can be read, and changed to some purpose.
const FRAMES: [&[u8]; 13] = [
    b"\x81\x85\0\0\0\0Hello\x82\x83\0\0\0\0\0\xff\x01",
    b"\x01\x83\0\0\0\0Hel\x89\x82\0\0\0\0hi\x00\x80\0\0\0\0\x80\x82\0\0\0\0lo",
    b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x8a\x81\0\0\0\0a",
    b"\x01\x82\0\0\0\0\xce\xba\x80\x83\0\0\0\0\xe1\xbd\xb9",
    b"\x81\x84\0\0\0\0\xf4\x8f\xbf\xbf\x88\x80\0\0\0\0",
    b"\x81\x84\0\0\0\0\xf4\x90\xbf\xbf",
    b"\x88\x87\0\0\0\0\x03\xe8hello\x89\x80\0\0\0\0",
    b"\x82\xfe\0\x7e\0\0\0\0\
      0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\
      01234567890123456789012345",
    b"\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\0\xc1\x85\0\0\0\0\xf2\0\x11\0\0",
    b"\x41\x83\0\0\0\0\xf2\x48\xcd\x89\x80\0\0\0\0\x80\x84\0\0\0\0\xc9\xc9\x07\0",
    b"\xc2\x8b\0\0\0\0\0\x05\0\xfa\xffHello\0\xc2\x81\0\0\0\0\0",
    b"\xc1\x88\0\0\0\0\xf3\x48\xcd\xc9\xc9\x07\0\0\xc1\x8d\0\0\0\0\xf2\x48\x05\0\0\0\xff\xff\xca\xc9\xc9\x07\0",
    b"a; b=\"c\\d\"; e, permessage-deflate; client_max_window_bits=15; server_no_context_takeover, permessage-deflate; \
      server_max_window_bits=9; client_no_context_takeover",
];

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../tests/http_messages");
    let seeds = root.join("target/fuzz/seeds");
    let streams: Vec<Vec<u8>> = cases::tables(&root).into_iter().map(|case| case.bytes).collect();
    let bodies = streams.iter().filter_map(|stream| chunked_body(stream));
    write(&seeds.join("head"), streams.iter().map(Vec::as_slice))?;
    write(&seeds.join("connection"), streams.iter().map(Vec::as_slice))?;
    write(&seeds.join("reactor"), streams.iter().map(Vec::as_slice).chain(FRONT))?;
    write(&seeds.join("chunked"), bodies)?;
    write(&seeds.join("proxy"), FRONT.into_iter())?;
    write(&seeds.join("ws"), FRAMES.into_iter())
}

/// What follows the first head of a stream, if that announces a chunked body.
fn chunked_body(stream: &[u8]) -> Option<&[u8]> {
    let end = stream.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let (head, body) = stream.split_at(end);
    head.windows(7).any(|window| window.eq_ignore_ascii_case(b"chunked")).then_some(body)
}

fn write<'s>(directory: &Path, seeds: impl Iterator<Item = &'s [u8]>) -> io::Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir_all(directory)?;
    for (number, seed) in seeds.enumerate() {
        fs::write(directory.join(format!("{number:03}")), seed)?;
    }
    Ok(())
}

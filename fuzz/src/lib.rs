//! What must hold for any bytes from the network: a message or an error comes of them, never a panic, and it is the
//! same however the bytes were cut on their way. Each public function is a fuzz target, and panics if it does not hold.

mod body;
#[path = "../../tests/http_messages/connection.rs"]
mod driver;
mod front;
mod reactor;
mod request;
mod ws;

use gunicorn::http::Limits;

pub use body::chunked;
pub use front::proxy;
pub use reactor::reactor;
pub use request::head;
pub use ws::ws;

/// A connection: heads and bodies, one after the other.
pub fn connection(bytes: &[u8]) {
    for limits in [Limits::default(), driver::narrow_limits()] {
        same_however_cut(bytes, |pieces| driver::run(pieces.iter().copied(), &limits));
    }
}

/// Runs `read` on the bytes whole, a byte at a time, and cut in two at an arbitrary place; the outcome must be the
/// same. Of nothing there is no piece.
fn same_however_cut<T: PartialEq + std::fmt::Debug>(bytes: &[u8], read: impl Fn(&[&[u8]]) -> T) {
    if bytes.is_empty() {
        return;
    }
    let whole = read(&[bytes]);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(&single), whole, "a byte at a time");
    let (first, second) = bytes.split_at(arbitrary(bytes, bytes.len()));
    assert_eq!(read(&[first, second]), whole, "cut at {}", first.len());
}

/// A number below `bound` that any change of the bytes changes, and that the same bytes always give (FNV-1a).
fn arbitrary(bytes: &[u8], bound: usize) -> usize {
    let hash = bytes.iter().fold(0x811c_9dc5_u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash as usize % bound
}

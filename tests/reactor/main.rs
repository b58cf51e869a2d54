//! The reactor and the sync kind over real sockets, with a native application.

#![allow(clippy::unwrap_used)]

/// The sync kind.
const THREADS: Option<usize> = None;

mod body;
mod connections;
mod contract;
mod flusher;
mod foreign;
mod peer;
#[path = "../arbiter_simulation/random.rs"]
#[allow(dead_code, reason = "it is the other's, too")]
mod random;
mod server;
mod slow;
mod spool;
mod stop;
mod upgraded;

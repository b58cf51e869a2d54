//! The reactor and the sync kind over real sockets, with a native application.

#![allow(clippy::unwrap_used)]

/// The sync kind.
const THREADS: Option<usize> = None;

mod body;
mod connections;
mod flusher;
mod foreign;
mod server;
mod slow;
mod spool;
mod stop;
mod upgraded;

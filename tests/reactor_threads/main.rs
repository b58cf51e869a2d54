//! What holds of the reactor under the sync kind holds under gthread too; and what only gthread does.

#![allow(clippy::unwrap_used)]

/// The gthread kind.
const THREADS: Option<usize> = Some(threads::COUNT);

#[path = "../reactor/body.rs"]
mod body;
#[path = "../reactor/connections.rs"]
mod connections;
#[path = "../reactor/server.rs"]
mod server;
#[path = "../reactor/slow.rs"]
mod slow;
#[path = "../reactor/spool.rs"]
mod spool;
#[path = "../reactor/stop.rs"]
mod stop;
mod threads;

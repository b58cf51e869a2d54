//! How a reactor treats its clients.

use std::path::PathBuf;
use std::time::Duration;

use crate::http::{Acceptance, Forwarding, Networks, ProxyProtocol};
use crate::scoreboard::SlotCells;
use crate::sys::clock;

/// Most connections of one reactor, however many files it may have open.
const MAX_CONNECTIONS: usize = 16 * 1024;

/// The times, bounds and places of one reactor.
#[derive(Debug, Clone)]
pub struct ReactorConfig {
    /// Bounds on a request, and what is taken though it is unconventional.
    pub acceptance: Acceptance,
    /// Whom to believe what it says about the client.
    pub forwarding: Forwarding,
    /// Which PROXY protocol header may come before the first request.
    pub proxy_protocol: ProxyProtocol,
    /// From whom.
    pub proxy_allowed: Networks,
    /// How long a connection may be idle between two requests; `None` or zero: each response closes its
    /// connection.
    pub keepalive: Option<Duration>,
    /// How long a new connection may be silent, and how long a head may take from its first byte to its last.
    pub head_timeout: Duration,
    /// Most requests of one connection; `None`: no bound.
    pub keepalive_requests: Option<u64>,
    /// How long the body may pause while it arrives.
    pub body_timeout: Duration,
    /// Least bytes a second of the body, on average, once `body_timeout` is over; `None`: any.
    pub min_rate: Option<u64>,
    /// Whether whoever runs the application may be made to wait for a client. Otherwise it sees to that by itself, and
    /// what it gives is taken, whatever the bounds are.
    pub waits: bool,
    /// Whether a long body is handed out while it arrives: whoever runs the application may wait for the rest.
    pub streams_bodies: bool,
    /// How long a client may pause while it takes the response.
    pub write_timeout: Duration,
    /// Most connections at one time; then the one that has been idle for longest gives way to a newcomer, and while
    /// none is idle nothing is accepted.
    pub max_connections: usize,
    /// Where long request bodies are kept, and responses that wait for slow readers.
    pub temp_dir: PathBuf,
    /// Bytes that requests and responses may hold in memory, all of them together; beyond, they are kept in files.
    pub buffer_memory: u64,
    /// Bytes that they may hold in files; beyond, request bodies are refused and responses wait for their readers.
    pub buffer_disk: u64,
    /// Whose deadline is put off while a response waits for its client; `None`: nobody watches.
    pub heartbeat: Option<Heartbeat>,
}

/// The deadline by which a worker must show that it lives. A request in the application has it from the worker's kind;
/// what the application spends waiting for a slow client is not its fault and does not count.
#[derive(Debug, Clone, Copy)]
pub struct Heartbeat {
    /// The worker's slot.
    pub slot: &'static SlotCells,
    /// Time that the application has.
    pub timeout: Duration,
}

impl Heartbeat {
    /// The application's time starts anew once `wait` is over.
    pub(super) fn put_off(&self, wait: Duration) {
        self.slot.set_deadline(Some(clock::now() + wait + self.timeout));
    }
}

impl ReactorConfig {
    /// Most connections in a process that may have so many files open: a quarter is left to the application, so that
    /// no number of clients makes its open(2) fail.
    pub fn connections_within(open_files: u64) -> usize {
        usize::try_from(open_files / 4 * 3).unwrap_or(MAX_CONNECTIONS).clamp(16, MAX_CONNECTIONS)
    }
}

impl Default for ReactorConfig {
    fn default() -> Self {
        Self {
            acceptance: Acceptance::default(),
            forwarding: Forwarding::default(),
            proxy_protocol: ProxyProtocol::Off,
            proxy_allowed: Networks::NONE,
            keepalive: None,
            keepalive_requests: None,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            min_rate: None,
            waits: true,
            streams_bodies: false,
            write_timeout: Duration::from_secs(30),
            max_connections: MAX_CONNECTIONS,
            temp_dir: std::env::temp_dir(),
            buffer_memory: 64 * 1024 * 1024,
            buffer_disk: 1024 * 1024 * 1024,
            heartbeat: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_leave_files_to_the_application() {
        assert_eq!(ReactorConfig::connections_within(1024), 768);
        assert_eq!(ReactorConfig::connections_within(8), 16);
        assert_eq!(ReactorConfig::connections_within(u64::MAX), MAX_CONNECTIONS);
    }
}

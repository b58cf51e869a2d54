//! WebSockets that wait for the worker's memory: they are driven again, the first first, when some has been freed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gunicorn::log;
use pyo3::prelude::*;

use super::engine::Engine;
use super::websocket::Socket;
use crate::zygote;

/// Those who wait.
#[derive(Default)]
pub(super) struct Hungry {
    /// In the order in which they began to.
    waiting: Mutex<VecDeque<Py<Socket>>>,
    /// Bytes that were held when the last of them found no room.
    held: AtomicU64,
}

impl Hungry {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Py<Socket>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more waits, while so many bytes are held.
    pub(super) fn add(&self, socket: Py<Socket>, held: u64) {
        self.held.fetch_max(held, Relaxed);
        self.lock().push_back(socket);
    }

    /// Drives all of them, if fewer bytes are held than were; who goes on waiting is added anew.
    pub(super) fn drive(&self, py: Python<'_>, held: u64) {
        if held >= self.held.load(Relaxed) {
            return;
        }
        self.held.store(0, Relaxed);
        let waiting = std::mem::take(&mut *self.lock());
        for socket in waiting {
            // What goes wrong with one client must not cost the others their turn.
            if let Err(error) = Socket::drive_hungry(socket.bind(py)) {
                log::error!("{}", zygote::traceback(py, &error).trim_end());
            }
        }
    }

    /// Memory has been freed: the loop is to see to those who wait for it.
    pub(super) fn tell(&self, py: Python<'_>, engine: &Engine) -> PyResult<()> {
        if self.lock().is_empty() { Ok(()) } else { engine.turn_soon(py) }
    }
}

//! One thread of a worker process that goes on sending while the application makes the next part of its response
//! (PEP 3333, "Buffering and Streaming"). It is started when it is needed for the first time: by a client that does not
//! keep up with a body of unknown end.
//!
//! # Theory of operation
//!
//! An exchange hands over its queue and gets a [`Flow`]: the queue behind a lock, and a second descriptor of the
//! client's socket, which the flusher's poll watches for output, edge-triggered. The exchange alone adds to the queue,
//! the flusher alone sends from it, one system call at a time; neither has the lock for longer than that. When the
//! exchange ends, the flow is taken back, and the reactor goes on with what is left.
//!
//! **No wake-up is lost.** Of a queue that is not empty one of two things is true: the flusher has it on its list, or
//! the socket's poll state will be told. Registering tells of a socket that takes output already (epoll(7)), and
//! the flusher takes a queue off its list only after a write that said `EAGAIN`, from which on the kernel tells of
//! the next room. Adding to a queue that is not empty changes nothing of this; adding to an empty one renews the
//! registration, which tells anew. The exchange may write past the flusher while the queue is empty, since nobody else
//! can put anything into it.
//!
//! **A fork** leaves a child without this thread, with a lock that may be held for ever, a queue that may be half
//! changed, and a poll that it shares with its parent. So whoever uses a flow or the flusher asks first whether this
//! process made it; in a child a flow is a broken connection, and its memory is not touched.
//!
//! The thread runs no application code, holds no Python object (a queue is copied before: [`Queue::disown`]) and takes
//! no signal: those are the main thread's.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use slab::Slab;

use super::queue::{Queue, Step};
use crate::log;
use crate::sys::{clock, fd, process, signals};
use crate::time::Time;

/// Most events taken from the poll at one time.
const EVENTS: usize = 64;

/// Bytes of the thread's stack.
const STACK_BYTES: usize = 128 * 1024;

const WAKE: Token = Token(usize::MAX);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The way to the thread, which it starts when that is needed.
#[derive(Debug)]
pub(super) struct Flusher {
    /// The process that may use it.
    owner: i32,
    thread: Mutex<Option<Handle>>,
}

/// Ends the thread when it is dropped.
#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    waker: Waker,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // In a child this wakes the parent's thread, which finds its own flag as it was.
        self.shared.is_over.store(true, Relaxed);
        let _ = self.waker.wake();
    }
}

/// What the thread and the exchanges share.
#[derive(Debug)]
struct Shared {
    registry: Registry,
    flows: Mutex<Slab<Arc<Mutex<State>>>>,
    /// The thread has ended or is to end.
    is_over: AtomicBool,
}

/// What is left to send, and where to.
#[derive(Debug)]
struct State {
    queue: Queue,
    /// `None` once the queue is taken back.
    socket: Option<File>,
    /// When the client last took something, or had nothing to take.
    last_progress: Time,
}

impl Flusher {
    /// For this process. Nothing is started yet.
    pub(super) fn new() -> Self {
        Self { owner: process::pid(), thread: Mutex::new(None) }
    }

    /// Sends `queue` to `socket` from now on.
    ///
    /// # Errors
    /// It cannot, for want of descriptors or memory, or since this process was forked; the queue comes back.
    pub(super) fn hand_over(&self, socket: BorrowedFd<'_>, mut queue: Queue) -> Result<Flow, Queue> {
        if process::pid() != self.owner {
            return Err(queue);
        }
        let prepared = self.running().and_then(|shared| Ok((shared, fd::duplicate(socket.as_raw_fd())?)));
        let (shared, copy) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                log::debug!("A stream waits for its client, for it cannot be sent otherwise: {error}");
                return Err(queue);
            }
        };
        queue.disown();
        let number = copy.as_raw_fd();
        let state = State { queue, socket: Some(copy.into()), last_progress: clock::now() };
        let state = Arc::new(Mutex::new(state));
        // The thread must know it before the poll can tell of it.
        let token = Token(lock(&shared.flows).insert(Arc::clone(&state)));
        let watched = shared.registry.register(&mut SourceFd(&number), token, Interest::WRITABLE);
        let flow = Flow { owner: self.owner, shared, token, state };
        match watched {
            Ok(()) => Ok(flow),
            Err(_) => Err(flow.take_back()),
        }
    }

    /// The thread, started if there is none.
    fn running(&self) -> io::Result<Arc<Shared>> {
        let mut thread = lock(&self.thread);
        if let Some(handle) = thread.as_ref().filter(|handle| !handle.shared.is_over.load(Relaxed)) {
            return Ok(Arc::clone(&handle.shared));
        }
        let handle = start()?;
        let shared = Arc::clone(&handle.shared);
        *thread = Some(handle);
        Ok(shared)
    }
}

fn start() -> io::Result<Handle> {
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), WAKE)?;
    let registry = poll.registry().try_clone()?;
    let shared = Arc::new(Shared { registry, flows: Mutex::default(), is_over: AtomicBool::new(false) });
    let threads = Arc::clone(&shared);
    let builder = thread::Builder::new().name("flusher".to_owned()).stack_size(STACK_BYTES);
    signals::with_all_blocked(|| builder.spawn(move || run(poll, &threads)))??;
    Ok(Handle { shared, waker })
}

/// The thread.
fn run(mut poll: Poll, shared: &Shared) {
    let mut events = Events::with_capacity(EVENTS);
    let mut list: VecDeque<Token> = VecDeque::new();
    while !shared.is_over.load(Relaxed) {
        let timeout = (!list.is_empty()).then_some(Duration::ZERO);
        match poll.poll(&mut events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                // Exchanges notice, and no response depends on this thread: each goes back to the reactor at its end.
                log::error!("The flusher cannot wait for its clients: {error}");
                shared.is_over.store(true, Relaxed);
                return;
            }
            _ => {}
        }
        for event in events.iter().filter(|event| event.token() != WAKE) {
            if !list.contains(&event.token()) {
                list.push_back(event.token());
            }
        }
        list.retain(|token| shared.step(*token));
    }
}

impl Shared {
    /// Sends once; `false` when there is nothing to send for now.
    fn step(&self, token: Token) -> bool {
        // It may have been taken back since.
        let Some(state) = lock(&self.flows).get(token.0).map(Arc::clone) else { return false };
        let State { queue, socket: Some(socket), last_progress } = &mut *lock(&state) else { return false };
        match queue.step(socket) {
            Ok(Step::Sent(_)) => {
                *last_progress = clock::now();
                true
            }
            Ok(Step::Empty | Step::Blocked) => false,
            Err(_) => {
                queue.give_up();
                false
            }
        }
    }
}

/// A queue that the flusher sends from. Dropped, it is taken back and what is in it forgotten.
#[derive(Debug)]
pub(super) struct Flow {
    owner: i32,
    shared: Arc<Shared>,
    token: Token,
    state: Arc<Mutex<State>>,
}

impl Flow {
    /// Whether this process may touch it.
    pub(super) fn is_ours(&self) -> bool {
        process::pid() == self.owner
    }

    /// Lets `work` look at the queue, or add to it.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut Queue) -> R) -> R {
        let State { queue, socket, last_progress } = &mut *lock(&self.state);
        let was_empty = queue.is_empty();
        let result = work(queue);
        if let Some(socket) = socket.as_ref().filter(|_| was_empty && !queue.is_empty()) {
            *last_progress = clock::now();
            // If it should fail nothing is lost: at the end of the exchange the reactor sends what is there.
            let _ = self.shared.registry.reregister(&mut SourceFd(&socket.as_raw_fd()), self.token, Interest::WRITABLE);
        }
        result
    }

    /// Whether the client is there, and takes something now and then: at least once in `limit`.
    pub(super) fn is_alive(&self, limit: Duration) -> bool {
        let State { queue, last_progress, .. } = &*lock(&self.state);
        !queue.is_broken() && (queue.is_empty() || clock::now() - *last_progress <= limit)
    }

    /// Ends it: gives the queue with what has not been sent.
    pub(super) fn take_back(mut self) -> Queue {
        self.close()
    }

    /// What the flusher is just sending it has sent when this has the lock; after that it finds no socket.
    fn close(&mut self) -> Queue {
        let (queue, socket) = {
            let mut state = lock(&self.state);
            (state.queue.take(), state.socket.take())
        };
        if let Some(socket) = socket {
            // The poll watches the socket, not the descriptor, and would go on when that is closed.
            let _ = self.shared.registry.deregister(&mut SourceFd(&socket.as_raw_fd()));
            lock(&self.shared.flows).try_remove(self.token.0);
        }
        queue
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        if self.is_ours() {
            self.close();
        } else {
            std::mem::forget(Arc::clone(&self.state));
        }
    }
}

//! ASGI 3: the bridge from exchanges to an async application, on the worker's own event loop.
//!
//! # Theory of operation
//!
//! The loop (asyncio's or uvloop's) runs on the main thread and watches one descriptor, the reactor's poll
//! ([`engine`]). When that fires, the reactor accepts, reads, parses, writes and times out whatever is ready, in one
//! call; each request that has arrived becomes a [`cycle`]: the Python object behind `receive` and `send`, which owns
//! the exchange, and a task that runs the application. No thread, no transport object, no protocol object.
//!
//! What the application awaits is ready nearly always (the body has arrived, the socket takes the response): then the
//! awaitable is one that completes at once ([`awaitable`]), without a visit to the loop. Only where the client is slow
//! is there a future, which the engine resolves when the reactor tells of the socket.
//!
//! # What holds
//!
//! - No Rust lock is held while Python code runs. What is taken out is put back before anything is called.
//! - A response that is complete goes back to the reactor at once, whatever the application does after it.
//! - A client that is slow makes `send` wait, so that no more than one message waits in memory.

mod awaitable;
mod calls;
mod clients;
mod cycle;
mod engine;
mod hungry;
mod live;
mod message;
mod receiving;
mod run;
mod scope;
mod websocket;

pub(crate) use run::{Asgi, explain, is_async, run, set_up};

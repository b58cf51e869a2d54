//! WSGI in greenlets, of gevent or of eventlet: the bridge from exchanges to a callable that waits in a hub.
//!
//! # Theory of operation
//!
//! The library's hub runs on the main thread and watches one descriptor, the reactor's poll ([`engine`]). When that
//! fires the reactor turns, and of each request that has arrived a greenlet is made, in which `_green.py` runs the
//! application on a [`call`]: what is different from one thread that calls ([`crate::wsgi`]) is who waits.
//!
//! A greenlet switches by exchanging the stack below it. A frame of ours that lies there would be moved away while
//! what it has lent is used, so there is none: the application is called, its iterable taken on and closed, its files
//! read and its loggers told by the Python of `_green.py`, and what that calls here returns without having waited.
//! Where a client is slow it says so, and `_green.py` waits in the hub until the engine, which the reactor tells of
//! the client's socket, wakes it.
//!
//! # What holds
//!
//! - Nothing here runs a part of the application, or a hub, but what PEP 3333 has `start_response` do, which looks
//!   through the headers that it is given with nothing lent.
//! - No lock is held while Python code runs.
//! - Each writer waits until its client has taken what it has written, so that no more than one part of a body is in
//!   memory; a body that is whole goes to the reactor, and within the bounds of the worker nobody waits for it.

mod call;
mod engine;
mod run;

pub(crate) use run::{prepare, renew, run};

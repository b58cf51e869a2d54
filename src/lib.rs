//! gunicorn-rs: a pre-fork application server for Python that replaces gunicorn.
//!
//! Start with [`arbiter`]: everything that the parent process decides is one pure state machine.

pub mod app;
pub mod arbiter;
pub mod http;
pub mod log;
pub mod master;
pub mod net;
pub mod reactor;
pub mod run;
pub mod scoreboard;
pub mod settings;
pub mod sys;
pub mod time;
pub mod worker;

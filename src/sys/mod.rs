//! The only place with system calls and `unsafe`: the rest of the library is safe Rust on top of these few functions.

#![allow(unsafe_code)]

pub mod accept;
pub mod clock;
pub mod epoll;
pub mod localtime;
pub mod logfile;
pub mod sendfile;
pub mod tempfile;
pub mod writable;

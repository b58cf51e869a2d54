//! The only place with system calls and `unsafe`: the rest of the library is safe Rust on top of these few functions.

#![allow(unsafe_code)]

pub mod accept;
pub mod clock;
pub mod epoll;
pub mod eventfd;
pub mod fd;
pub mod fork;
pub mod limits;
pub mod link;
pub mod localtime;
pub mod logfile;
pub mod memory;
pub mod parent;
pub mod poll;
pub mod process;
pub mod sendfile;
pub mod shm;
pub mod signals;
pub mod socket;
pub mod tempfile;
pub mod thread;
pub mod title;
pub mod users;
pub mod writable;

//! The only place with system calls and `unsafe`: the rest of the library is safe Rust on top of these few functions.

#![allow(unsafe_code)]

pub mod link;
pub mod poll;
pub mod process;
pub mod shm;
pub mod signals;
pub mod socket;
pub mod title;
pub mod users;

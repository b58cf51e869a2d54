//! The only place with system calls and `unsafe`: the rest of the library is safe Rust on top of these few functions.

#![allow(unsafe_code)]

pub mod localtime;
pub mod logfile;

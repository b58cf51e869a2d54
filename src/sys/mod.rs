//! The only place with system calls and `unsafe` (skeleton).

pub mod clock;
pub mod epoll;
pub mod localtime;
pub mod logfile;
pub mod sendfile;
pub mod tempfile;
pub mod writable;

//! The only place with system calls and `unsafe` (skeleton).

pub mod clock;
pub mod epoll;
pub mod poll;
pub mod sendfile;
pub mod tempfile;

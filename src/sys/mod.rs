//! The only place with system calls and `unsafe` (skeleton).

//! The process around the arbiter (skeleton).

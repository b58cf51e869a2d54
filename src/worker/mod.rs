//! The worker: its lifecycle, written once, and the kinds that need no foreign loop (skeleton).
pub mod control;

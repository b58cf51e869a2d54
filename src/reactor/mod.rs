//! The readiness loop of one worker (skeleton).
pub mod exchange;
pub use exchange::*;

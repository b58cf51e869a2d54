//! The decision maker of the parent process (skeleton).
pub mod action;
pub mod event;
pub use action::*;
pub use event::*;

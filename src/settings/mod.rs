//! The settings (skeleton).
pub mod values;
pub use values::*;

//! The extension module `gunicorn_rs._core`: everything of gunicorn-rs that needs an interpreter.

mod ffi;
pub mod wsgi;

use pyo3::prelude::*;

/// The extension module.
#[pymodule]
mod _core {}

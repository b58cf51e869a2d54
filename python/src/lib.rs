//! The extension module `gunicorn_rs._core`: everything of gunicorn-rs that needs an interpreter.

use pyo3::prelude::*;

/// The extension module.
#[pymodule]
mod _core {}

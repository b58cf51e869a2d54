//! stub
use crate::boot::Worker;
use pyo3::prelude::*;
pub(crate) fn serve(_py: Python<'_>, _worker: Worker) -> i32 { 0 }

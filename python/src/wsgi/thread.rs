//! The application's threads, as Python sees them.

use pyo3::prelude::*;

/// Gives the calling thread its name in `threading`, where a thread that Python has not started is a dummy.
///
/// # Errors
/// Whatever `threading` raises.
pub(super) fn name(py: Python<'_>, name: &str) -> PyResult<()> {
    py.import("threading")?.call_method0("current_thread")?.setattr("name", name)
}

/// The stack of a thread, as a traceback shows it; empty when there is no such thread.
///
/// # Errors
/// Whatever `traceback` raises.
pub(super) fn stack(py: Python<'_>, thread: u64) -> PyResult<String> {
    let frames = py.import("sys")?.call_method0("_current_frames")?;
    let frame = frames.call_method1("get", (thread,))?;
    if frame.is_none() {
        return Ok(String::new());
    }
    let lines = py.import("traceback")?.call_method1("format_stack", (frame,))?;
    let text: String = "".into_pyobject(py)?.call_method1("join", (lines,))?.extract()?;
    Ok(text.trim_end().to_owned())
}

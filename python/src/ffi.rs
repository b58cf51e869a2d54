//! Calls of the interpreter's C API that pyo3 has no safe form of.

#![allow(unsafe_code)]

use pyo3::Python;
use pyo3::ffi;

/// Runs the interpreter's and the application's handlers that come before a fork, and holds the interpreter's locks over it.
pub(crate) fn before_fork(_py: Python<'_>) {
    // SAFETY: the token proves that this thread is attached to the interpreter, which is all that is asked.
    unsafe { ffi::PyOS_BeforeFork() }
}

/// Undoes [`before_fork`] in the process that has forked.
pub(crate) fn after_fork_in_parent(_py: Python<'_>) {
    // SAFETY: attached, and called once after `before_fork`.
    unsafe { ffi::PyOS_AfterFork_Parent() }
}

/// Undoes [`before_fork`] in the new process.
pub(crate) fn after_fork_in_child(_py: Python<'_>) {
    // SAFETY: attached, called once after `before_fork`, by the only thread that the fork has copied.
    unsafe { ffi::PyOS_AfterFork_Child() }
}

//! The only `unsafe` of the Python side: calls of the C API that pyo3 has no safe form of.

#![allow(unsafe_code)]

use pyo3::prelude::*;
use pyo3::types::PyString;

pub(crate) use gunicorn::sys::fd::duplicate;

/// A `str` whose characters are these bytes: latin-1, as PEP 3333 wants the strings of an environ.
///
/// # Errors
/// `MemoryError`.
pub(crate) fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    let length = isize::try_from(bytes.len())?;
    // SAFETY: the pointer and the length are those of one slice, which is only read; the result is a new reference to
    // a str, or null with an exception set, which is what `from_owned_ptr_or_err` takes.
    let string = unsafe {
        let string = pyo3::ffi::PyUnicode_DecodeLatin1(bytes.as_ptr().cast(), length, std::ptr::null());
        Bound::from_owned_ptr_or_err(py, string)?
    };
    Ok(string.cast_into::<PyString>()?)
}

/// How many references there are to `object`.
pub(crate) fn references<T>(object: &Bound<'_, T>) -> isize {
    // SAFETY: a `Bound` holds a live object, and shows that this thread is attached.
    unsafe { pyo3::ffi::Py_REFCNT(object.as_ptr()) }
}

/// Runs the interpreter's and the application's handlers that come before a fork, and holds the interpreter's locks
/// over it.
pub(crate) fn before_fork(_py: Python<'_>) {
    // SAFETY: the token proves that this thread is attached to the interpreter, which is all that is asked.
    unsafe { pyo3::ffi::PyOS_BeforeFork() }
}

/// Undoes [`before_fork`] in the process that has forked.
pub(crate) fn after_fork_in_parent(_py: Python<'_>) {
    // SAFETY: attached, and called once after `before_fork`.
    unsafe { pyo3::ffi::PyOS_AfterFork_Parent() }
}

/// Undoes [`before_fork`] in the new process.
pub(crate) fn after_fork_in_child(_py: Python<'_>) {
    // SAFETY: attached, called once after `before_fork`, by the only thread that the fork has copied.
    unsafe { pyo3::ffi::PyOS_AfterFork_Child() }
}

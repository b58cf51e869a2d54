//! The only `unsafe` of the Python side: calls of the C API that pyo3 has no safe form of.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::sync::{Mutex, OnceLock};

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

/// Bytes of a block in which the interpreter puts the frames of a thread, and so of a greenlet.
const FRAMES_BYTES: usize = 16 * 1024;

/// Most such blocks that are kept.
const KEPT_BLOCKS: usize = 64;

/// Blocks that nobody uses.
static BLOCKS: Mutex<Vec<Block>> = Mutex::new(Vec::new());

/// Where blocks come from, and go to.
static SOURCE: OnceLock<Source> = OnceLock::new();

struct Block(*mut c_void);

// SAFETY: memory that nobody uses, given away by whoever takes it off the list.
unsafe impl Send for Block {}

type Allocate = extern "C" fn(*mut c_void, usize) -> *mut c_void;
type Release = extern "C" fn(*mut c_void, *mut c_void, usize);

struct Source {
    context: *mut c_void,
    allocate: Allocate,
    release: Release,
}

// SAFETY: the interpreter hands the context to these functions on whatever thread it is on.
unsafe impl Send for Source {}
// SAFETY: as above.
unsafe impl Sync for Source {}

/// Has the interpreter keep some of the blocks that hold the frames of greenlets: it would give each back to the system
/// at the end of its greenlet, and ask for a new one at the beginning of the next, which costs more than a short
/// request does.
pub(crate) fn keep_frames(_py: Python<'_>) {
    let mut found = pyo3::ffi::PyObjectArenaAllocator { ctx: std::ptr::null_mut(), alloc: None, free: None };
    // SAFETY: attached, and the place is one of the right type.
    unsafe { pyo3::ffi::PyObject_GetArenaAllocator(&raw mut found) };
    let (Some(allocate), Some(release)) = (found.alloc, found.free) else { return };
    if SOURCE.set(Source { context: found.ctx, allocate, release }).is_ok() {
        let mut ours = pyo3::ffi::PyObjectArenaAllocator { alloc: Some(take_block), free: Some(give_block), ..found };
        // SAFETY: attached; the functions give and take what those before them do, so that blocks from before may
        // come back to them.
        unsafe { pyo3::ffi::PyObject_SetArenaAllocator(&raw mut ours) };
    }
}

extern "C" fn take_block(_: *mut c_void, size: usize) -> *mut c_void {
    if size == FRAMES_BYTES
        && let Ok(mut blocks) = BLOCKS.try_lock()
        && let Some(Block(block)) = blocks.pop()
    {
        return block;
    }
    SOURCE.get().map_or(std::ptr::null_mut(), |source| (source.allocate)(source.context, size))
}

extern "C" fn give_block(_: *mut c_void, block: *mut c_void, size: usize) {
    if size == FRAMES_BYTES
        && let Ok(mut blocks) = BLOCKS.try_lock()
        && blocks.len() < KEPT_BLOCKS
    {
        return blocks.push(Block(block));
    }
    if let Some(source) = SOURCE.get() {
        (source.release)(source.context, block, size);
    }
}

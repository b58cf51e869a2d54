//! Threads, as other parts of the process know them.

/// The calling thread as pthread_self(3) names it, which is also how Python's `threading.get_ident()` does.
pub fn current() -> u64 {
    // SAFETY: it has no preconditions and cannot fail.
    unsafe { libc::pthread_self() as u64 }
}

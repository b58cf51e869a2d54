//! How the C library's allocator deals with the system (mallopt(3)).

/// Size from which memory is mapped and given back by itself, in bytes: the most that glibc would adjust it to.
#[cfg(target_env = "gnu")]
const MAPPED_BYTES: libc::c_int = 32 * 1024 * 1024;

/// Free memory at the top of the heap beyond which it is given back, in bytes: what glibc would adjust it to then.
#[cfg(target_env = "gnu")]
const KEPT_BYTES: libc::c_int = 2 * MAPPED_BYTES;

/// Has memory that was freed kept for the next request, where the library is glibc. It would learn to do so from large
/// blocks only: a worker that takes bodies of some kilobytes would grow and trim its heap on every turn, with the page
/// faults that follow. Either bound alone would end the adjustment of both, and leave the other one too low.
pub fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt(3) takes two numbers, does its own locking, and refuses what it does not know.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
    }
}

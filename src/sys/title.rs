//! The process title that ps(1) shows: written over the memory that holds the command line.
//!
//! The kernel shows `/proc/PID/cmdline` from the range that it laid out at exec(2); proc(5) names it in
//! `arg_start`/`arg_end`. A title longer than that range is cut.

use std::sync::OnceLock;

/// Shows `title` instead of the command line. Does nothing where the range cannot be found.
pub fn set(title: &str) {
    static RANGE: OnceLock<Option<(usize, usize)>> = OnceLock::new();
    let Some((start, end)) = *RANGE.get_or_init(command_line_range) else { return };
    let room = end - start;
    let bytes = &title.as_bytes()[..title.len().min(room.saturating_sub(1))];
    let target = start as *mut u8;
    // SAFETY: the range is this process's own argument area, mapped and writable since exec(2). Rust's and Python's
    // runtimes copy the arguments before they hand them out, so nothing reads this memory as Rust data.
    unsafe {
        std::ptr::write_bytes(target, 0, room);
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len());
    }
}

/// Fields 48 and 49 of `/proc/self/stat` (proc(5)), counted after the name in parentheses.
fn command_line_range() -> Option<(usize, usize)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let start = fields.get(45)?.parse().ok()?;
    let end = fields.get(46)?.parse().ok()?;
    (start != 0 && start < end).then_some((start, end))
}

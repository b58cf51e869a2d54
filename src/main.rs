//! The `gunicorn-rs` command.

fn main() {}

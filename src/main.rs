//! The `gunicorn-rs` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    let code = gunicorn::run::run(std::env::args_os());
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

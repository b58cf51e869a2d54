//! The generated pages of `docs/` say what the tables in the source say.
//!
//! `GUNICORN_RS_BLESS=1 cargo test --test documents` writes them anew.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::{env, fs};

fn check(name: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    if env::var_os("GUNICORN_RS_BLESS").is_some() {
        fs::write(&path, generated).unwrap();
    }
    let page = fs::read_to_string(&path).unwrap_or_default();
    // Not `assert_eq!`: two whole pages in a message hide what to do.
    assert!(page == generated, "docs/{name} is out of date: run GUNICORN_RS_BLESS=1 cargo test --test documents");
}

#[test]
fn settings() {
    check("settings.md", &gunicorn::settings::markdown());
}

#[test]
fn signals() {
    check("signals.md", &gunicorn::master::signals::markdown());
}

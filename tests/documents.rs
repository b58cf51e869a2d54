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

/// The second column of the table of invariants names tests that exist.
#[test]
fn the_invariants_are_held_by_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let (_, section) = page.split_once("\n## Invariants\n").unwrap();
    let rows = section.lines().take_while(|line| !line.starts_with("## ")).filter(|line| line.starts_with("| "));
    let names: Vec<&str> = rows.filter_map(|row| row.strip_suffix("` |")?.rsplit('`').next()).collect();
    assert!(names.len() > 20, "{names:?}");
    let mut tests = String::new();
    for directory in ["src", "python/src", "tests"] {
        read(&root.join(directory), &mut tests);
    }
    for name in names {
        let is_there = [format!("fn {name}("), format!("def {name}(")].iter().any(|begin| tests.contains(begin));
        assert!(is_there, "ARCHITECTURE.md names {name}, and there is no such test");
    }
}

/// All Rust and Python sources below `directory`, one after the other.
fn read(directory: &Path, into: &mut String) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "py") {
            into.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

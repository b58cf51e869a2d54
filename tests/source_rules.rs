//! Rules about the source that no compiler checks, mostly absences: which part may not know what.
//!
//! A file is looked at up to its tests (`#[cfg(test)]`), comments left out, unless a rule says otherwise. The
//! exceptions stand here, each with its reason; an exception that nothing needs any more fails too.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

/// The longest function, in lines. Clippy's `too_many_lines` leaves closures and comments out; this does not.
const FUNCTION_LINES: usize = 70;
/// The longest file, in lines before its tests.
const FILE_LINES: usize = 500;
/// The longest line, in characters.
const LINE_CHARACTERS: usize = 120;

/// A source file of the product.
struct Source {
    /// Relative to the package.
    path: String,
    text: String,
}

impl Source {
    /// A module of tests has no shipped line at all.
    fn is_test(&self) -> bool {
        const TESTS: [&str; 3] = ["/tests.rs", "/tests/", "/specification/"];
        TESTS.iter().any(|part| self.path.contains(part))
    }

    /// Number and text of each line before the tests.
    fn shipped(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self.text.match_indices("#[cfg(test)]\n").map(|(start, _)| start);
        let begin =
            tests.into_iter().find(|start| self.text[*start..].lines().take(3).any(|line| line == "mod tests {"));
        let end = if self.is_test() { 0 } else { begin.unwrap_or(self.text.len()) };
        (1..).zip(self.text[..end].lines())
    }

    /// The same without comments and without empty lines.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let code = self.shipped().map(|(number, line)| match line.trim_start().starts_with("//") {
            true => (number, ""),
            false => (number, line.split(" // ").next().unwrap_or_default()),
        });
        code.filter(|(_, line)| !line.trim().is_empty())
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for directory in ["src", "python/src"] {
        collect(root, &root.join(directory), &mut sources);
    }
    assert!(sources.len() > 100, "only {} files were found", sources.len());
    sources
}

fn collect(root: &Path, directory: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            sources.push(Source { path: name, text: fs::read_to_string(&path).unwrap() });
        }
    }
}

/// Where each of `words` stands in the code of the files that `applies` to, as `path:line: text`.
fn found(words: &[&str], applies: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| applies(&source.path)) {
        for (number, line) in source.code() {
            if words.iter().any(|word| has_word(line, word)) {
                found.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    found
}

/// Whether `word` stands in `line`, not as a part of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(start, _)| {
        let (before, after) = (&line[..start], &line[start + word.len()..]);
        let opens = !word.starts_with(is_name) || !before.ends_with(is_name);
        let closes = !word.ends_with(is_name) || !after.starts_with(is_name);
        opens && closes
    })
}

fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Neither the operating system, nor a clock, a thread, a log or Python: what the three pure parts can do wrong can be
/// tested without any of them. `Duration`, paths, IP addresses and the numbers of descriptors are plain values.
#[test]
fn the_pure_parts_are_pure() {
    const IMPURE: [&str; 21] = [
        "Instant",
        "SystemTime",
        "std::fs",
        "std::io",
        "std::env",
        "std::os::unix",
        "OwnedFd",
        "BorrowedFd",
        "std::process",
        "std::thread",
        "std::sync",
        "TcpStream",
        "TcpListener",
        "UnixStream",
        "ToSocketAddrs",
        "crate::log",
        "crate::sys",
        "pyo3",
        "libc",
        "nix::",
        "mio",
    ];
    assert_none(&found(&IMPURE, |path| {
        ["src/arbiter/", "src/http/", "src/settings/"].iter().any(|part| path.starts_with(part))
    }));
}

/// The arbiter and the codec do not know the parts that drive them either.
#[test]
fn the_arbiter_and_the_codec_know_nobody() {
    const OTHERS: [&str; 8] = [
        "crate::master",
        "crate::reactor",
        "crate::worker",
        "crate::app",
        "crate::net",
        "crate::scoreboard",
        "crate::run",
        "crate::settings",
    ];
    assert_none(&found(&OTHERS, |path| path.starts_with("src/arbiter/") || path.starts_with("src/http/")));
}

/// Nothing that the master consists of knows the reactor, HTTP or the application: it cannot touch a client.
#[test]
fn the_master_touches_no_client() {
    const CLIENTS: [&str; 7] =
        ["crate::reactor", "crate::http", "crate::app", "crate::worker", "net::Listener", "Stream", "log::access"];
    assert_none(&found(&CLIENTS, |path| path.starts_with("src/master/") || path.starts_with("src/arbiter/")));
}

#[test]
fn unsafe_stands_in_sys_and_in_the_foreign_interface_only() {
    let is_home = |path: &str| path.starts_with("src/sys/") || path == "python/src/ffi.rs";
    assert_none(&found(&["unsafe"], |path| !is_home(path)));
}

#[test]
fn each_unsafe_block_says_why_it_holds() {
    let mut silent = Vec::new();
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (number, line) in source.code().filter(|(_, line)| has_word(line, "unsafe {")) {
            let above = lines[..number - 1].iter().rev().take(6);
            if !above.chain([&line]).any(|line| line.contains("SAFETY:")) {
                silent.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert_none(&silent);
}

/// System calls are made in `src/sys`, or by libraries that have no `unsafe` interface.
#[test]
fn system_calls_stand_in_sys() {
    assert_none(&found(&["nix::", "libc::"], |path| !path.starts_with("src/sys/")));
}

/// The library and its binary have no Python in them: the master cannot hold an interpreter.
#[test]
fn python_stands_in_its_package_only() {
    assert_none(&found(&["pyo3", "PyObject", "Py_"], |path| path.starts_with("src/")));
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    assert!(!manifest.contains("pyo3"), "Cargo.toml names pyo3");
}

/// Nothing that comes from the network, a file, a child or the application can panic us.
#[test]
fn shipped_code_does_not_give_up() {
    const PANICS: [&str; 7] =
        [".unwrap()", ".expect(", "panic!", "todo!", "unimplemented!", "unreachable!", "process::exit"];
    assert_none(&found(&PANICS, |_| true));
}

/// Whoever waits, waits for a descriptor or a deadline.
#[test]
fn nothing_sleeps() {
    assert_none(&found(&["thread::sleep", "nanosleep", "sleep"], |_| true));
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//! "));
    assert_none(&silent.map(|source| source.path).collect::<Vec<_>>());
}

#[test]
fn files_are_short() {
    let long = sources().into_iter().filter(|source| source.shipped().count() > FILE_LINES);
    assert_none(&long.map(|source| source.path).collect::<Vec<_>>());
}

/// A function ends, as rustfmt sets it, with the first brace that stands below its beginning.
#[test]
fn functions_are_short() {
    let mut long = Vec::new();
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        let begins = |line: &str| has_word(line, "fn") && line.ends_with(['{', '(']) && !line.contains("//");
        for (start, line) in lines.iter().enumerate().filter(|(_, line)| begins(line)) {
            let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
            let length = 1 + lines[start..].iter().take_while(|line| **line != end).count();
            if length > FUNCTION_LINES {
                long.push(format!("{}:{}: {length} lines: {}", source.path, start + 1, line.trim()));
            }
        }
    }
    assert_none(&long);
}

/// rustfmt keeps code to this width everywhere, but leaves comments and long strings alone.
#[test]
fn lines_are_short() {
    let mut long = Vec::new();
    for source in sources() {
        for (number, line) in source.shipped() {
            if line.chars().count() > LINE_CHARACTERS {
                long.push(format!("{}:{number}: {} characters", source.path, line.chars().count()));
            }
        }
    }
    assert_none(&long);
}

//! Which Python runs the application, and how a zygote is started in it.

use std::env;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use super::protocol::VERSION;
use crate::sys::link::Link;
use crate::sys::process;

/// The program that finds and enters the extension module.
const BOOTSTRAP: &str = include_str!("bootstrap.py");
/// File name of the extension module as cargo builds it.
const EXTENSION: &str = "libgunicorn_rs_core.so";

/// Where to look for the interpreter.
#[derive(Debug, Clone)]
pub struct Places {
    /// This program.
    pub program: PathBuf,
    /// `VIRTUAL_ENV`
    pub virtual_env: Option<PathBuf>,
    /// `PATH`
    pub path: Option<std::ffi::OsString>,
}

impl Places {
    /// Those of this process.
    ///
    /// # Errors
    /// This program's own path cannot be found out (proc(5)).
    pub fn of_this_process() -> io::Result<Self> {
        let program = env::current_exe()?;
        let virtual_env = env::var_os("VIRTUAL_ENV").filter(|value| !value.is_empty()).map(PathBuf::from);
        Ok(Self { program, virtual_env, path: env::var_os("PATH") })
    }

    /// The interpreter to use: the one that was asked for, the one of the virtual environment that this program is
    /// installed in, the one of `VIRTUAL_ENV`, the one that this program is installed beside, the first of the `PATH`.
    ///
    /// # Errors
    /// One line for the operator: what was looked for, and where.
    pub fn find(&self, asked: Option<&Path>) -> Result<PathBuf, String> {
        match asked {
            Some(asked) => self.find_asked(asked),
            None => self.candidates().into_iter().find(|path| is_program(path)).ok_or_else(|| self.explain_missing()),
        }
    }

    fn find_asked(&self, asked: &Path) -> Result<PathBuf, String> {
        let found = if asked.components().count() > 1 {
            Some(asked.to_path_buf())
        } else {
            self.path_entries().into_iter().map(|entry| entry.join(asked)).find(|path| is_program(path))
        };
        found.filter(|path| is_program(path)).ok_or_else(|| {
            format!("no interpreter {}: it is no program (setting python); name one that exists", asked.display())
        })
    }

    fn candidates(&self) -> Vec<PathBuf> {
        let beside = self.program.parent().map(|directory| directory.join("python3"));
        let in_environment = self.program.ancestors().nth(2).is_some_and(|root| root.join("pyvenv.cfg").exists());
        let active = self.virtual_env.iter().map(|root| root.join("bin/python3"));
        let on_path = self.path_entries().into_iter().map(|entry| entry.join("python3"));
        let own = beside.clone().filter(|_| in_environment);
        own.into_iter().chain(active).chain(beside).chain(on_path).collect()
    }

    fn path_entries(&self) -> Vec<PathBuf> {
        self.path.iter().flat_map(env::split_paths).collect()
    }

    fn explain_missing(&self) -> String {
        let active = self.virtual_env.as_ref().map_or_else(|| "not set".to_owned(), |root| root.display().to_string());
        let path = self.path.as_deref().map_or_else(String::new, |path| path.to_string_lossy().into_owned());
        format!(
            "no Python interpreter: looked for python3 in VIRTUAL_ENV ({active}), beside {} and in PATH ({path}); \
             install Python 3.11 or later, or name one with --python",
            self.program.display()
        )
    }

    /// Starts a zygote in `interpreter`, with its end of the link.
    ///
    /// # Errors
    /// fork(2), execve(2)
    pub fn start_zygote(&self, interpreter: &Path, link: &Link, argv: &[String]) -> io::Result<Child> {
        let beside = self.program.with_file_name(EXTENSION);
        let arguments = serde_json::json!([link.as_raw_fd(), process::pid(), VERSION, beside, argv]);
        process::spawn(Command::new(interpreter).arg("-c").arg(BOOTSTRAP).arg(arguments.to_string()))
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn places(root: &Path) -> Places {
        let path = env::join_paths([root.join("path")]).unwrap();
        Places { program: root.join("env/bin/gunicorn-rs"), virtual_env: Some(root.join("active")), path: Some(path) }
    }

    fn program(path: &Path) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_path_buf()
    }

    #[test]
    fn the_nearest_interpreter_wins() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let places = places(root);
        assert!(places.find(None).unwrap_err().starts_with("no Python interpreter: looked for python3 in VIRTUAL_ENV"));
        let on_path = program(&root.join("path/python3"));
        assert_eq!(places.find(None), Ok(on_path));
        let beside = program(&root.join("env/bin/python3"));
        assert_eq!(places.find(None), Ok(beside.clone()));
        let active = program(&root.join("active/bin/python3"));
        assert_eq!(places.find(None), Ok(active));
        std::fs::write(root.join("env/pyvenv.cfg"), "").unwrap();
        assert_eq!(places.find(None), Ok(beside));
    }

    #[test]
    fn the_interpreter_that_was_asked_for_must_exist() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let special = program(&root.join("path/python3.99"));
        assert_eq!(places(root).find(Some(Path::new("python3.99"))), Ok(special.clone()));
        assert_eq!(places(root).find(Some(&special)), Ok(special));
        let error = places(root).find(Some(Path::new("/nowhere/python3"))).unwrap_err();
        assert_eq!(error, "no interpreter /nowhere/python3: it is no program (setting python); name one that exists");
    }
}

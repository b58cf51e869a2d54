//! Relative paths become absolute ones, by their text alone.

use std::path::{Component, Path, PathBuf};

use super::{Bind, LogTarget, Settings};

/// `path` as seen from the directory `base`, without `.` and `..`, as Python's `os.path.abspath` does it.
pub(super) fn absolute(base: &Path, path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for part in base.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                result.pop();
            }
            part => result.push(part),
        }
    }
    result
}

/// Makes the paths of the settings absolute. As in gunicorn they are relative to `chdir`, wherever they were given.
pub(super) fn anchor(settings: &mut Settings) {
    let base = &settings.chdir;
    let logs = [Some(&mut settings.errorlog), settings.accesslog.as_mut()];
    let files = logs.into_iter().flatten().filter_map(|log| match log {
        LogTarget::File(path) => Some(path),
        LogTarget::Standard => None,
    });
    let sockets = settings.bind.iter_mut().filter_map(|bind| match bind {
        Bind::Unix(path) => Some(path),
        Bind::Tcp { .. } | Bind::Fd(_) => None,
    });
    for path in files.chain(sockets).chain(&mut settings.pidfile).chain(&mut settings.pythonpath) {
        *path = absolute(base, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_taken_out() {
        for (path, expected) in
            [("a", "/srv/app/a"), ("./a/../b", "/srv/app/b"), ("..", "/srv"), ("../../../..", "/"), ("/x/./y", "/x/y")]
        {
            assert_eq!(absolute(Path::new("/srv/app"), Path::new(path)), Path::new(expected), "{path}");
        }
    }
}

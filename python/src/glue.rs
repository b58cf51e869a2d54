//! The few lines of Python that belong to this module, compiled in so that they always match it.

use std::ffi::CStr;

use pyo3::prelude::*;
use pyo3::types::PyModule;

/// One Python source file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Glue {
    name: &'static CStr,
    file: &'static CStr,
    source: &'static CStr,
}

macro_rules! glue {
    ($name:literal) => {
        Glue {
            name: match CStr::from_bytes_with_nul(concat!("gunicorn_rs.", $name, "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => panic!("a name without NUL"),
            },
            file: match CStr::from_bytes_with_nul(concat!("gunicorn_rs/", $name, ".py\0").as_bytes()) {
                Ok(file) => file,
                Err(_) => panic!("a path without NUL"),
            },
            source: match CStr::from_bytes_with_nul(
                concat!(include_str!(concat!("../gunicorn_rs/", $name, ".py")), "\0").as_bytes(),
            ) {
                Ok(source) => source,
                Err(_) => panic!("a source without NUL"),
            },
        }
    };
}
pub(crate) use glue;

impl Glue {
    /// The module: compiled at the first call, then found in `sys.modules`.
    pub(crate) fn module<'py>(self, py: Python<'py>) -> PyResult<Bound<'py, PyModule>> {
        let modules = py.import("sys")?.getattr("modules")?;
        match modules.get_item(self.name) {
            Ok(module) => Ok(module.cast_into()?),
            Err(_) => PyModule::from_code(py, self.source, self.file, self.name),
        }
    }
}

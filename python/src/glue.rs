//! The few lines of Python that belong to this module, compiled in so that they always match it.

use std::ffi::CString;

use pyo3::prelude::*;
use pyo3::types::PyModule;

/// Executes a Python config.
pub(crate) const CONFIG: Glue = Glue { name: "_config", source: include_str!("../gunicorn_rs/_config.py") };
/// Finds the application.
pub(crate) const APPS: Glue = Glue { name: "_apps", source: include_str!("../gunicorn_rs/_apps.py") };
/// Directs `logging` to the server's logs.
pub(crate) const LOGGING: Glue = Glue { name: "_logging", source: include_str!("../gunicorn_rs/_logging.py") };

/// Runs an ASGI application.
pub(crate) const ASGI: Glue = Glue { name: "_asgi", source: include_str!("../gunicorn_rs/_asgi.py") };

/// Runs a WSGI application in greenlets.
pub(crate) const GREEN: Glue = Glue { name: "_green", source: include_str!("../gunicorn_rs/_green.py") };

/// Runs a class that was written for gunicorn.
pub(crate) const FOREIGN: Glue = Glue { name: "_foreign", source: include_str!("../gunicorn_rs/_foreign.py") };

/// Counts the threads that are left.
pub(crate) const THREADS: Glue = Glue { name: "_threads", source: include_str!("../gunicorn_rs/_threads.py") };

/// Serves by tornado.
pub(crate) const TORNADO: Glue = Glue { name: "_tornado", source: include_str!("../gunicorn_rs/_tornado.py") };

/// Imports and freezes what workers share.
pub(crate) const SHARED: Glue = Glue { name: "_shared", source: include_str!("../gunicorn_rs/_shared.py") };

/// One Python source file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Glue {
    name: &'static str,
    source: &'static str,
}

impl Glue {
    /// The module: compiled at the first call, then found in `sys.modules`.
    pub(crate) fn module<'py>(self, py: Python<'py>) -> PyResult<Bound<'py, PyModule>> {
        let name = format!("gunicorn_rs.{}", self.name);
        let modules = py.import("sys")?.getattr("modules")?;
        match modules.get_item(&name) {
            Ok(module) => Ok(module.cast_into()?),
            Err(_) => self.compile(py, name),
        }
    }

    fn compile<'py>(self, py: Python<'py>, name: String) -> PyResult<Bound<'py, PyModule>> {
        let file = format!("gunicorn_rs/{}.py", self.name);
        PyModule::from_code(py, &CString::new(self.source)?, &CString::new(file)?, &CString::new(name)?)
    }
}

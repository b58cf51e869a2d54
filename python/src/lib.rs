//! The extension module `gunicorn_rs._core`: everything of gunicorn-rs that needs an interpreter.
//!
//! The master starts the user's interpreter, which imports this module and calls [`zygote`](mod@zygote). From then on
//! this is the process from which a generation's workers are forked.

mod asgi;
mod boot;
mod ffi;
mod foreign;
mod glue;
mod green;
mod guest;
mod logging;
mod member;
mod serve;
mod signals;
mod tornado;
mod wsgi;
mod zygote;

use pyo3::prelude::*;

/// Read by the master's bootstrap, from the file, before it dares to load it: an extension built for another version of
/// Python would crash the interpreter.
#[used]
static BUILT_FOR: &str = concat!("gunicorn-rs extension for Python ", env!("GUNICORN_RS_PYTHON"), ";");

/// The extension module. No object here is used without a lock of its own, but the objects behind `start_response` and
/// its like are used again by their count of references, which a Python without a global lock does not keep exactly: it
/// is told to keep its lock.
#[pymodule(gil_used = true)]
mod _core {
    use pyo3::prelude::*;

    use gunicorn::master::protocol::VERSION;

    /// Serves the process `master` as a zygote over the link that is open as descriptor `link`; gives the exit code, of
    /// the zygote or, in a worker that it has forked, of that worker.
    #[pyfunction]
    fn zygote(py: Python<'_>, link: i32, master: i32) -> i32 {
        crate::zygote::run(py, link, master)
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        std::hint::black_box(super::BUILT_FOR);
        module.add("VERSION", VERSION)
    }
}

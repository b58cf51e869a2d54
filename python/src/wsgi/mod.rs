//! WSGI (PEP 3333): the bridge from an exchange to a Python callable and back.
//!
//! # Theory of operation
//!
//! A worker thread is attached to the interpreter for as long as it lives and detaches only to wait ([`App::wait`]), so
//! a request costs no attaching. [`WsgiApp::call`] does four things:
//!
//! 1. **Make the environ** ([`environ`]): a copy of the listener's template, over which the request's own values are
//!    written. Header names are looked up in a table of Python strings made once ([`names`]).
//! 2. **Lend the exchange** to a [`kit`]: the Python objects behind `start_response`, `write`, `wsgi.input`,
//!    `wsgi.early_hints` and `gunicorn.socket`. They are used again for the next request, unless the
//!    application has kept one of them.
//! 3. **Call the application and send what it returns** ([`body`]). The head it gives is kept ([`head`]) until
//!    the first byte of the body or its end: till then it can be replaced, and the length of a list is known by then.
//! 4. **Take the exchange back.** Whatever went wrong is logged with its traceback ([`report`]); if nothing has left,
//!    the client gets a 500, else the response is cut, so that it sees that it is incomplete.
//!
//! # What holds
//!
//! - No Rust lock or borrow is held while Python code runs, or while this thread waits for the interpreter: shared
//!   values are taken out, used, and put back ([`checkout`]). So an application may call us from several threads,
//!   re-enter us, fork or raise wherever it likes, also under a Python without a global lock.
//! - An object that outlives its request reaches nothing: the exchange is no longer there, and the
//!   caller gets an exception.
//! - Whatever the application raises, `SystemExit` and `KeyboardInterrupt` included, ends its request and not the
//!   worker, as under gunicorn; only signals that the master sends end that.

mod body;
mod checkout;
mod environ;
mod errors;
mod file;
mod head;
mod input;
mod kit;
mod names;
mod report;
mod response;
mod socket;
mod thread;

use std::sync::{Mutex, PoisonError};

use gunicorn::app::App;
use gunicorn::net::{Address, note_fork};
use gunicorn::reactor::Exchange;
use pyo3::exceptions::{PyConnectionError, PyOSError, PySystemExit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict};

pub(crate) use environ::SERVER_SOFTWARE;
use environ::{EnvironError, Environs};
use errors::ErrorStream;
use file::FileWrapper;
pub(crate) use head::Head;
use kit::Kit;
use response::Sending;

/// What the environ says about the server.
#[derive(Debug, Clone)]
pub(crate) struct WsgiConfig {
    /// `wsgi.multiprocess`: whether there may be several workers.
    pub(crate) multiprocess: bool,
    /// `wsgi.multithread`: whether the worker kind calls the application from several threads.
    pub(crate) multithread: bool,
    /// Whether the error log is a file, to which `wsgi.errors` is then added; else it is `sys.stderr`.
    pub(crate) errors_to_log: bool,
    /// Whether files are sent by the kernel.
    pub(crate) sendfile: bool,
    /// Where the application is mounted, unless `SCRIPT_NAME` says otherwise.
    pub(crate) root_path: String,
    /// What the listeners are bound to.
    pub(crate) listeners: Vec<Address>,
}

/// A WSGI application.
#[derive(Debug)]
pub(crate) struct WsgiApp {
    callable: Py<PyAny>,
    environs: Environs,
    errors: Py<ErrorStream>,
    sendfile: bool,
    /// Objects that wait for a request: as many as there have been requests at one time.
    kits: Mutex<Vec<Kit>>,
}

impl WsgiApp {
    /// Wraps a WSGI callable. Reads `SCRIPT_NAME` from `os.environ`, so it is to be called when that is complete.
    ///
    /// # Errors
    /// `MemoryError`; whatever reading `os.environ` raises.
    pub(crate) fn new(py: Python<'_>, callable: Py<PyAny>, config: &WsgiConfig) -> PyResult<Self> {
        let errors = Py::new(py, ErrorStream::new(config.errors_to_log))?;
        let base = PyDict::new(py);
        base.set_item(intern!(py, "wsgi.errors"), &errors)?;
        base.set_item(intern!(py, "wsgi.version"), (1, 0))?;
        base.set_item(intern!(py, "wsgi.multithread"), config.multithread)?;
        base.set_item(intern!(py, "wsgi.multiprocess"), config.multiprocess)?;
        base.set_item(intern!(py, "wsgi.run_once"), false)?;
        base.set_item(intern!(py, "wsgi.file_wrapper"), py.get_type::<FileWrapper>())?;
        base.set_item(intern!(py, "wsgi.input_terminated"), true)?;
        note_forks(py)?;
        let environs = Environs::new(py, config, &base)?;
        Ok(Self { callable, environs, errors, sendfile: config.sendfile, kits: Mutex::new(Vec::new()) })
    }

    fn serve(&self, py: Python<'_>, mut exchange: Box<Exchange>) -> Box<Exchange> {
        let (mut kit, environ) = match self.prepare(py, &exchange) {
            Ok(prepared) => prepared,
            Err(error) => {
                refuse(py, &mut exchange, error);
                return exchange;
            }
        };
        let body = exchange.take_body();
        kit.begin(exchange, body);
        let outcome = self.answer(py, &kit, environ);
        let mut sending = kit.end(py);
        self.keep(py, kit);
        self.errors.get().flush();
        if let Err(error) = outcome {
            fail(py, &mut sending, error);
        }
        sending.exchange
    }

    fn prepare<'py>(&self, py: Python<'py>, exchange: &Exchange) -> Result<(Kit, Bound<'py, PyDict>), EnvironError> {
        let kept = self.kits.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let kit = kept.map_or_else(|| Kit::new(py, self.environs.templates()), Ok)?;
        let environ = self.environs.make(py, exchange, &kit)?;
        Ok((kit, environ))
    }

    /// Calls the application and sends what it returns. Drops its environ, so that the kit can be used again.
    fn answer(&self, py: Python<'_>, kit: &Kit, environ: Bound<'_, PyDict>) -> PyResult<()> {
        let iterable = self.callable.bind(py).call1((environ, &kit.start_response))?;
        body::send(kit.response.get(), &iterable, self.sendfile)
    }

    fn keep(&self, py: Python<'_>, kit: Kit) {
        if kit.is_unshared(py) {
            self.kits.lock().unwrap_or_else(PoisonError::into_inner).push(kit);
        }
    }
}

/// Has the application's forks noted: a child shares the connections that are open.
fn note_forks(py: Python<'_>) -> PyResult<()> {
    let keywords = [("before", wrap_pyfunction!(before_fork, py)?)].into_py_dict(py)?;
    py.import("os")?.call_method("register_at_fork", (), Some(&keywords)).map(drop)
}

#[pyfunction]
fn before_fork() {
    note_fork();
}

impl App for WsgiApp {
    fn call(&self, exchange: Box<Exchange>) -> Box<Exchange> {
        Python::attach(|py| self.serve(py, exchange))
    }

    fn wait(&self, wait: &mut (dyn FnMut() + Send)) {
        Python::attach(|py| py.detach(wait));
    }

    fn enter_thread(&self, name: &str, life: &mut (dyn FnMut() + Send)) {
        Python::attach(|py| {
            if let Err(error) = self::thread::name(py, name) {
                report::nameless(py, error);
            }
            life();
        });
    }

    fn stack(&self, thread: u64) -> String {
        Python::attach(|py| self::thread::stack(py, thread).unwrap_or_else(|error| error.to_string()))
    }

    fn check_signals(&self) -> bool {
        Python::attach(|py| match py.check_signals() {
            Ok(()) => true,
            Err(exit) if exit.is_instance_of::<PySystemExit>(py) => false,
            Err(error) => {
                report::signal_handler(py, error);
                false
            }
        })
    }
}

/// The application failed, or the client has gone.
fn fail(py: Python<'_>, sending: &mut Sending, error: PyErr) {
    if sending.gone && error.is_instance_of::<PyConnectionError>(py) {
        report::gone(py);
        return sending.exchange.abort();
    }
    // What failed because the client has not sent what it announced is its failure, if this is what failed.
    let is_told = |fault: &str| error.is_instance_of::<PyOSError>(py) && error.value(py).to_string() == fault;
    if let Some(fault) = sending.exchange.body_error().filter(|fault| is_told(&fault.to_string())).cloned() {
        report::refusal(py, sending.exchange.peer(), &fault.to_string());
        return sending.exchange.refuse(fault.status(), "");
    }
    report::failure(py, sending.exchange.head(), error);
    sending.exchange.refuse(500, "");
}

/// The application cannot be entered with this request.
fn refuse(py: Python<'_>, exchange: &mut Exchange, error: EnvironError) {
    let status = error.status();
    let explanation = error.to_string();
    match error {
        EnvironError::Python(error) => {
            report::failure(py, exchange.head(), error);
            exchange.refuse(status, "");
        }
        EnvironError::ScriptName { .. } => {
            report::refusal(py, exchange.peer(), &explanation);
            exchange.refuse(status, &explanation);
        }
    }
}

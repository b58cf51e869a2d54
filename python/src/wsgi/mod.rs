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

pub(crate) mod body;
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
use pyo3::exceptions::{PyConnectionError, PyOSError, PyStopIteration, PySystemExit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict};

pub(crate) use environ::SERVER_SOFTWARE;
use environ::{EnvironError, Environs};
use errors::ErrorStream;
pub(crate) use file::FileWrapper;
pub(crate) use head::Head;
pub(crate) use input::{Input, Pending};
pub(crate) use kit::Kit;
pub(crate) use report::Record;
pub(crate) use response::{Dues, Response, Sending, body_part};

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
    /// See [`WsgiApp::new`].
    stand_ins: Option<Py<PyAny>>,
    /// Objects that wait for a request: as many as there have been requests at one time.
    kits: Mutex<Vec<Kit>>,
}

impl WsgiApp {
    /// Wraps a WSGI callable. Reads `SCRIPT_NAME` from `os.environ`, so it is to be called when that is complete.
    ///
    /// A kind whose requests are no threads gives `stand_ins`: a Python object that makes what calls the application
    /// or waits for the client, so that no frame of ours is below that. `client(response, input)` gives the client,
    /// `write`, `wsgi.input` and `gunicorn.socket`; `errors()` gives `wsgi.errors` where that is not the log, and
    /// `file_wrapper(base)` the class.
    ///
    /// # Errors
    /// `MemoryError`; whatever reading `os.environ` raises.
    pub(crate) fn new(
        py: Python<'_>,
        callable: Py<PyAny>,
        config: &WsgiConfig,
        stand_ins: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let errors = Py::new(py, ErrorStream::new(config.errors_to_log))?;
        let base = PyDict::new(py);
        match stand_ins.as_ref().filter(|_| !config.errors_to_log) {
            None => base.set_item(intern!(py, "wsgi.errors"), &errors)?,
            Some(stand_ins) => base.set_item(intern!(py, "wsgi.errors"), stand_ins.call_method0(py, "errors")?)?,
        }
        base.set_item(intern!(py, "wsgi.version"), (1, 0))?;
        base.set_item(intern!(py, "wsgi.multithread"), config.multithread)?;
        base.set_item(intern!(py, "wsgi.multiprocess"), config.multiprocess)?;
        base.set_item(intern!(py, "wsgi.run_once"), false)?;
        let file_wrapper = py.get_type::<FileWrapper>();
        match &stand_ins {
            None => base.set_item(intern!(py, "wsgi.file_wrapper"), file_wrapper)?,
            Some(stand_ins) => {
                let file_wrapper = stand_ins.call_method1(py, "file_wrapper", (file_wrapper,))?;
                base.set_item(intern!(py, "wsgi.file_wrapper"), file_wrapper)?;
            }
        }
        base.set_item(intern!(py, "wsgi.input_terminated"), true)?;
        note_forks(py)?;
        let environs = Environs::new(py, config, &base)?;
        Ok(Self { callable, environs, errors, sendfile: config.sendfile, stand_ins, kits: Mutex::new(Vec::new()) })
    }

    fn serve(&self, py: Python<'_>, exchange: Box<Exchange>) -> Box<Exchange> {
        let (kit, environ) = match self.begin(py, exchange) {
            Ok(begun) => begun,
            Err(refused) => {
                let Refused { mut exchange, record, instead } = *refused;
                record.log(py);
                instead.give(&mut exchange);
                return exchange;
            }
        };
        let outcome = self.answer(py, &kit, environ);
        let mut sending = self.end(py, kit);
        if let Err(error) = outcome {
            let (record, instead) = fail(py, &sending, error);
            record.log(py);
            instead.give(&mut sending.exchange);
        }
        sending.exchange
    }

    /// Lends the exchange to a kit, and makes the environ of its request. One that cannot be entered comes back, as
    /// from [`fail`].
    pub(crate) fn begin<'py>(
        &self,
        py: Python<'py>,
        mut exchange: Box<Exchange>,
    ) -> Result<(Kit, Bound<'py, PyDict>), Box<Refused>> {
        match self.prepare(py, &exchange) {
            Ok((mut kit, environ)) => {
                let body = exchange.take_body();
                kit.begin(exchange, body);
                Ok((kit, environ))
            }
            Err(error) => {
                let (record, instead) = refuse(&exchange, error);
                Err(Box::new(Refused { exchange, record, instead }))
            }
        }
    }

    /// Takes the exchange back: from here on the objects reach nothing any more.
    pub(crate) fn end(&self, py: Python<'_>, mut kit: Kit) -> Sending {
        let sending = kit.end(py);
        self.keep(py, kit, &sending);
        self.errors.get().flush();
        sending
    }

    /// Whether files are sent by the kernel.
    pub(crate) fn sends_files(&self) -> bool {
        self.sendfile
    }

    fn prepare<'py>(&self, py: Python<'py>, exchange: &Exchange) -> Result<(Kit, Bound<'py, PyDict>), EnvironError> {
        let kept = self.kits.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let kit = kept.map_or_else(|| Kit::new(py, self.environs.templates(), self.stand_ins.as_ref()), Ok)?;
        let environ = self.environs.make(py, exchange, &kit)?;
        Ok((kit, environ))
    }

    /// Calls the application and sends what it returns. Drops its environ, so that the kit can be used again.
    fn answer(&self, py: Python<'_>, kit: &Kit, environ: Bound<'_, PyDict>) -> PyResult<()> {
        let iterable = self.callable.bind(py).call1((environ, &kit.start_response))?;
        body::send(kit.response.get(), &iterable, self.sendfile)
    }

    fn keep(&self, py: Python<'_>, kit: Kit, sending: &Sending) {
        if !sending.is_lent && kit.is_unshared(py) {
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

/// What the client is given in the place of a response that fails.
#[derive(Debug)]
pub(crate) enum Instead {
    /// No more than it has.
    Nothing,
    /// A page with this status and, where there is something to say, this text.
    Page(u16, String),
}

impl Instead {
    pub(crate) fn give(&self, exchange: &mut Exchange) {
        match self {
            Self::Nothing => exchange.abort(),
            Self::Page(status, text) => exchange.refuse(*status, text),
        }
    }
}

/// A request that the application cannot be called with.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) exchange: Box<Exchange>,
    pub(crate) record: Record,
    pub(crate) instead: Instead,
}

/// The application failed, or the client has gone: what is to be told of it, and what the client is given after that.
pub(crate) fn fail(py: Python<'_>, sending: &Sending, error: PyErr) -> (Record, Instead) {
    if sending.gone && error.is_instance_of::<PyConnectionError>(py) {
        return (report::gone(), Instead::Nothing);
    }
    // So applications end that have answered by the socket, as under gunicorn.
    if error.is_instance_of::<PyStopIteration>(py) {
        return (report::stopped(), Instead::Nothing);
    }
    // What failed because the client has not sent what it announced is its failure, if this is what failed.
    let is_told = |fault: &str| error.is_instance_of::<PyOSError>(py) && error.value(py).to_string() == fault;
    if let Some(fault) = sending.exchange.body_error().filter(|fault| is_told(&fault.to_string())) {
        let record = report::refusal(sending.exchange.peer(), &fault.to_string());
        return (record, Instead::Page(fault.status(), String::new()));
    }
    (report::failure(sending.exchange.head(), error), Instead::Page(500, String::new()))
}

/// The application cannot be entered with this request: as [`fail`].
fn refuse(exchange: &Exchange, error: EnvironError) -> (Record, Instead) {
    let status = error.status();
    let explanation = error.to_string();
    match error {
        EnvironError::Python(error) => (report::failure(exchange.head(), error), Instead::Page(status, String::new())),
        EnvironError::ScriptName { .. } => {
            (report::refusal(exchange.peer(), &explanation), Instead::Page(status, explanation))
        }
    }
}

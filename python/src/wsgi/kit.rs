//! The Python objects that a request needs besides its environ, made once and used again.
//!
//! They are used again only if the count of references shows that the application has kept none of them. Otherwise they
//! stay behind, ended: whoever still calls them gets an exception, and never reaches another request.

use gunicorn::reactor::{Exchange, RequestBody};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::head::Head;
use super::input::Input;
use super::response::{Response, Sending, Start};
use super::socket::ClientSocket;
use crate::ffi;

/// One set of objects, for one request at a time.
#[derive(Debug)]
pub(super) struct Kit {
    /// `start_response`.
    pub(super) start_response: Py<PyAny>,
    /// The response behind the objects.
    pub(super) response: Py<Response>,
    /// For each listener the environ that its requests start from, with these objects in it.
    templates: Vec<Py<PyDict>>,
    early_hints: Py<PyAny>,
    client_gone: Py<PyAny>,
    input: Py<Input>,
    socket: Py<ClientSocket>,
    start: Py<Start>,
    write: Py<PyAny>,
    head: Head,
    unshared: [isize; 8],
}

impl Kit {
    /// Makes the objects, and puts them into copies of the listeners' templates.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(super) fn new<'a>(py: Python<'_>, templates: impl Iterator<Item = &'a Py<PyDict>>) -> PyResult<Self> {
        let response = Py::new(py, Response::new())?;
        let write = response.getattr(py, "write")?;
        let start = Py::new(py, Start::new(response.clone_ref(py), write.clone_ref(py)))?;
        let mut kit = Self {
            start_response: start.getattr(py, "start_response")?,
            early_hints: response.getattr(py, "early_hints")?,
            client_gone: response.getattr(py, "client_gone")?,
            input: Py::new(py, Input::new(response.clone_ref(py)))?,
            socket: Py::new(py, ClientSocket::new(response.clone_ref(py)))?,
            templates: Vec::new(),
            response,
            start,
            write,
            head: Head::default(),
            unshared: [0; 8],
        };
        kit.templates = templates.map(|template| kit.fill(template.bind(py))).collect::<PyResult<_>>()?;
        kit.unshared = kit.references(py);
        Ok(kit)
    }

    fn fill(&self, template: &Bound<'_, PyDict>) -> PyResult<Py<PyDict>> {
        let py = template.py();
        let template = template.copy()?;
        template.set_item(intern!(py, "wsgi.input"), &self.input)?;
        template.set_item(intern!(py, "wsgi.early_hints"), &self.early_hints)?;
        template.set_item(intern!(py, "gunicorn.socket"), &self.socket)?;
        template.set_item(intern!(py, "gunicorn_rs.client_gone"), &self.client_gone)?;
        Ok(template.unbind())
    }

    /// A copy of this listener's template.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(super) fn environ<'py>(&self, py: Python<'py>, listener: usize) -> PyResult<Bound<'py, PyDict>> {
        self.templates.get(listener).map_or_else(|| Ok(PyDict::new(py)), |template| template.bind(py).copy())
    }

    /// Begins a request.
    pub(super) fn begin(&mut self, exchange: Box<Exchange>, body: RequestBody) {
        self.input.get().begin(body, exchange.is_body_open());
        self.response.get().begin(exchange, std::mem::take(&mut self.head));
    }

    /// Ends the request: from here on the objects reach nothing any more.
    pub(super) fn end(&mut self, py: Python<'_>) -> Sending {
        self.input.get().end();
        let mut sending = self.response.get().end(py);
        self.head = std::mem::take(&mut sending.head);
        sending
    }

    /// Whether nobody else has any of the objects.
    pub(super) fn is_unshared(&self, py: Python<'_>) -> bool {
        self.references(py) == self.unshared && !self.socket.get().is_used(py)
    }

    fn references(&self, py: Python<'_>) -> [isize; 8] {
        [
            ffi::references(self.start_response.bind(py)),
            ffi::references(self.early_hints.bind(py)),
            ffi::references(self.client_gone.bind(py)),
            ffi::references(self.input.bind(py)),
            ffi::references(self.socket.bind(py)),
            ffi::references(self.response.bind(py)),
            ffi::references(self.start.bind(py)),
            ffi::references(self.write.bind(py)),
        ]
    }
}

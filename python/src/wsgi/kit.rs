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
pub(crate) struct Kit {
    /// `start_response`.
    pub(super) start_response: Py<PyAny>,
    /// The response behind the objects.
    pub(super) response: Py<Response>,
    /// Who waits for the client in the place of a thread, where the kind of the worker has such.
    pub(super) client: Option<Py<PyAny>>,
    /// For each listener the environ that its requests start from, with these objects in it.
    templates: Vec<Py<PyDict>>,
    input: Py<Input>,
    head: Head,
    /// All that an application can keep, and how many references there are to each while it does not.
    objects: Vec<(Py<PyAny>, isize)>,
}

/// What the application is given to wait with.
struct Waiting {
    write: Py<PyAny>,
    input: Py<PyAny>,
    socket: Py<PyAny>,
    client: Option<Py<PyAny>>,
}

impl Waiting {
    /// What has the thread wait.
    fn on_the_thread(py: Python<'_>, response: &Py<Response>, input: &Py<Input>) -> PyResult<Self> {
        Ok(Self {
            write: response.getattr(py, "write")?,
            input: input.clone_ref(py).into_any(),
            socket: Py::new(py, ClientSocket::new(response.clone_ref(py)))?.into_any(),
            client: None,
        })
    }

    /// What waits by the stand-ins' own means.
    fn elsewhere(py: Python<'_>, stand_ins: &Py<PyAny>, response: &Py<Response>, input: &Py<Input>) -> PyResult<Self> {
        let made = stand_ins.call_method1(py, intern!(py, "client"), (response, input))?;
        let (client, write, input, socket) = made.extract(py)?;
        Ok(Self { write, input, socket, client: Some(client) })
    }
}

impl Kit {
    /// Makes the objects, and puts them into copies of the listeners' templates.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(super) fn new<'a>(
        py: Python<'_>,
        templates: impl Iterator<Item = &'a Py<PyDict>>,
        stand_ins: Option<&Py<PyAny>>,
    ) -> PyResult<Self> {
        let response = Py::new(py, Response::new())?;
        let input = Py::new(py, Input::new(response.clone_ref(py)))?;
        let waiting = match stand_ins {
            None => Waiting::on_the_thread(py, &response, &input)?,
            Some(stand_ins) => Waiting::elsewhere(py, stand_ins, &response, &input)?,
        };
        let start = Py::new(py, Start::new(response.clone_ref(py), waiting.write.clone_ref(py)))?;
        let start_response = start.getattr(py, "start_response")?;
        let entries = [
            (intern!(py, "wsgi.input"), waiting.input),
            (intern!(py, "wsgi.early_hints"), response.getattr(py, "early_hints")?),
            (intern!(py, "gunicorn.socket"), waiting.socket),
            (intern!(py, "gunicorn_rs.client_gone"), response.getattr(py, "client_gone")?),
        ];
        let fill = |template: &Py<PyDict>| -> PyResult<Py<PyDict>> {
            let template = template.bind(py).copy()?;
            entries.iter().try_for_each(|(name, value)| template.set_item(name, value))?;
            Ok(template.unbind())
        };
        let templates = templates.map(fill).collect::<PyResult<_>>()?;
        let kept = [response.clone_ref(py).into_any(), input.clone_ref(py).into_any(), start.into_any()];
        let objects = entries.into_iter().map(|(_, value)| value).chain(kept);
        let objects = objects.chain([start_response.clone_ref(py), waiting.write]);
        let client = waiting.client;
        let objects: Vec<_> = objects.chain(client.as_ref().map(|client| client.clone_ref(py))).collect();
        let mut kit =
            Self { start_response, client, templates, response, input, head: Head::default(), objects: vec![] };
        kit.objects = objects.into_iter().map(|object| (object, 0)).collect();
        kit.objects.iter_mut().for_each(|(object, count)| *count = ffi::references(object.bind(py)));
        Ok(kit)
    }

    /// A copy of this listener's template.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(super) fn environ<'py>(&self, py: Python<'py>, listener: usize) -> PyResult<Bound<'py, PyDict>> {
        self.templates.get(listener).map_or_else(|| Ok(PyDict::new(py)), |template| template.bind(py).copy())
    }

    /// `start_response`, and who waits for the client.
    pub(crate) fn for_greenlet(&self, py: Python<'_>) -> (Py<PyAny>, Option<Py<PyAny>>) {
        (self.start_response.clone_ref(py), self.client.as_ref().map(|client| client.clone_ref(py)))
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
        self.objects.iter().all(|(object, count)| ffi::references(object.bind(py)) == *count)
    }
}

//! The scope of a request, as the ASGI specification (HTTP and WebSocket, 2.5) describes it.
//!
//! As an environ it begins as a copy of its listener's template.

use std::net::IpAddr;
use std::sync::{Mutex, OnceLock, PoisonError};

use gunicorn::http::{Target, Version, unquote};
use gunicorn::net::Address;
use gunicorn::reactor::Exchange;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

/// Places in the table of header names; a power of two.
const PLACES: usize = 512;
/// Places that a name may be in, from the one its hash names.
const PROBES: usize = 8;
/// Names longer than this, in bytes, are not kept.
const LONGEST: usize = 64;

/// What is the same for all requests of a worker.
pub(super) struct Scopes {
    listeners: Vec<(Address, Templates)>,
    state: Py<PyDict>,
    names: Box<[OnceLock<Name>]>,
    root_path: Vec<u8>,
    last_client: Mutex<Option<(IpAddr, Py<PyString>)>>,
}

/// A header name in lower case, as Rust and as Python knows it.
struct Name {
    lower: Box<[u8]>,
    bytes: Py<PyBytes>,
}

/// The scopes that requests of one listener start from.
struct Templates {
    http: Py<PyDict>,
    websocket: Py<PyDict>,
}

impl Scopes {
    /// For these listeners; `state` is that of the lifespan, of which each scope gets a copy.
    pub(super) fn new(py: Python<'_>, listeners: &[Address], root_path: &str, state: Py<PyDict>) -> PyResult<Self> {
        let templates = |address: &Address| -> PyResult<(Address, Templates)> {
            Ok((address.clone(), Templates::new(py, address, root_path)?))
        };
        Ok(Self {
            listeners: listeners.iter().map(templates).collect::<PyResult<_>>()?,
            state,
            names: (0..PLACES).map(|_| OnceLock::new()).collect(),
            root_path: root_path.as_bytes().to_vec(),
            last_client: Mutex::new(None),
        })
    }

    /// The scope of the exchange's request: `http`, or `websocket` with the sub-protocols that are offered.
    pub(super) fn make<'py>(
        &self,
        py: Python<'py>,
        exchange: &Exchange,
        subprotocols: Option<Vec<String>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let position = self.listeners.iter().position(|(address, _)| address == exchange.local()).unwrap_or(0);
        let Some((_, templates)) = self.listeners.get(position) else { return Ok(PyDict::new(py)) };
        let is_websocket = subprotocols.is_some();
        let scope = if is_websocket { &templates.websocket } else { &templates.http }.bind(py).copy()?;
        // What is in the template belongs to all requests.
        for name in [intern!(py, "asgi"), intern!(py, "extensions")] {
            if let Some(shared) = scope.get_item(name)? {
                scope.set_item(name, shared.cast::<PyDict>()?.copy()?)?;
            }
        }
        let head = exchange.head();
        if !is_websocket && head.method() != b"GET" {
            scope.set_item(intern!(py, "method"), text(py, head.method()))?;
        }
        if head.version() == Version::Http10 {
            scope.set_item(intern!(py, "http_version"), intern!(py, "1.0"))?;
        }
        self.set_path(&scope, exchange)?;
        scope.set_item(intern!(py, "headers"), self.headers(py, exchange)?)?;
        if let Some(client) = exchange.client() {
            scope.set_item(intern!(py, "client"), (self.client_address(py, client.ip())?, client.port()))?;
        }
        if exchange.is_secure() {
            let scheme = if is_websocket { intern!(py, "wss") } else { intern!(py, "https") };
            scope.set_item(intern!(py, "scheme"), scheme)?;
        }
        if let Some(subprotocols) = subprotocols {
            scope.set_item(intern!(py, "subprotocols"), subprotocols)?;
        }
        scope.set_item(intern!(py, "state"), self.state.bind(py).copy()?)?;
        Ok(scope)
    }

    /// `path`, `raw_path`, `query_string`; `root_path` where a trusted proxy tells another one. The path is the whole
    /// one, with the root path: one that a proxy has taken off is put back, as the specification wants it.
    fn set_path(&self, scope: &Bound<'_, PyDict>, exchange: &Exchange) -> PyResult<()> {
        let py = scope.py();
        let Target { path, query } = Target::divide(exchange.head().target());
        // RFC 9110, section 4.2.3: an empty path is "/".
        let path = if path.is_empty() { b"/" } else { path };
        let root_path = exchange.script_name().unwrap_or(&self.root_path);
        if exchange.script_name().is_some() {
            scope.set_item(intern!(py, "root_path"), text(py, root_path))?;
        }
        let is_below = root_path.is_empty()
            || path.strip_prefix(root_path).is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'));
        let plain = unquote(path);
        match is_below {
            true => scope.set_item(intern!(py, "path"), text(py, &plain))?,
            false => scope.set_item(intern!(py, "path"), text(py, &[root_path, &plain].concat()))?,
        }
        scope.set_item(intern!(py, "raw_path"), PyBytes::new(py, path))?;
        if !query.is_empty() {
            scope.set_item(intern!(py, "query_string"), PyBytes::new(py, query))?;
        }
        Ok(())
    }

    fn headers<'py>(&self, py: Python<'py>, exchange: &Exchange) -> PyResult<Bound<'py, PyList>> {
        let head = exchange.head();
        let mut headers = Vec::with_capacity(head.fields().len());
        for (name, value) in head.fields() {
            headers.push(PyTuple::new(py, [self.name(py, name), PyBytes::new(py, value)])?);
        }
        PyList::new(py, headers)
    }

    /// A header name in lower case, as bytes made once.
    fn name<'py>(&self, py: Python<'py>, name: &[u8]) -> Bound<'py, PyBytes> {
        let start = hash(name);
        for place in (start..start + PROBES).filter_map(|place| self.names.get(place % PLACES)) {
            if name.len() > LONGEST {
                break;
            }
            let kept = place.get_or_init(|| {
                let lower = name.to_ascii_lowercase();
                Name { bytes: PyBytes::new(py, &lower).unbind(), lower: lower.into() }
            });
            if kept.lower.eq_ignore_ascii_case(name) {
                return kept.bytes.bind(py).clone();
            }
        }
        PyBytes::new(py, &name.to_ascii_lowercase())
    }

    /// A client's address as a string; that of the last one is kept.
    fn client_address<'py>(&self, py: Python<'py>, client: IpAddr) -> PyResult<Bound<'py, PyString>> {
        let lock = || self.last_client.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = lock().as_ref().filter(|(ip, _)| *ip == client).map(|(_, address)| address.clone_ref(py));
        if let Some(address) = kept {
            return Ok(address.into_bound(py));
        }
        let address = PyString::new(py, &client.to_string());
        let old = lock().replace((client, address.clone().unbind()));
        drop(old);
        Ok(address)
    }
}

impl Templates {
    fn new(py: Python<'_>, address: &Address, root_path: &str) -> PyResult<Self> {
        let http = Self::base(py, address, root_path, ("http", "http", "2.5"))?;
        http.set_item("method", "GET")?;
        let extensions = PyDict::new(py);
        for name in ["http.response.trailers", "http.response.early_hint", "http.response.pathsend"] {
            extensions.set_item(name, PyDict::new(py))?;
        }
        http.set_item("extensions", extensions)?;
        let websocket = Self::base(py, address, root_path, ("websocket", "ws", "2.5"))?;
        let extensions = PyDict::new(py);
        extensions.set_item("websocket.http.response", PyDict::new(py))?;
        websocket.set_item("extensions", extensions)?;
        websocket.set_item("subprotocols", PyList::empty(py))?;
        Ok(Self { http: http.unbind(), websocket: websocket.unbind() })
    }

    fn base<'py>(
        py: Python<'py>,
        address: &Address,
        root_path: &str,
        (kind, scheme, version): (&str, &str, &str),
    ) -> PyResult<Bound<'py, PyDict>> {
        let scope = PyDict::new(py);
        let asgi = PyDict::new(py);
        asgi.set_item("version", "3.0")?;
        asgi.set_item("spec_version", version)?;
        scope.set_item(intern!(py, "type"), PyString::intern(py, kind))?;
        scope.set_item(intern!(py, "asgi"), asgi)?;
        scope.set_item(intern!(py, "http_version"), "1.1")?;
        scope.set_item(intern!(py, "scheme"), PyString::intern(py, scheme))?;
        scope.set_item(intern!(py, "path"), "")?;
        scope.set_item(intern!(py, "raw_path"), PyBytes::new(py, b""))?;
        scope.set_item(intern!(py, "query_string"), PyBytes::new(py, b""))?;
        scope.set_item(intern!(py, "root_path"), root_path)?;
        scope.set_item(intern!(py, "headers"), py.None())?;
        scope.set_item(intern!(py, "client"), py.None())?;
        match address {
            Address::Inet(address) => {
                scope.set_item(intern!(py, "server"), (address.ip().to_string(), address.port()))?;
            }
            Address::Unix(path) => {
                let path = path.as_deref().unwrap_or("".as_ref()).as_os_str();
                scope.set_item(intern!(py, "server"), (path, py.None()))?;
            }
        }
        scope.set_item(intern!(py, "state"), py.None())?;
        Ok(scope)
    }
}

/// Text of a client: UTF-8, where it is that, with what is not replaced, as uvicorn has it.
fn text<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    PyString::new(py, &String::from_utf8_lossy(bytes))
}

/// FNV-1a of the name in one case.
fn hash(name: &[u8]) -> usize {
    let hash = name
        .iter()
        .take(LONGEST)
        .fold(0x811c_9dc5_u32, |hash, &byte| (hash ^ u32::from(byte | 0x20)).wrapping_mul(0x0100_0193));
    (hash ^ (hash >> 15)) as usize
}

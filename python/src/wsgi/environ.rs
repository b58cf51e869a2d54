//! The environ of a request, as gunicorn 27 makes it: the same keys, types and values.
//!
//! It starts as a copy of its listener's template, in which everything stands that is the same for most requests; the
//! rest is written over it. The header policies are gunicorn's defaults: names with an underscore are
//! dropped, and only a trusted peer (the local host, or whoever can open the Unix socket) tells the scheme and
//! the mount point.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use gunicorn::http::{Head, Target, Version, unquote};
use gunicorn::net::Address;
use gunicorn::reactor::Exchange;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::kit::Kit;
use super::names::{Names, Role, variable};
use crate::ffi;

/// `SERVER_SOFTWARE`.
pub(crate) const SERVER_SOFTWARE: &str = concat!("gunicorn-rs/", env!("CARGO_PKG_VERSION"));

/// Why there is no environ for a request.
#[derive(Debug, thiserror::Error)]
pub(super) enum EnvironError {
    /// The application is mounted somewhere else than where the request goes.
    #[error(
        "Configuration problem: Request path '{}' does not start with SCRIPT_NAME '{}'",
        path.escape_ascii(),
        script_name.escape_ascii()
    )]
    ScriptName {
        /// Path of the request, percent-encoded.
        path: Vec<u8>,
        /// Mount point.
        script_name: Vec<u8>,
    },
    /// Scheme headers that contradict each other.
    #[error("Contradictory scheme headers")]
    Scheme,
    /// Python could not make an object.
    #[error(transparent)]
    Python(#[from] PyErr),
}

impl EnvironError {
    /// Status of the answer, as gunicorn gives it.
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Scheme => 400,
            Self::ScriptName { .. } | Self::Python(_) => 500,
        }
    }
}

/// What is the same for all requests of a worker.
#[derive(Debug)]
pub(super) struct Environs {
    listeners: Vec<Listener>,
    names: Names,
    script_name: Vec<u8>,
    last_peer: Mutex<Option<(IpAddr, Py<PyString>)>>,
}

/// A listener's address and the environ that its requests start from.
#[derive(Debug)]
struct Listener {
    address: Address,
    template: Py<PyDict>,
}

/// Name and value of a header field.
type Field<'a> = (&'a [u8], &'a [u8]);

/// What the headers of one request have told besides being in the environ.
#[derive(Default)]
struct Told<'a> {
    host: Option<&'a [u8]>,
    is_https: Option<bool>,
    script_name: Option<&'a [u8]>,
}

impl Environs {
    /// Makes a template for each listener from `base`, the entries that depend neither on it nor on the request.
    ///
    /// # Errors
    /// `MemoryError`; whatever reading `os.environ` raises.
    pub(super) fn new(py: Python<'_>, listeners: &[Address], base: &Bound<'_, PyDict>) -> PyResult<Self> {
        let script_name =
            py.import("os")?.getattr("environ")?.call_method1("get", ("SCRIPT_NAME", ""))?.extract::<String>()?;
        base.set_item(intern!(py, "SCRIPT_NAME"), &script_name)?;
        let listeners = listeners.iter().map(|address| Listener::new(py, address, base)).collect::<PyResult<_>>()?;
        let names = Names::new(py)?;
        Ok(Self { listeners, names, script_name: script_name.into_bytes(), last_peer: Mutex::new(None) })
    }

    /// The environ of the exchange's request, with the objects of `kit` in it.
    ///
    /// # Errors
    /// The request cannot be mapped, or Python has no memory.
    pub(super) fn make<'py>(
        &self,
        py: Python<'py>,
        exchange: &Exchange,
        kit: &Kit,
    ) -> Result<Bound<'py, PyDict>, EnvironError> {
        let environ = kit.environ(py, self.listener(exchange.local()))?;
        let head = exchange.head();
        let told = self.set_fields(&environ, head, is_trusted(exchange.peer()))?;
        self.set_request_line(&environ, head, &told)?;
        self.set_addresses(&environ, exchange, &told)?;
        Ok(environ)
    }

    /// The listeners' templates, in the order by which `make` numbers them.
    pub(super) fn templates(&self) -> impl Iterator<Item = &Py<PyDict>> {
        self.listeners.iter().map(|listener| &listener.template)
    }

    /// The number of a listener. There are few, and every address is one of theirs; the first stands in for one that is
    /// not.
    fn listener(&self, local: &Address) -> usize {
        self.listeners.iter().position(|listener| listener.address == *local).unwrap_or(0)
    }

    /// Sets the header fields.
    fn set_fields<'a>(
        &self,
        environ: &Bound<'_, PyDict>,
        head: Head<'a>,
        is_trusted: bool,
    ) -> Result<Told<'a>, EnvironError> {
        let py = environ.py();
        let mut told = Told::default();
        let mut expected = environ.len();
        for (name, value) in head.fields() {
            let name = self.names.get(py, name)?;
            if !told.note(name.role, value, is_trusted)? {
                continue;
            }
            environ.set_item(&name.key, ffi::latin1(py, value)?)?;
            expected += 1;
        }
        // The template holds no header, so that fewer entries mean that a name came more than once.
        if environ.len() != expected {
            self.join_repeated(environ, head, is_trusted)?;
        }
        Ok(told)
    }

    /// Sets the keys that more than one field has to their joined values.
    fn join_repeated(&self, environ: &Bound<'_, PyDict>, head: Head<'_>, is_trusted: bool) -> Result<(), EnvironError> {
        let py = environ.py();
        // By name as it is in a key, where hyphen and underscore are one.
        let mut joined: HashMap<Vec<u8>, Vec<Field<'_>>> = HashMap::new();
        for (name, value) in head.fields() {
            if Told::default().note(self.names.get(py, name)?.role, value, is_trusted)? {
                joined.entry(variable(name)).or_default().push((name, value));
            }
        }
        for fields in joined.values().filter(|fields| fields.len() > 1) {
            let values = fields.iter().map(|(_, value)| *value).collect::<Vec<_>>().join(&b',');
            environ.set_item(&self.names.get(py, fields[0].0)?.key, ffi::latin1(py, &values)?)?;
        }
        Ok(())
    }

    fn set_request_line(
        &self,
        environ: &Bound<'_, PyDict>,
        head: Head<'_>,
        told: &Told<'_>,
    ) -> Result<(), EnvironError> {
        let py = environ.py();
        if head.method() != b"GET" {
            environ.set_item(intern!(py, "REQUEST_METHOD"), ffi::latin1(py, head.method())?)?;
        }
        if head.version() != Version::Http11 {
            environ.set_item(intern!(py, "SERVER_PROTOCOL"), intern!(py, "HTTP/1.0"))?;
        }
        let target = Target::divide(head.target());
        let raw_uri = ffi::latin1(py, head.target())?;
        let script_name = told.script_name.unwrap_or(&self.script_name);
        let path = unquote(path_below(target.path, script_name)?);
        match *path == *head.target() {
            true => environ.set_item(intern!(py, "PATH_INFO"), &raw_uri)?,
            false => environ.set_item(intern!(py, "PATH_INFO"), ffi::latin1(py, &path)?)?,
        }
        environ.set_item(intern!(py, "RAW_URI"), raw_uri)?;
        if !target.query.is_empty() {
            environ.set_item(intern!(py, "QUERY_STRING"), ffi::latin1(py, target.query)?)?;
        }
        if told.script_name.is_some() {
            environ.set_item(intern!(py, "SCRIPT_NAME"), ffi::latin1(py, script_name)?)?;
        }
        Ok(())
    }

    fn set_addresses(&self, environ: &Bound<'_, PyDict>, exchange: &Exchange, told: &Told<'_>) -> PyResult<()> {
        let py = environ.py();
        let is_https = told.is_https.unwrap_or(exchange.is_tls());
        if is_https {
            environ.set_item(intern!(py, "wsgi.url_scheme"), intern!(py, "https"))?;
        }
        match exchange.peer() {
            Address::Inet(peer) => {
                environ.set_item(intern!(py, "REMOTE_ADDR"), self.peer_address(py, peer)?)?;
                environ.set_item(intern!(py, "REMOTE_PORT"), decimal(py, peer.port())?)?;
            }
            Address::Unix(Some(path)) => environ.set_item(intern!(py, "REMOTE_ADDR"), path.as_os_str())?,
            Address::Unix(None) => {}
        }
        match (exchange.local(), told.host) {
            (Address::Unix(_), Some(host)) if !host.is_empty() => set_server(environ, host, is_https),
            _ => Ok(()),
        }
    }

    /// The peer's address as a string; that of the last one is kept, since behind a proxy it is always the same.
    fn peer_address<'py>(&self, py: Python<'py>, peer: &SocketAddr) -> PyResult<Bound<'py, PyString>> {
        let lock = || self.last_peer.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = lock().as_ref().filter(|(ip, _)| *ip == peer.ip()).map(|(_, address)| address.clone_ref(py));
        if let Some(address) = kept {
            return Ok(address.into_bound(py));
        }
        let address = ffi::latin1(py, peer.ip().to_string().as_bytes())?;
        let old = lock().replace((peer.ip(), address.clone().unbind()));
        drop(old);
        Ok(address)
    }
}

impl<'a> Told<'a> {
    /// Takes note of a field. `false`: it is not to be in the environ.
    fn note(&mut self, role: Role, value: &'a [u8], is_trusted: bool) -> Result<bool, EnvironError> {
        match role {
            Role::Plain => {}
            Role::Host => self.host = Some(value),
            Role::Scheme(secure) if is_trusted => {
                let is_https = value == secure.as_bytes();
                if self.is_https.replace(is_https).is_some_and(|before| before != is_https) {
                    return Err(EnvironError::Scheme);
                }
            }
            Role::Scheme(_) => {}
            Role::ScriptName if is_trusted => self.script_name = Some(value),
            Role::Forwarder if is_trusted => {}
            Role::ScriptName | Role::Forwarder | Role::Ambiguous => return Ok(false),
        }
        Ok(true)
    }
}

impl Listener {
    fn new(py: Python<'_>, address: &Address, base: &Bound<'_, PyDict>) -> PyResult<Self> {
        let template = base.copy()?;
        // Placeholders: a copy that has all its keys from the start does not have to grow.
        for (key, value) in [
            ("SERVER_SOFTWARE", SERVER_SOFTWARE),
            ("REQUEST_METHOD", "GET"),
            ("QUERY_STRING", ""),
            ("RAW_URI", ""),
            ("PATH_INFO", ""),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("wsgi.url_scheme", "http"),
            ("REMOTE_ADDR", ""),
        ] {
            template.set_item(PyString::intern(py, key), PyString::intern(py, value))?;
        }
        match address {
            Address::Inet(address) => {
                template.set_item(intern!(py, "REMOTE_PORT"), "")?;
                template.set_item(intern!(py, "SERVER_NAME"), address.ip().to_string())?;
                template.set_item(intern!(py, "SERVER_PORT"), address.port().to_string())?;
            }
            Address::Unix(path) => {
                template.set_item(intern!(py, "SERVER_NAME"), path.as_deref().unwrap_or("".as_ref()).as_os_str())?;
                template.set_item(intern!(py, "SERVER_PORT"), "")?;
            }
        }
        Ok(Self { address: address.clone(), template: template.unbind() })
    }
}

/// `SERVER_NAME` and `SERVER_PORT` behind a Unix socket, which has neither: from Host.
fn set_server(environ: &Bound<'_, PyDict>, host: &[u8], is_https: bool) -> PyResult<()> {
    let py = environ.py();
    let after_literal = memchr::memchr(b']', host).unwrap_or(0);
    let (name, port) = match memchr::memchr(b':', &host[after_literal..]) {
        Some(colon) => (&host[..after_literal + colon], &host[after_literal + colon + 1..]),
        None if is_https => (host, &b"443"[..]),
        None => (host, &b"80"[..]),
    };
    environ.set_item(intern!(py, "SERVER_NAME"), ffi::latin1(py, name)?)?;
    environ.set_item(intern!(py, "SERVER_PORT"), ffi::latin1(py, port)?)
}

/// Whether the peer may set forwarding headers (default of gunicorn's `forwarded_allow_ips`; a Unix socket's own
/// permissions decide who can be its peer).
fn is_trusted(peer: &Address) -> bool {
    match peer {
        Address::Inet(peer) => peer.ip() == Ipv4Addr::LOCALHOST || peer.ip() == Ipv6Addr::LOCALHOST,
        Address::Unix(_) => true,
    }
}

/// The part of the path below the mount point.
fn path_below<'a>(path: &'a [u8], script_name: &[u8]) -> Result<&'a [u8], EnvironError> {
    path.strip_prefix(script_name)
        .ok_or_else(|| EnvironError::ScriptName { path: path.to_vec(), script_name: script_name.to_vec() })
}

/// The number in decimal digits.
fn decimal(py: Python<'_>, mut number: u16) -> PyResult<Bound<'_, PyString>> {
    let mut digits = [b'0'; 5];
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    ffi::latin1(py, &digits[start..])
}

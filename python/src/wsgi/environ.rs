//! The environ of a request, as gunicorn 27 makes it: the same keys, types and values.
//!
//! It starts as a copy of its listener's template, in which everything stands that is the same for most requests; the
//! rest is written over it. What a proxy tells of the scheme, the mount point and the client has been judged by the
//! codec ([`gunicorn::http::Forwarding`]); here it is believed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use gunicorn::http::{Head, ProxyHeader, Target, unquote};
use gunicorn::net::Address;
use gunicorn::reactor::Exchange;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::WsgiConfig;
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
    /// Python could not make an object.
    #[error(transparent)]
    Python(#[from] PyErr),
}

impl EnvironError {
    /// Status of the answer, as gunicorn gives it.
    pub(super) fn status(&self) -> u16 {
        500
    }
}

/// What is the same for all requests of a worker.
#[derive(Debug)]
pub(super) struct Environs {
    listeners: Vec<Listener>,
    names: Names,
    /// `SCRIPT_NAME` of the environment: each request is below it.
    script_name: Vec<u8>,
    /// `root_path`: where the application is mounted; a proxy may have taken it off the path already.
    root_path: Vec<u8>,
    last_client: Mutex<Option<(IpAddr, Py<PyString>)>>,
}

/// A listener's address and the environ that its requests start from.
#[derive(Debug)]
struct Listener {
    address: Address,
    template: Py<PyDict>,
}

/// Name and value of a header field.
type Field<'a> = (&'a [u8], &'a [u8]);

impl Environs {
    /// Makes a template for each listener from `base`, the entries that depend neither on it nor on the request.
    ///
    /// # Errors
    /// `MemoryError`; whatever reading `os.environ` raises.
    pub(super) fn new(py: Python<'_>, config: &WsgiConfig, base: &Bound<'_, PyDict>) -> PyResult<Self> {
        let script_name =
            py.import("os")?.getattr("environ")?.call_method1("get", ("SCRIPT_NAME", ""))?.extract::<String>()?;
        let mount = if script_name.is_empty() { &config.root_path } else { &script_name };
        base.set_item(intern!(py, "SCRIPT_NAME"), mount)?;
        let listeners =
            config.listeners.iter().map(|address| Listener::new(py, address, base)).collect::<PyResult<_>>()?;
        let names = Names::new(py)?;
        let root_path = if script_name.is_empty() { config.root_path.clone().into_bytes() } else { Vec::new() };
        Ok(Self { listeners, names, script_name: script_name.into_bytes(), root_path, last_client: Mutex::new(None) })
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
        let host = self.set_fields(&environ, head)?;
        self.set_request_line(&environ, exchange)?;
        self.set_addresses(&environ, exchange, host)?;
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

    /// Sets the header fields; gives the value of Host.
    fn set_fields<'a>(&self, environ: &Bound<'_, PyDict>, head: Head<'a>) -> PyResult<Option<&'a [u8]>> {
        let py = environ.py();
        let mut host = None;
        let mut expected = environ.len();
        for (name, value) in head.fields() {
            let name = self.names.get(py, name)?;
            if name.role == Role::Host {
                host = Some(value);
            }
            environ.set_item(&name.key, ffi::latin1(py, value)?)?;
            expected += 1;
        }
        // The template holds no header, so that fewer entries mean that a name came more than once.
        if environ.len() != expected {
            self.join_repeated(environ, head)?;
        }
        Ok(host)
    }

    /// Sets the keys that more than one field has to their joined values.
    fn join_repeated(&self, environ: &Bound<'_, PyDict>, head: Head<'_>) -> PyResult<()> {
        let py = environ.py();
        // By name as it is in a key, where hyphen and underscore are one.
        let mut joined: HashMap<Vec<u8>, Vec<Field<'_>>> = HashMap::new();
        for (name, value) in head.fields() {
            joined.entry(variable(name)).or_default().push((name, value));
        }
        for fields in joined.values().filter(|fields| fields.len() > 1) {
            let values = fields.iter().map(|(_, value)| *value).collect::<Vec<_>>().join(&b',');
            environ.set_item(&self.names.get(py, fields[0].0)?.key, ffi::latin1(py, &values)?)?;
        }
        Ok(())
    }

    fn set_request_line(&self, environ: &Bound<'_, PyDict>, exchange: &Exchange) -> Result<(), EnvironError> {
        let (py, head) = (environ.py(), exchange.head());
        if head.method() != b"GET" {
            environ.set_item(intern!(py, "REQUEST_METHOD"), ffi::latin1(py, head.method())?)?;
        }
        if head.protocol() != b"HTTP/1.1" {
            environ.set_item(intern!(py, "SERVER_PROTOCOL"), ffi::latin1(py, head.protocol())?)?;
        }
        let target = Target::divide(head.target());
        let raw_uri = ffi::latin1(py, head.target())?;
        let script_name = exchange.script_name().unwrap_or(&self.script_name);
        let path = path_below(target.path, script_name)?;
        let path = if script_name.is_empty() { below_root(path, &self.root_path) } else { path };
        let path = unquote(path);
        match *path == *head.target() {
            true => environ.set_item(intern!(py, "PATH_INFO"), &raw_uri)?,
            false => environ.set_item(intern!(py, "PATH_INFO"), ffi::latin1(py, &path)?)?,
        }
        environ.set_item(intern!(py, "RAW_URI"), raw_uri)?;
        if !target.query.is_empty() {
            environ.set_item(intern!(py, "QUERY_STRING"), ffi::latin1(py, target.query)?)?;
        }
        if exchange.script_name().is_some() {
            environ.set_item(intern!(py, "SCRIPT_NAME"), ffi::latin1(py, script_name)?)?;
        }
        Ok(())
    }

    fn set_addresses(&self, environ: &Bound<'_, PyDict>, exchange: &Exchange, host: Option<&[u8]>) -> PyResult<()> {
        let py = environ.py();
        if exchange.is_secure() {
            environ.set_item(intern!(py, "wsgi.url_scheme"), intern!(py, "https"))?;
        }
        match (exchange.client(), exchange.peer()) {
            (Some(client), _) => {
                environ.set_item(intern!(py, "REMOTE_ADDR"), self.client_address(py, client.ip())?)?;
                environ.set_item(intern!(py, "REMOTE_PORT"), decimal(py, client.port())?)?;
            }
            (None, Address::Unix(Some(path))) => environ.set_item(intern!(py, "REMOTE_ADDR"), path.as_os_str())?,
            (None, _) => {}
        }
        if let Some(header) = exchange.proxied() {
            set_proxied(environ, header)?;
        }
        match (exchange.local(), host) {
            (Address::Unix(_), Some(host)) if !host.is_empty() => set_server(environ, host, exchange.is_secure()),
            _ => Ok(()),
        }
    }

    /// A client's address as a string; that of the last one is kept, since behind a proxy it is always the same.
    fn client_address<'py>(&self, py: Python<'py>, client: IpAddr) -> PyResult<Bound<'py, PyString>> {
        let lock = || self.last_client.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = lock().as_ref().filter(|(ip, _)| *ip == client).map(|(_, address)| address.clone_ref(py));
        if let Some(address) = kept {
            return Ok(address.into_bound(py));
        }
        let address = ffi::latin1(py, client.to_string().as_bytes())?;
        let old = lock().replace((client, address.clone().unbind()));
        drop(old);
        Ok(address)
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

/// gunicorn's variables for what a PROXY protocol header tells. Where that tells no address, so that the connection's
/// own count, there is none of the proxy's either.
fn set_proxied(environ: &Bound<'_, PyDict>, header: &ProxyHeader) -> PyResult<()> {
    let py = environ.py();
    environ.set_item(intern!(py, "PROXY_PROTOCOL"), header.kind)?;
    if let Some((_, proxy)) = header.addresses {
        environ.set_item(intern!(py, "PROXY_ADDR"), proxy.ip().to_string())?;
        environ.set_item(intern!(py, "PROXY_PORT"), decimal(py, proxy.port())?)?;
    }
    Ok(())
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

/// The part of the path below the mount point.
fn path_below<'a>(path: &'a [u8], script_name: &[u8]) -> Result<&'a [u8], EnvironError> {
    path.strip_prefix(script_name)
        .ok_or_else(|| EnvironError::ScriptName { path: path.to_vec(), script_name: script_name.to_vec() })
}

/// The part of the path below the root, if it is not already below it.
fn below_root<'a>(path: &'a [u8], root: &[u8]) -> &'a [u8] {
    path.strip_prefix(root).filter(|rest| rest.first().is_none_or(|&byte| byte == b'/')).unwrap_or(path)
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

//! The settings as the rest of the program uses them: typed, checked, complete.

use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::given::Given;
use super::resolve::Nowhere;
use super::table;
use crate::http::{ForwardedClient, HeaderMap, Networks, ProxyProtocol};

/// One `bind` address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Bind {
    /// `HOST:PORT`, `[V6]:PORT`; names are resolved by whoever binds.
    Tcp {
        /// Host name or address, without brackets.
        host: String,
        /// Port; 0 lets the kernel choose.
        port: u16,
    },
    /// `unix:PATH`; absolute in [`Settings`].
    Unix(PathBuf),
    /// `fd://N`: a socket that is open already.
    Fd(RawFd),
}

/// The least severe level that the error log shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LogLevel {
    /// `debug`
    Debug,
    /// `info`
    Info,
    /// `warning`
    Warning,
    /// `error`
    Error,
    /// `critical`
    Critical,
}

/// Where a log goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogTarget {
    /// `-`: standard error for the error log, standard output for the access log.
    Standard,
    /// A file, appended to; absolute.
    File(PathBuf),
}

/// The event loop of the asgi kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AsgiLoop {
    /// `auto`: uvloop where it is installed, else asyncio.
    Auto,
    /// `asyncio`
    Asyncio,
    /// `uvloop`
    Uvloop,
}

/// Whether the asgi kind speaks the lifespan protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AsgiLifespan {
    /// `auto`: unless the application shows that it does not.
    Auto,
    /// `on`: an application that does not is broken.
    On,
    /// `off`
    Off,
}

/// All settings, typed. Built by the layers, used by everyone; travels to the zygote as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// `MODULE:CALLABLE` of the application.
    pub wsgi_app: Option<String>,
    /// Absolute path of the config file that was read, or `python:MODULE`; `None` when none was.
    pub config: Option<PathBuf>,
    /// Addresses to listen on.
    pub bind: Vec<Bind>,
    /// listen(2) backlog, in connections.
    pub backlog: u32,
    /// Number of workers.
    pub workers: u32,
    /// Worker kind, as `-k` names it; `None` when the user did not say: the application then has a say in it.
    pub worker_class: Option<String>,
    /// Have a class of another package run where a kind of ours would serve in its place.
    pub foreign_worker: bool,
    /// Threads of one worker, each with a request.
    pub threads: u32,
    /// Hand long request bodies to the application while they arrive (kinds with threads).
    pub stream_request_body: bool,
    /// A request that takes longer has its worker replaced; `None`: none does (setting 0).
    pub request_timeout: Option<Duration>,
    /// A worker silent for longer than this is killed; `None`: never (setting 0).
    pub timeout: Option<Duration>,
    /// Time for a worker to finish its requests when told to stop.
    pub graceful_timeout: Duration,
    /// Keep-alive time; `None` when the user did not set it (sync then closes after each response, as in gunicorn).
    pub keepalive: Option<Duration>,
    /// Requests after which a worker is replaced; `None`: never (setting 0).
    pub max_requests: Option<u64>,
    /// At most this many requests are added at random to `max_requests`.
    pub max_requests_jitter: u64,
    /// Event loop (asgi).
    pub asgi_loop: AsgiLoop,
    /// Whether the application is told of start-up and shut-down (asgi).
    pub asgi_lifespan: AsgiLifespan,
    /// How long an application may go on with a request whose client has gone (asgi).
    pub asgi_disconnect_grace_period: Duration,
    /// Longest WebSocket message of a client, decompressed, in bytes, at least 1.
    pub websocket_max_message_size: usize,
    /// How long a WebSocket client may be silent before it is pinged; `None`: for ever (setting 0).
    pub ws_ping_interval: Option<Duration>,
    /// How long it has to answer; `None`: any time (setting 0).
    pub ws_ping_timeout: Option<Duration>,
    /// Agree to permessage-deflate.
    pub ws_compression: bool,
    /// Load the application before forking.
    pub preload_app: bool,
    /// Directory to change to before loading the application; absolute.
    pub chdir: PathBuf,
    /// Directories, absolute, each inserted at the front of `sys.path` in this order: the last is searched first.
    pub pythonpath: Vec<PathBuf>,
    /// `KEY=VALUE` pairs for the application's environment.
    pub raw_env: Vec<(String, String)>,
    /// PID file; absolute.
    pub pidfile: Option<PathBuf>,
    /// Base of the process title.
    pub proc_name: Option<String>,
    /// User that workers run as (numeric), if it is to be changed.
    pub user: Option<u32>,
    /// Group that workers run as (numeric), if it is to be changed.
    pub group: Option<u32>,
    /// File mode creation mask.
    pub umask: u32,
    /// Error log.
    pub errorlog: LogTarget,
    /// Access log; `None`: off.
    pub accesslog: Option<LogTarget>,
    /// Format of an access log line, with gunicorn's atoms.
    pub access_log_format: String,
    /// Level of the error log.
    pub loglevel: LogLevel,
    /// Redirect standard output and error to the error log.
    pub capture_output: bool,
    /// Longest request line, in bytes, at most 8190; `None`: only the buffer's own bound (setting 0).
    pub limit_request_line: Option<usize>,
    /// Most header fields in a request, 1..=32768.
    pub limit_request_fields: usize,
    /// Longest header field, in bytes; `None`: only the buffer's own bound (setting 0).
    pub limit_request_field_size: Option<usize>,
    /// Longest request body, in bytes; `None`: no bound (setting 0).
    pub limit_request_body: Option<u64>,
    /// How long a new connection may be silent, and how long a head may take from its first byte to its last.
    pub client_header_timeout: Duration,
    /// How long a request body may pause.
    pub client_body_timeout: Duration,
    /// Average rate of a request body, in bytes per second, once `client_body_timeout` is over; `None`: any (setting
    /// 0).
    pub client_min_rate: Option<u64>,
    /// How long a client may pause while it takes the response.
    pub client_send_timeout: Duration,
    /// Most requests of one connection; `None`: no bound (setting 0).
    pub keepalive_requests: Option<u64>,
    /// Most connections of one worker, at least 1.
    pub worker_connections: usize,
    /// What one worker keeps of requests and responses in memory, in bytes, at least 1 MiB; what is beyond goes to
    /// files.
    pub buffer_memory: u64,
    /// What one worker keeps of them in files of `tmp_upload_dir`, in bytes.
    pub buffer_disk: u64,
    /// Directory of those files; absolute; `None`: the system's for temporary files.
    pub tmp_upload_dir: Option<PathBuf>,
    /// Send files by sendfile(2).
    pub sendfile: bool,
    /// Take field values that go on in the next line.
    pub permit_obsolete_folding: bool,
    /// Take white space between a field name and its colon.
    pub strip_header_spaces: bool,
    /// Take any token as a method.
    pub permit_unconventional_http_method: bool,
    /// Take HTTP versions other than 1.0 and 1.1.
    pub permit_unconventional_http_version: bool,
    /// Turn methods into upper case.
    pub casefold_http_method: bool,
    /// What becomes of fields with an underscore in their name.
    pub header_map: HeaderMap,
    /// Proxies whose header fields are believed.
    pub forwarded_allow_ips: Networks,
    /// Fields of trusted proxies, in upper case, and the value by which each tells of HTTPS.
    pub secure_scheme_headers: BTreeMap<String, String>,
    /// Fields with an underscore that are taken from trusted proxies, in upper case; `*` is all.
    pub forwarder_headers: Vec<String>,
    /// Field by which a trusted proxy names the client.
    pub forwarded_client: ForwardedClient,
    /// Versions of the PROXY protocol that are understood.
    pub proxy_protocol: ProxyProtocol,
    /// Proxies that may use the PROXY protocol.
    pub proxy_allow_ips: Networks,
    /// Path below which a proxy has mounted the application.
    pub root_path: String,
    /// Set SO_REUSEPORT on the listeners.
    pub reuse_port: bool,
    /// The interpreter to run: an absolute path or a name to look up in the `PATH`; `None`: found (wheel's own,
    /// `VIRTUAL_ENV`, `python3` of the `PATH`).
    pub python: Option<PathBuf>,
}

impl LogLevel {
    const ALL: [Self; 5] = [Self::Debug, Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// The level's name in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// The level of this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(name))
    }
}

impl Default for Settings {
    /// The defaults of the table, with `/` for the working directory.
    fn default() -> Self {
        let mut settings = Self::blank();
        for setting in table::all() {
            if let Some(default) = setting.default {
                // A test of the table holds that each default is allowed.
                let _ = setting.field.assign(&mut settings, &Given::lenient(default), &Nowhere);
            }
        }
        settings
    }
}

impl Settings {
    /// Nothing set.
    fn blank() -> Self {
        Self {
            wsgi_app: None,
            config: None,
            bind: Vec::new(),
            backlog: 0,
            workers: 0,
            worker_class: None,
            foreign_worker: false,
            threads: 0,
            stream_request_body: false,
            request_timeout: None,
            timeout: None,
            graceful_timeout: Duration::ZERO,
            keepalive: None,
            max_requests: None,
            max_requests_jitter: 0,
            asgi_loop: AsgiLoop::Auto,
            asgi_lifespan: AsgiLifespan::Auto,
            asgi_disconnect_grace_period: Duration::ZERO,
            websocket_max_message_size: 0,
            ws_ping_interval: None,
            ws_ping_timeout: None,
            ws_compression: false,
            preload_app: false,
            chdir: PathBuf::from("/"),
            pythonpath: Vec::new(),
            raw_env: Vec::new(),
            pidfile: None,
            proc_name: None,
            user: None,
            group: None,
            umask: 0,
            errorlog: LogTarget::Standard,
            accesslog: None,
            access_log_format: String::new(),
            loglevel: LogLevel::Info,
            capture_output: false,
            limit_request_line: None,
            limit_request_fields: 0,
            limit_request_field_size: None,
            limit_request_body: None,
            client_header_timeout: Duration::ZERO,
            client_body_timeout: Duration::ZERO,
            client_min_rate: None,
            client_send_timeout: Duration::ZERO,
            keepalive_requests: None,
            worker_connections: 0,
            buffer_memory: 0,
            buffer_disk: 0,
            tmp_upload_dir: None,
            sendfile: false,
            permit_obsolete_folding: false,
            strip_header_spaces: false,
            permit_unconventional_http_method: false,
            permit_unconventional_http_version: false,
            casefold_http_method: false,
            header_map: HeaderMap::Drop,
            forwarded_allow_ips: Networks::NONE,
            secure_scheme_headers: BTreeMap::new(),
            forwarder_headers: Vec::new(),
            forwarded_client: ForwardedClient::Off,
            proxy_protocol: ProxyProtocol::Off,
            proxy_allow_ips: Networks::NONE,
            root_path: String::new(),
            reuse_port: false,
            python: None,
        }
    }
}

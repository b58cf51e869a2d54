//! What a worker does once it has booted: the reactor, the application and the kind are put together and run.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;

use crate::asgi::{self, Asgi};
use crate::boot::{self, Application, Worker};
use crate::green;
use crate::signals::{self, CONTROL};
use crate::wsgi::{WsgiApp, WsgiConfig};
use crate::{tornado, zygote};
use gunicorn::http::{Acceptance, Forwarding, Leniency, Limits};
use gunicorn::log;
use gunicorn::log::access::ExchangeLog;
use gunicorn::net::{Address, Listener};
use gunicorn::reactor::{Heartbeat, LONGEST_HEAD, Reactor, ReactorConfig};
use gunicorn::scoreboard::SlotCells;
use gunicorn::settings::{LogTarget, Settings, WorkerKind};
use gunicorn::sys::{limits, memory};
use gunicorn::worker::gthread::{self, Ended, Team};
use gunicorn::worker::{AccessLog, BROKEN, Resignation, WorkerContext, sync};

/// Keep-alive time of kinds that keep connections open unless told otherwise: gunicorn's default.
const KEEPALIVE: Duration = Duration::from_secs(2);

/// Serves until the worker is told to end.
pub(crate) fn serve(py: Python<'_>, worker: Worker) -> Ended {
    let kind = match &worker.app {
        Application::Wsgi(_, kind) => *kind,
        Application::Asgi(_) => WorkerKind::Asgi,
        Application::Tornado(app) => {
            let app = app.clone_ref(py);
            return ended(py, tornado::serve(py, worker, &app));
        }
    };
    match prepare(worker, kind) {
        Ok((app, prepared)) => prepared.serve(py, app),
        Err(error) => Ended { code: broken(&format!("cannot watch its sockets: {error}")), stuck: 0 },
    }
}

/// What a kind needs besides the application.
struct Prepared {
    reactor: Reactor,
    listeners: Vec<Address>,
    context: WorkerContext<'static>,
    team: Team,
    settings: Settings,
}

fn prepare(worker: Worker, kind: WorkerKind) -> io::Result<(Application, Prepared)> {
    let Worker { loaded, app, slot, cells, wake } = worker;
    let settings = loaded.settings;
    memory::keep_freed_memory();
    let listeners = loaded.listeners.into_iter().map(Listener::from_fd).collect::<io::Result<Vec<_>>>()?;
    let addresses = listeners.iter().map(Listener::local_address).collect::<io::Result<Vec<Address>>>()?;
    let mut reactor = Reactor::new(listeners, reactor_config(&settings, kind, cells)?)?;
    reactor.share_listeners(loaded.baton)?;
    let context = context(&settings, worker_timeout(&settings, kind), cells, loaded.ready, slot);
    let threads = usize::try_from(settings.threads).unwrap_or(usize::MAX);
    let team = Team { threads, request_timeout: settings.request_timeout, slot, signals: wake, parent: loaded.alive };
    Ok((app, Prepared { reactor, listeners: addresses, context, team, settings }))
}

/// What every kind is told of its worker; `ready` is the pipe on which the worker speaks to the master.
pub(crate) fn context(
    settings: &Settings,
    timeout: Option<Duration>,
    cells: &'static SlotCells,
    ready: OwnedFd,
    slot: u32,
) -> WorkerContext<'static> {
    WorkerContext {
        control: &CONTROL,
        slot: cells,
        timeout,
        graceful_timeout: settings.graceful_timeout,
        max_requests: settings.max_requests,
        max_requests_jitter: settings.max_requests_jitter,
        // As long as the process lives.
        resignation: Some(Box::leak(Box::new(Resignation::new(ready, slot)))),
        access_log: ExchangeLog::opened().map(|log| Box::new(log) as Box<dyn AccessLog>),
    }
}

impl Prepared {
    fn serve(self, py: Python<'_>, app: Application) -> Ended {
        let served = match app {
            Application::Wsgi(app, WorkerKind::Gthread) => return self.serve_on_threads(py, app),
            Application::Wsgi(app, kind) if kind.is_green() => self.serve_in_greenlets(py, app, kind),
            Application::Wsgi(app, _) => self.serve_in_turn(py, app),
            Application::Asgi(app) => return self.serve_on_loop(py, app),
            Application::Tornado(_) => Err("the tornado kind has no reactor".to_owned()),
        };
        Ended { code: served.unwrap_or_else(|why| broken(&why)), stuck: 0 }
    }

    fn serve_on_threads(self, py: Python<'_>, app: Py<PyAny>) -> Ended {
        match self.wsgi(py, app, true) {
            Ok(app) => gthread::run(Arc::new(app), self.reactor, self.context, self.team),
            Err(why) => Ended { code: broken(&why), stuck: 0 },
        }
    }

    fn serve_in_turn(mut self, py: Python<'_>, app: Py<PyAny>) -> Result<i32, String> {
        let app = self.wsgi(py, app, false)?;
        self.reactor = watched(self.reactor, self.team)?;
        Ok(sync::run(&app, self.reactor, self.context))
    }

    fn serve_on_loop(self, py: Python<'_>, app: Asgi) -> Ended {
        match watched(self.reactor, self.team) {
            Ok(reactor) => ended(py, asgi::run(py, app, reactor, &self.listeners, self.context, &self.settings)),
            Err(why) => Ended { code: broken(&why), stuck: 0 },
        }
    }

    fn serve_in_greenlets(self, py: Python<'_>, app: Py<PyAny>, kind: WorkerKind) -> Result<i32, String> {
        let config = self.wsgi_config(true);
        let reactor = watched(self.reactor, self.team)?;
        Ok(green::run(py, app, kind, &config, reactor, self.context, self.settings.client_send_timeout))
    }

    fn wsgi(&self, py: Python<'_>, app: Py<PyAny>, multithread: bool) -> Result<WsgiApp, String> {
        WsgiApp::new(py, app, &self.wsgi_config(multithread), None).map_err(|error| zygote::traceback(py, &error))
    }

    fn wsgi_config(&self, multithread: bool) -> WsgiConfig {
        WsgiConfig {
            multiprocess: self.settings.workers > 1,
            multithread,
            errors_to_log: self.settings.errorlog != LogTarget::Standard,
            sendfile: self.settings.sendfile,
            root_path: self.settings.root_path.clone(),
            listeners: self.listeners.clone(),
        }
    }
}

/// The end of a worker whose loop may have left something to threads: where the end is to be quick it waits for none.
fn ended(py: Python<'_>, code: i32) -> Ended {
    Ended { code, stuck: if signals::is_hurried() { boot::busy_threads(py) } else { 0 } }
}

/// A reactor that is told of signals and of the parent's end.
fn watched(mut reactor: Reactor, team: Team) -> Result<Reactor, String> {
    let watched = reactor.watch_signals(team.signals).and_then(|()| reactor.watch_parent(team.parent));
    watched.map(|()| reactor).map_err(|error| format!("cannot watch its pipes: {error}"))
}

/// In the sync kind a request and its worker are one: whichever time is shorter counts.
fn worker_timeout(settings: &Settings, kind: WorkerKind) -> Option<Duration> {
    let request_timeout = settings.request_timeout.filter(|_| kind == WorkerKind::Sync);
    [settings.timeout, request_timeout].into_iter().flatten().min()
}

fn reactor_config(settings: &Settings, kind: WorkerKind, cells: &'static SlotCells) -> io::Result<ReactorConfig> {
    let is_sync = kind == WorkerKind::Sync;
    // Where requests have threads or tasks of their own, none of them is the worker's delay.
    let timeout = worker_timeout(settings, kind).filter(|_| is_sync);
    let heartbeat = timeout.map(|timeout| Heartbeat { slot: cells, timeout });
    let defaults = ReactorConfig::default();
    Ok(ReactorConfig {
        acceptance: acceptance(settings),
        forwarding: forwarding(settings),
        proxy_protocol: settings.proxy_protocol,
        proxy_allowed: settings.proxy_allow_ips.clone(),
        keepalive: settings.keepalive.or((!is_sync).then_some(KEEPALIVE)),
        keepalive_requests: settings.keepalive_requests,
        head_timeout: settings.client_header_timeout,
        body_timeout: settings.client_body_timeout,
        min_rate: settings.client_min_rate,
        waits: kind != WorkerKind::Asgi && !kind.is_green(),
        streams_bodies: kind == WorkerKind::Asgi || settings.stream_request_body && !is_sync,
        write_timeout: settings.client_send_timeout,
        max_connections: ReactorConfig::connections_within(limits::open_files()?).min(settings.worker_connections),
        temp_dir: settings.tmp_upload_dir.clone().unwrap_or(defaults.temp_dir),
        buffer_memory: settings.buffer_memory,
        buffer_disk: settings.buffer_disk,
        heartbeat,
    })
}

fn acceptance(settings: &Settings) -> Acceptance {
    let (line, field_size) = (settings.limit_request_line, settings.limit_request_field_size);
    let mut limits = Limits::of_head(line, settings.limit_request_fields, field_size, LONGEST_HEAD);
    limits.body = settings.limit_request_body;
    let leniency = Leniency {
        obsolete_folding: settings.permit_obsolete_folding,
        header_spaces: settings.strip_header_spaces,
        unconventional_method: settings.permit_unconventional_http_method,
        unconventional_version: settings.permit_unconventional_http_version,
        casefold_method: settings.casefold_http_method,
    };
    Acceptance { limits, leniency }
}

fn forwarding(settings: &Settings) -> Forwarding {
    let schemes = settings.secure_scheme_headers.iter();
    Forwarding::new(settings.forwarded_allow_ips.clone())
        .secure_scheme_headers(schemes.map(|(name, secure)| (name.as_str(), secure.as_str())))
        .forwarder_headers(settings.forwarder_headers.iter().map(String::as_str))
        .header_map(settings.header_map)
        .client(settings.forwarded_client)
}

fn broken(why: &str) -> i32 {
    log::critical!("Worker {}", why.trim_end());
    BROKEN
}

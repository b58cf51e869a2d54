//! What a worker does once it has booted: the reactor, the application and the kind are put together and run.

use std::io;

use pyo3::prelude::*;

use crate::boot::Worker;
use crate::signals::CONTROL;
use crate::wsgi::{WsgiApp, WsgiConfig};
use crate::zygote;
use gunicorn::http::{Acceptance, Forwarding, Leniency, Limits};
use gunicorn::log;
use gunicorn::log::access::ExchangeLog;
use gunicorn::net::{Address, Listener};
use gunicorn::reactor::{Heartbeat, LONGEST_HEAD, Reactor, ReactorConfig};
use gunicorn::scoreboard::SlotCells;
use gunicorn::settings::{LogTarget, Settings};
use gunicorn::sys::{limits, memory};
use gunicorn::worker::{AccessLog, BROKEN, Resignation, WorkerContext, sync};

/// Serves until the worker is told to end; gives the exit code.
pub(crate) fn serve(py: Python<'_>, worker: Worker) -> i32 {
    let Worker { loaded, app, slot, cells, wake } = worker;
    let settings = loaded.settings;
    memory::keep_freed_memory();
    let reactor =
        loaded.listeners.into_iter().map(Listener::from_fd).collect::<io::Result<Vec<_>>>().and_then(|listeners| {
            let addresses = listeners.iter().map(Listener::local_address).collect::<io::Result<Vec<Address>>>()?;
            let mut reactor = Reactor::new(listeners, reactor_config(&settings, cells)?)?;
            reactor.share_listeners(loaded.baton)?;
            reactor.watch_signals(wake)?;
            reactor.watch_parent(loaded.alive)?;
            Ok((reactor, addresses))
        });
    let (reactor, listeners) = match reactor {
        Ok(made) => made,
        Err(error) => return broken(&format!("cannot watch its sockets: {error}")),
    };
    let config = WsgiConfig {
        multiprocess: settings.workers > 1,
        multithread: false,
        errors_to_log: settings.errorlog != LogTarget::Standard,
        sendfile: settings.sendfile,
        root_path: settings.root_path.clone(),
        listeners,
    };
    let app = match WsgiApp::new(py, app, &config) {
        Ok(app) => app,
        Err(error) => return broken(&zygote::traceback(py, &error)),
    };
    let resignation = Resignation::new(loaded.ready, slot);
    let context = WorkerContext {
        control: &CONTROL,
        slot: cells,
        timeout: settings.timeout,
        graceful_timeout: settings.graceful_timeout,
        max_requests: settings.max_requests,
        max_requests_jitter: settings.max_requests_jitter,
        resignation: Some(&resignation),
        access_log: ExchangeLog::opened().map(|log| Box::new(log) as Box<dyn AccessLog>),
    };
    sync::run(&app, reactor, context)
}

fn reactor_config(settings: &Settings, cells: &'static SlotCells) -> io::Result<ReactorConfig> {
    let heartbeat = settings.timeout.map(|timeout| Heartbeat { slot: cells, timeout });
    let defaults = ReactorConfig::default();
    // A client that takes nothing is to be given up before the master gives up the worker.
    let write_timeout = settings.client_send_timeout;
    let write_timeout = settings.timeout.map_or(write_timeout, |timeout| write_timeout.min(timeout / 2));
    Ok(ReactorConfig {
        acceptance: acceptance(settings),
        forwarding: forwarding(settings),
        proxy_protocol: settings.proxy_protocol,
        proxy_allowed: settings.proxy_allow_ips.clone(),
        keepalive: settings.keepalive,
        keepalive_requests: settings.keepalive_requests,
        head_timeout: settings.client_header_timeout,
        body_timeout: settings.client_body_timeout,
        body_min_rate: settings.client_body_min_rate,
        write_timeout,
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

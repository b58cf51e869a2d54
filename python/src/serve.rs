//! What a worker does once it has booted: the reactor, the application and the kind are put together and run.

use std::io;

use pyo3::prelude::*;

use crate::boot::Worker;
use crate::signals::CONTROL;
use crate::wsgi::{WsgiApp, WsgiConfig};
use crate::zygote;
use gunicorn::http::Limits;
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
    let (line, field_size) = (settings.limit_request_line, settings.limit_request_field_size);
    let heartbeat = settings.timeout.map(|timeout| Heartbeat { slot: cells, timeout });
    let defaults = ReactorConfig::default();
    // A client that takes nothing is to be given up before the master gives up the worker.
    let write_timeout =
        settings.timeout.map_or(defaults.write_timeout, |timeout| defaults.write_timeout.min(timeout / 2));
    Ok(ReactorConfig {
        acceptance: Limits::of_head(line, settings.limit_request_fields, field_size, LONGEST_HEAD).into(),
        keepalive: settings.keepalive,
        write_timeout,
        max_connections: ReactorConfig::connections_within(limits::open_files()?),
        heartbeat,
        ..defaults
    })
}

fn broken(why: &str) -> i32 {
    log::critical!("Worker {}", why.trim_end());
    BROKEN
}

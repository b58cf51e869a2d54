//! What a worker of the asgi kind does: before it is ready, and then.

use std::time::Duration;

use gunicorn::http::ws;
use gunicorn::net::Address;
use gunicorn::reactor::Reactor;
use gunicorn::settings::{AsgiLifespan, AsgiLoop, Settings};
use gunicorn::worker::{BROKEN, WorkerContext};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::engine::{Engine, Terms};
use super::scope::Scopes;
use crate::glue::{APPS, ASGI};
use crate::guest::Guest;
use crate::zygote;
use gunicorn::log;

/// How long the client of a WebSocket has to answer a Close, as in gunicorn.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What requests that do not end leave of `graceful_timeout` to the shut-down of the lifespan.
const LIFESPAN_RESERVE: Duration = Duration::from_secs(2);

/// An application that has started up, on its loop.
pub(crate) struct Asgi {
    app: Py<PyAny>,
    event_loop: Py<PyAny>,
    lifespan: Py<PyAny>,
    log: Py<PyAny>,
}

/// Whether the application is an async callable.
///
/// # Errors
/// Whatever looking at it raises.
pub(crate) fn is_async(py: Python<'_>, app: &Py<PyAny>) -> PyResult<bool> {
    APPS.module(py)?.call_method1("is_async", (app,))?.extract()
}

/// What the operator is to read of an error of [`set_up`].
pub(crate) fn explain(py: Python<'_>, error: &PyErr) -> String {
    let explain = || ASGI.module(py)?.call_method1("explain", (error.value(py),))?.extract();
    explain().unwrap_or_else(|_: PyErr| zygote::traceback(py, error))
}

/// Makes the loop, and has the application start up.
///
/// # Errors
/// The loop cannot be made, or the application says that it cannot start.
pub(crate) fn set_up(py: Python<'_>, app: Py<PyAny>, settings: &Settings) -> PyResult<Asgi> {
    let module = ASGI.module(py)?;
    let kind = match settings.asgi_loop {
        AsgiLoop::Auto => "auto",
        AsgiLoop::Asyncio => "asyncio",
        AsgiLoop::Uvloop => "uvloop",
    };
    let mode = match settings.asgi_lifespan {
        AsgiLifespan::Auto => "auto",
        AsgiLifespan::On => "on",
        AsgiLifespan::Off => "off",
    };
    let event_loop = module.call_method1("make_loop", (kind,))?;
    let log = py.import("logging")?.call_method1("getLogger", ("gunicorn.error",))?;
    let lifespan = module.call_method1("Lifespan", (&app, &event_loop, mode, &log))?;
    lifespan.call_method0("start_up")?;
    Ok(Asgi { app, event_loop: event_loop.unbind(), lifespan: lifespan.unbind(), log: log.unbind() })
}

/// Serves until the worker is told to end; gives the exit code.
pub(crate) fn run(
    py: Python<'_>,
    asgi: Asgi,
    reactor: Reactor,
    listeners: &[Address],
    context: WorkerContext<'static>,
    settings: &Settings,
) -> i32 {
    match try_run(py, asgi, reactor, listeners, context, settings) {
        Ok(code) => code,
        Err(error) if error.is_instance_of::<pyo3::exceptions::PySystemExit>(py) => 0,
        Err(error) => {
            log::critical!("Worker {}", zygote::traceback(py, &error).trim_end());
            BROKEN
        }
    }
}

fn try_run(
    py: Python<'_>,
    asgi: Asgi,
    reactor: Reactor,
    listeners: &[Address],
    context: WorkerContext<'static>,
    settings: &Settings,
) -> PyResult<i32> {
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&reactor);
    let terms = Terms {
        graceful_timeout: context.graceful_timeout,
        write_timeout: settings.client_send_timeout,
        disconnect_grace: settings.asgi_disconnect_grace_period,
        websocket: ws::Options {
            max_message_size: settings.websocket_max_message_size,
            ping_interval: settings.ws_ping_interval,
            ping_timeout: settings.ws_ping_timeout,
            close_timeout: CLOSE_TIMEOUT,
        },
        deflate: settings.ws_compression.then(ws::DeflateOptions::default),
    };
    let guest = Guest::new(reactor, context, LIFESPAN_RESERVE);
    let Asgi { app, event_loop, lifespan, log } = asgi;
    let state: Py<PyDict> = lifespan.getattr(py, "state")?.extract(py)?;
    let scopes = Scopes::new(py, listeners, &settings.root_path, state)?;
    let engine = Bound::new(py, Engine::new(py, guest, scopes, terms)?)?;
    let runner = ASGI.module(py)?.call_method1("Runner", (app, &event_loop, &engine, lifespan, &log))?;
    Engine::join(&engine, event_loop.bind(py), &runner)?;
    let served = runner.call_method1("serve", (descriptor,));
    engine.get().finish();
    served.map(|_| engine.get().exit_code())
}

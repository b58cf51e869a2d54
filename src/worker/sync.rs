//! The sync kind: one request at a time, on the thread that polls.

use std::io;

use super::lifecycle::{Course, Lifecycle};
use super::{BROKEN, WorkerContext};
use crate::app::App;
use crate::log;
use crate::reactor::{Exchange, Reactor, Woken};
use crate::sys::clock;

/// Serves until the worker is to end; gives the exit code.
pub fn run(app: &dyn App, mut reactor: Reactor, mut context: WorkerContext<'_>) -> i32 {
    let (requests, jitter) = (context.max_requests, context.max_requests_jitter);
    let mut lifecycle = Lifecycle::new(context.control, context.graceful_timeout, requests, jitter);
    loop {
        if let Course::Exit(code) = lifecycle.course(&mut reactor) {
            return code;
        }
        while let Some(exchange) = reactor.next_exchange() {
            serve(app, &mut reactor, exchange, &mut lifecycle, &mut context);
            if let Course::Exit(code) = lifecycle.course(&mut reactor) {
                return code;
            }
        }
        match wait(app, &mut reactor, &lifecycle) {
            Ok(woken) => lifecycle.note(woken),
            Err(error) => {
                log::critical!("The worker cannot wait for its clients: {error}");
                return BROKEN;
            }
        }
        (0..reactor.take_accepted()).for_each(|_| context.slot.count_connection());
        if !app.check_signals() {
            return 0;
        }
        reopen_logs(&mut context);
    }
}

/// A client is done in three steps: read (the reactor has done it), call, write (what is left to the reactor).
fn serve(
    app: &dyn App,
    reactor: &mut Reactor,
    mut exchange: Box<Exchange>,
    lifecycle: &mut Lifecycle<'_>,
    context: &mut WorkerContext<'_>,
) {
    if lifecycle.count_request() {
        exchange.close_after();
    }
    let began = clock::now();
    context.slot.begin_request(began, context.timeout, exchange.head().method(), exchange.head().target());
    let exchange = app.call(exchange);
    context.slot.end_request(exchange.sent().1);
    if let Some(log) = &mut context.access_log {
        log.log(&exchange, clock::now() - began);
    }
    reactor.complete(exchange);
}

/// One turn of the reactor, while the application's other threads may run.
fn wait(app: &dyn App, reactor: &mut Reactor, lifecycle: &Lifecycle<'_>) -> io::Result<Woken> {
    let mut woken = Ok(Woken::default());
    app.wait(&mut || woken = reactor.turn(lifecycle.wait_time()));
    woken
}

fn reopen_logs(context: &mut WorkerContext<'_>) {
    if !context.control.take_reopen() {
        return;
    }
    if let Err(error) = log::error::reopen() {
        log::error!("{error}");
    }
    if let Some(log) = &mut context.access_log {
        log.reopen();
    }
}

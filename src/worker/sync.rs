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
    let mut lifecycle = Lifecycle::new(&context);
    let code = turn_until_the_end(app, &mut reactor, &mut lifecycle, &mut context);
    lifecycle.finish();
    code
}

fn turn_until_the_end(
    app: &dyn App,
    reactor: &mut Reactor,
    lifecycle: &mut Lifecycle<'_>,
    context: &mut WorkerContext<'_>,
) -> i32 {
    loop {
        if let Course::Exit(code) = lifecycle.course(reactor) {
            return code;
        }
        while let Some(exchange) = reactor.next_exchange() {
            serve(app, reactor, exchange, lifecycle, context);
            if let Course::Exit(code) = lifecycle.course(reactor) {
                return code;
            }
        }
        match wait(app, reactor, lifecycle) {
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
        if context.control.take_reopen() {
            log::reopen();
        }
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
    let lane = context.slot.lane(0);
    lane.iter().for_each(|lane| lane.begin_request(began, exchange.head().method(), exchange.head().target()));
    context.slot.set_deadline(context.timeout.map(|timeout| began + timeout));
    let exchange = app.call(exchange);
    // The deadline stays until the loop, which has yet to write the answer, sets the next one.
    lane.iter().for_each(|lane| lane.end_request(exchange.sent().1));
    if let Some(log) = &context.access_log {
        log.log(&exchange, clock::now() - began);
    }
    reactor.complete(exchange);
}

/// One turn of the reactor, while the application's other threads may run.
fn wait(app: &dyn App, reactor: &mut Reactor, lifecycle: &Lifecycle<'_>) -> io::Result<Woken> {
    let mut woken = Ok(Woken::default());
    let longest = lifecycle.rest();
    app.wait(&mut || woken = reactor.turn(longest));
    woken
}

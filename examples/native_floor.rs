//! Hello world by a native application: what a request costs before any Python is run.
//!
//! `cargo run --release --example native_floor -- 127.0.0.1:8000 [--close]`, then measure with any load generator.

use std::error::Error;
use std::net::TcpListener;
use std::time::Duration;

use gunicorn::app::App;
use gunicorn::net::Listener;
use gunicorn::reactor::{Exchange, Reactor, ReactorConfig, ResponseError, ResponseHead};
use gunicorn::scoreboard::SlotCells;
use gunicorn::worker::control::Control;
use gunicorn::worker::{WorkerContext, sync};

struct Hello;

impl Hello {
    fn answer(exchange: &mut Exchange) -> Result<(), ResponseError> {
        let fields = [(&b"Content-Type"[..], &b"text/plain"[..])];
        exchange.start(&ResponseHead { status: 200, reason: b"OK", fields: &fields }, Some(13))?;
        exchange.write(b"Hello, world!")?;
        exchange.finish()
    }
}

impl App for Hello {
    fn call(&self, mut exchange: Box<Exchange>) -> Box<Exchange> {
        if Self::answer(&mut exchange).is_err() {
            exchange.abort();
        }
        exchange
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let address = arguments.first().map_or("127.0.0.1:0", String::as_str);
    let keepalive = (!arguments.iter().any(|argument| argument == "--close")).then_some(Duration::from_secs(5));
    let listener = TcpListener::bind(address)?;
    println!("pid {}, listening at http://{}", std::process::id(), listener.local_addr()?);
    let config = ReactorConfig { keepalive, ..ReactorConfig::default() };
    let reactor = Reactor::new(vec![Listener::from_fd(listener.into())?], config)?;
    let context = WorkerContext {
        control: &Control::new(),
        slot: &SlotCells::default(),
        timeout: Some(Duration::from_secs(30)),
        graceful_timeout: Duration::from_secs(30),
        max_requests: None,
        max_requests_jitter: 0,
        resignation: None,
        access_log: None,
    };
    std::process::exit(sync::run(&Hello, reactor, context));
}

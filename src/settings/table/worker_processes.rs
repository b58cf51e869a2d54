//! The pool of workers.

use std::time::Duration;

use super::super::bounds::Bounds;
use super::super::field::{Field, Refusal};
use super::super::narrow::{number, seconds, unless_zero};
use super::super::setting::{Flags, Reload, Section, Setting, Variable, unless_empty};
use super::super::worker_kind;

/// The most workers: more would not help any machine, and each has a slot in the scoreboard.
const MAX_WORKERS: u64 = 2048;

/// The most threads of a worker: each has a stack, and the interpreter runs one at a time.
const MAX_THREADS: u64 = 4096;

pub(super) const ROWS: &[Setting] = &[
    Setting {
        name: "workers",
        section: Section::WorkerProcesses,
        flags: Flags::short('w', &["workers"], "INT"),
        field: Field::Number {
            bounds: Bounds::up_to(MAX_WORKERS),
            get: |settings| Some(settings.workers.into()),
            set: |settings, value| settings.workers = number(value),
        },
        default: Some("1"),
        variable: Some(Variable { name: "WEB_CONCURRENCY", read: unless_empty }),
        reload: Reload::Live,
        doc: "The number of workers.

Two to four for each core is a good start. The signals TTIN and TTOU change it while the server runs.",
    },
    Setting {
        name: "worker_class",
        section: Section::WorkerProcesses,
        flags: Flags::short('k', &["worker-class"], "KIND"),
        field: Field::Text {
            allowed: worker_kind::ALLOWED,
            get: |settings| Some(settings.worker_class.as_deref().unwrap_or(worker_kind::DEFAULT).to_owned()),
            set: |settings, value, _| {
                settings.worker_class = Some(worker_kind::parse(value.ok_or(Refusal::PLAIN)?)?.to_owned());
                Ok(())
            },
        },
        default: None,
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The kind of worker.

`sync` handles one request at a time, `gthread` as many as it has `threads`. `asgi` is for applications that are async
callables, and handles all of its connections at a time, WebSockets among them. `gevent` and `eventlet` handle all of
theirs at a time, too, each request in a greenlet of that library, which is to be installed beside the application; the
standard library is monkey-patched before the application is imported. `tornado` serves an application of tornado, or
one for WSGI, by tornado's own server.

A class that was written for gunicorn runs as it is, with the package gunicorn that is installed beside it: it is named
with its module (`package.module.Class`) or by its entry point (`egg:package#name`), or it is an object of the Python
config. It must derive from `gunicorn.workers.base.Worker`.

When it is not set, an async callable gets `asgi`, and any other application `sync`. The names of the classes
`UvicornWorker` and `UvicornH11Worker` of `uvicorn.workers` and `uvicorn_worker` mean `asgi`, too, unless
`foreign_worker` is set.",
    },
    Setting {
        name: "foreign_worker",
        section: Section::WorkerProcesses,
        flags: Flags::long(&["foreign-worker"], ""),
        field: Field::Switch {
            get: |settings| settings.foreign_worker,
            set: |settings, value| settings.foreign_worker = value,
        },
        default: Some("false"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "Run the class that `worker_class` names itself.

That is where gunicorn-rs would serve in its place: the classes of uvicorn. It has no effect on any other.",
    },
    Setting {
        name: "threads",
        section: Section::WorkerProcesses,
        flags: Flags::long(&["threads"], "INT"),
        field: Field::Number {
            bounds: Bounds::up_to(MAX_THREADS).at_least(1, "without a thread no request would be handled"),
            get: |settings| Some(settings.threads.into()),
            set: |settings, value| settings.threads = number(value),
        },
        default: Some("1"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The most requests that one worker handles at a time.

Each is handled by a thread; a thread is only started when it is needed. With more than one the kind is `gthread` where
it would be `sync`. It has no effect on the kinds `asgi` and `tornado`.",
    },
    Setting {
        name: "stream_request_body",
        section: Section::WorkerProcesses,
        flags: Flags::long(&["stream-request-body"], ""),
        field: Field::Switch {
            get: |settings| settings.stream_request_body,
            set: |settings, value| settings.stream_request_body = value,
        },
        default: Some("false"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "Enter the application before a long request body is complete.

It then reads the body while it arrives, and a slow client holds its thread or greenlet, within the client's times.
Otherwise, and always in the sync kind, the application is entered when the whole body is here, and a slow client holds
nobody.",
    },
    Setting {
        name: "request_timeout",
        section: Section::WorkerProcesses,
        flags: Flags::long(&["request-timeout"], "SECONDS"),
        field: Field::Number {
            bounds: Bounds::SECONDS,
            get: |settings| Some(settings.request_timeout.map_or(0, |time| time.as_secs())),
            set: |settings, value| settings.request_timeout = seconds(value),
        },
        default: Some("0"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "Seconds that one request may take.

A request that takes longer is logged with the Python stack that it is in, and its worker is replaced: it takes no new
requests, and has `graceful_timeout` for the others once its successor serves. For the sync kind it is one clock with
`timeout`, of which the shorter one counts. The kinds with a loop (asgi, gevent, eventlet) do not look at it: a request
that waits there holds nobody. With 0 a request may take any time.",
    },
    Setting {
        name: "worker_connections",
        section: Section::WorkerProcesses,
        flags: Flags::long(&["worker-connections"], "INT"),
        field: Field::Number {
            bounds: Bounds::up_to(i32::MAX as u64).at_least(1, "with 0 nobody would be served"),
            get: |settings| Some(settings.worker_connections as u64),
            set: |settings, value| settings.worker_connections = number(value),
        },
        default: Some("1000"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The most connections that one worker holds.

When there are more, the one that has been idle for the longest time gives way.",
    },
    Setting {
        name: "max_requests",
        section: Section::WorkerProcesses,
        flags: Flags::long(&["max-requests"], "INT"),
        field: Field::Number {
            bounds: Bounds::COUNT,
            get: |settings| Some(settings.max_requests.unwrap_or(0)),
            set: |settings, value| settings.max_requests = unless_zero(value),
        },
        default: Some("0"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "Requests after which a worker is replaced.

It bounds the harm that an application's memory leak can do. The worker serves until its successor is ready, so that it
may answer some more. With 0 no worker is replaced for it.",
    },
    Setting {
        name: "max_requests_jitter",
        section: Section::WorkerProcesses,
        flags: Flags::long(&["max-requests-jitter"], "INT"),
        field: Field::Number {
            bounds: Bounds::COUNT,
            get: |settings| Some(settings.max_requests_jitter),
            set: |settings, value| settings.max_requests_jitter = value,
        },
        default: Some("0"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The most requests added at random to `max_requests`.

Each worker draws its own number from 0 to this, so that the workers are not all replaced at the same time.",
    },
    Setting {
        name: "timeout",
        section: Section::WorkerProcesses,
        flags: Flags::short('t', &["timeout"], "SECONDS"),
        field: Field::Number {
            bounds: Bounds::SECONDS,
            get: |settings| Some(settings.timeout.map_or(0, |time| time.as_secs())),
            set: |settings, value| settings.timeout = seconds(value),
        },
        default: Some("30"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "Seconds after which a silent worker is replaced.

It is killed. A sync worker is silent while the application handles a request; one with threads only while nobody can
have its interpreter, so that a request may take longer there (see `request_timeout`). An idle worker is never late.
With 0 no worker is killed.",
    },
    Setting {
        name: "graceful_timeout",
        section: Section::WorkerProcesses,
        flags: Flags::long(&["graceful-timeout"], "SECONDS"),
        field: Field::Number {
            bounds: Bounds::SECONDS,
            get: |settings| Some(settings.graceful_timeout.as_secs()),
            set: |settings, value| settings.graceful_timeout = Duration::from_secs(value),
        },
        default: Some("30"),
        variable: None,
        reload: Reload::Live,
        doc: "Seconds that a stopping worker has to finish.

A worker that still handles requests after them is killed.",
    },
    Setting {
        name: "keepalive",
        section: Section::WorkerProcesses,
        // The second must not be taken for an abbreviation of `--keepalive-requests`.
        flags: Flags::long(&["keep-alive", "keepalive"], "SECONDS"),
        field: Field::Number {
            bounds: Bounds::SECONDS,
            get: |settings| settings.keepalive.map(|time| time.as_secs()),
            set: |settings, value| settings.keepalive = Some(Duration::from_secs(value)),
        },
        default: None,
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "Seconds to wait for the next request on a connection.

When it is not set, the sync kind closes each connection after the response, as gunicorn's does. With 0 connections are
always closed.",
    },
    Setting {
        name: "keepalive_requests",
        section: Section::WorkerProcesses,
        flags: Flags::long(&["keepalive-requests"], "INT"),
        field: Field::Number {
            bounds: Bounds::COUNT,
            get: |settings| Some(settings.keepalive_requests.unwrap_or(0)),
            set: |settings, value| settings.keepalive_requests = unless_zero(value),
        },
        default: Some("10000"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The most requests of one connection.

It is closed after the response to the last of them. With 0 there is no bound.",
    },
];

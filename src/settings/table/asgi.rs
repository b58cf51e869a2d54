//! What concerns async applications, and their WebSockets.

use std::time::Duration;

use super::super::bounds::Bounds;
use super::super::choice::{self, ASGI_LIFESPANS, ASGI_LOOPS};
use super::super::field::Field;
use super::super::narrow::{number, seconds};
use super::super::setting::{Flags, Reload, Section, Setting};

pub(super) const ROWS: &[Setting] = &[
    Setting {
        name: "asgi_loop",
        section: Section::WorkerProcesses,
        flags: Flags::long(&["asgi-loop"], "LOOP"),
        field: Field::Choice {
            allowed: "auto, asyncio or uvloop",
            get: |settings| choice::name(ASGI_LOOPS, &settings.asgi_loop),
            set: |settings, word| {
                settings.asgi_loop = choice::meaning(ASGI_LOOPS, word)?;
                Ok(())
            },
        },
        default: Some("auto"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The event loop of the asgi kind.

`auto` is uvloop where the application's environment has it, and asyncio elsewhere.",
    },
    Setting {
        name: "asgi_lifespan",
        section: Section::WorkerProcesses,
        flags: Flags::long(&["asgi-lifespan"], "MODE"),
        field: Field::Choice {
            allowed: "auto, on or off",
            get: |settings| choice::name(ASGI_LIFESPANS, &settings.asgi_lifespan),
            set: |settings, word| {
                settings.asgi_lifespan = choice::meaning(ASGI_LIFESPANS, word)?;
                Ok(())
            },
        },
        default: Some("auto"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "Whether the application is told of start-up and shut-down (asgi).

With `on` an application that does not understand it is not served; with `auto` it is served without. Either way one
that reports a failed start-up is not served.",
    },
    Setting {
        name: "asgi_disconnect_grace_period",
        section: Section::WorkerProcesses,
        flags: Flags::long(&["asgi-disconnect-grace-period"], "SECONDS"),
        field: Field::Number {
            bounds: Bounds::SECONDS,
            get: |settings| Some(settings.asgi_disconnect_grace_period.as_secs()),
            set: |settings, value| settings.asgi_disconnect_grace_period = Duration::from_secs(value),
        },
        default: Some("3"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "Seconds that a request may go on when its client has gone (asgi).

The application is told at once, and its task is cancelled after them. With 0 it is cancelled at once, even where it
holds a connection of a database.",
    },
    Setting {
        name: "websocket_max_message_size",
        section: Section::WorkerProcesses,
        flags: Flags::long(&["websocket-max-message-size"], "BYTES"),
        field: Field::Number {
            bounds: Bounds::COUNT.at_least(1, "with no bound one client could fill the memory"),
            get: |settings| Some(settings.websocket_max_message_size as u64),
            set: |settings, value| settings.websocket_max_message_size = number(value),
        },
        default: Some("16777216"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The longest WebSocket message of a client, in bytes.

It counts when it is decompressed. A message is in memory until its last frame is here; a longer one closes the
connection with 1009. The messages of all clients share `buffer_memory`.",
    },
    Setting {
        name: "ws_ping_interval",
        section: Section::WorkerProcesses,
        flags: Flags::long(&["ws-ping-interval"], "SECONDS"),
        field: Field::Number {
            bounds: Bounds::SECONDS,
            get: |settings| Some(settings.ws_ping_interval.map_or(0, |time| time.as_secs())),
            set: |settings, value| settings.ws_ping_interval = seconds(value),
        },
        default: Some("20"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "Seconds after which a silent WebSocket client is pinged.

With 0 none is, and one that vanished without a word is only noticed when something is sent to it.",
    },
    Setting {
        name: "ws_ping_timeout",
        section: Section::WorkerProcesses,
        flags: Flags::long(&["ws-ping-timeout"], "SECONDS"),
        field: Field::Number {
            bounds: Bounds::SECONDS,
            get: |settings| Some(settings.ws_ping_timeout.map_or(0, |time| time.as_secs())),
            set: |settings, value| settings.ws_ping_timeout = seconds(value),
        },
        default: Some("20"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "Seconds that a WebSocket client has to answer a ping.

The connection of one that does not is closed. With 0 it may take any time.",
    },
    Setting {
        name: "ws_compression",
        section: Section::WorkerProcesses,
        flags: Flags::long(&["no-ws-compression"], "").alone("false"),
        field: Field::Switch {
            get: |settings| settings.ws_compression,
            set: |settings, value| settings.ws_compression = value,
        },
        default: Some("true"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "Whether WebSocket messages may be compressed; the flag turns that off.

They are (permessage-deflate, RFC 7692) for clients that offer it. It costs time, and memory for each connection.",
    },
];

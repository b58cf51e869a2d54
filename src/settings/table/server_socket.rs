//! The listening sockets.

use super::super::bind;
use super::super::bounds::Bounds;
use super::super::field::Field;
use super::super::narrow::number;
use super::super::setting::{Flags, Reload, Section, Setting, Variable, unless_empty};

pub(super) const ROWS: &[Setting] = &[
    Setting {
        name: "bind",
        section: Section::ServerSocket,
        flags: Flags::short('b', &["bind"], "ADDRESS"),
        field: Field::List {
            allowed: bind::ALLOWED,
            repeated: true,
            get: |settings| settings.bind.iter().map(ToString::to_string).collect(),
            set: |settings, texts| {
                let addresses: Vec<Vec<_>> =
                    texts.iter().map(|text| bind::parse_all(text)).collect::<Result<_, _>>()?;
                settings.bind = addresses.concat();
                Ok(())
            },
        },
        default: Some("127.0.0.1:8000"),
        variable: Some(Variable {
            name: "PORT",
            read: |port| unless_empty(port).map(|port| format!("0.0.0.0:{port}")),
        }),
        reload: Reload::Rebind,
        doc: "Address to listen on; may be repeated.

`HOST`, `HOST:PORT`, `[IPV6]:PORT`, `unix:PATH`, or `fd://FD` for a socket that is open already. The port is 8000 when
none is given; port 0 lets the kernel choose. Several addresses may also stand in one value, separated by commas.",
    },
    Setting {
        name: "backlog",
        section: Section::ServerSocket,
        flags: Flags::long(&["backlog"], "INT"),
        field: Field::Number {
            // listen(2) takes an int.
            bounds: Bounds::up_to(i32::MAX as u64),
            get: |settings| Some(settings.backlog.into()),
            set: |settings, value| settings.backlog = number(value),
        },
        default: Some("2048"),
        variable: None,
        reload: Reload::Rebind,
        doc: "The most connections that may wait to be accepted.

The kernel turns away what comes beyond it, and never lets it exceed `net.core.somaxconn`.",
    },
];

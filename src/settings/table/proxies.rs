//! The environment of the processes: proxies in front, and what they are believed.

use std::collections::BTreeMap;

use super::super::Settings;
use super::super::choice::{FORWARDED_CLIENTS, PROXY_PROTOCOLS, meaning, name};
use super::super::field::{Field, Refusal};
use super::super::networks;
use super::super::setting::{Flags, Reload, Section, Setting, Variable};

pub(super) const ROWS: &[Setting] = &[
    Setting {
        name: "forwarded_allow_ips",
        section: Section::ServerMechanics,
        flags: Flags::long(&["forwarded-allow-ips"], "NETWORKS"),
        field: Field::List {
            allowed: networks::ALLOWED,
            repeated: false,
            get: |settings| networks::show(&settings.forwarded_allow_ips),
            set: |settings, texts| {
                settings.forwarded_allow_ips = networks::parse_all(texts)?;
                Ok(())
            },
        },
        default: Some("127.0.0.1,::1"),
        // Empty is a value: nobody.
        variable: Some(Variable { name: "FORWARDED_ALLOW_IPS", read: |text| Some(text.to_owned()) }),
        reload: Reload::RespawnWorkers,
        doc: "The proxies whose fields are believed.

Addresses and networks such as `10.0.0.0/8`, separated by commas; `*` is everybody, an empty value nobody. It concerns
`secure_scheme_headers`, `forwarder_headers` and `forwarded_client`. A client on a Unix socket is always believed.",
    },
    Setting {
        name: "secure_scheme_headers",
        section: Section::ServerMechanics,
        flags: Flags::NONE,
        field: Field::Map {
            allowed: "texts by names of header fields",
            get: |settings| settings.secure_scheme_headers.clone(),
            set: set_secure_scheme_headers,
        },
        default: Some(r#"{"X-FORWARDED-PROTOCOL": "ssl", "X-FORWARDED-PROTO": "https", "X-FORWARDED-SSL": "on"}"#),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The header fields by which a trusted proxy tells of HTTPS, and their values.

It is a dictionary in `gunicorn.conf.py` and a table in `gunicorn.toml`. When a proxy of `forwarded_allow_ips` sends one
of the fields with its value, `wsgi.url_scheme` is `https`. A request whose fields contradict each other is refused.",
    },
    Setting {
        name: "forwarder_headers",
        section: Section::ServerMechanics,
        flags: Flags::long(&["forwarder-headers"], "NAMES"),
        field: Field::List {
            allowed: "names of header fields separated by commas, or *",
            repeated: false,
            get: |settings| settings.forwarder_headers.clone(),
            set: |settings, texts| {
                let names = texts.iter().flat_map(|text| text.split(',')).map(str::trim);
                settings.forwarder_headers =
                    names.filter(|name| !name.is_empty()).map(str::to_ascii_uppercase).collect();
                Ok(())
            },
        },
        default: Some("SCRIPT_NAME,PATH_INFO"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "Header fields with an underscore that are taken from a trusted proxy.

They are separated by commas; `*` is all of them. Those of the proxies of `forwarded_allow_ips` become variables of the
environ, whatever `header_map` says. The proxy must not pass on such a field of a client.",
    },
    Setting {
        name: "forwarded_client",
        section: Section::ServerMechanics,
        flags: Flags::long(&["forwarded-client"], "FIELD"),
        field: Field::Choice {
            allowed: "off, x-forwarded-for or forwarded",
            get: |settings| name(FORWARDED_CLIENTS, &settings.forwarded_client),
            set: |settings, word| {
                settings.forwarded_client = meaning(FORWARDED_CLIENTS, word)?;
                Ok(())
            },
        },
        default: Some("off"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The header field by which a trusted proxy names the client.

`x-forwarded-for`, or `forwarded` (RFC 7239). The last address in it that is none of `forwarded_allow_ips` becomes
`REMOTE_ADDR` and the `%(h)s` of the access log. With `off` the client is who has connected.",
    },
    Setting {
        name: "proxy_protocol",
        section: Section::ServerMechanics,
        flags: Flags::long(&["proxy-protocol"], "MODE").alone("auto"),
        field: Field::Choice {
            allowed: "off, v1, v2 or auto",
            get: |settings| name(PROXY_PROTOCOLS, &settings.proxy_protocol),
            set: |settings, word| {
                settings.proxy_protocol = meaning(PROXY_PROTOCOLS, word)?;
                Ok(())
            },
        },
        default: Some("off"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "Which versions of the PROXY protocol are understood.

A proxy such as HAProxy tells the client's address by it, before the first request on a connection. `v1` is its text
form, `v2` its binary form, `auto` either. The flag alone means `auto`, and so does `True` in a config file.",
    },
    Setting {
        name: "proxy_allow_ips",
        section: Section::ServerMechanics,
        flags: Flags::long(&["proxy-allow-from"], "NETWORKS"),
        field: Field::List {
            allowed: networks::ALLOWED,
            repeated: false,
            get: |settings| networks::show(&settings.proxy_allow_ips),
            set: |settings, texts| {
                settings.proxy_allow_ips = networks::parse_all(texts)?;
                Ok(())
            },
        },
        default: Some("127.0.0.1,::1"),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The proxies that may use the PROXY protocol.

It is written as `forwarded_allow_ips` is. A client on a Unix socket may always use it.",
    },
    Setting {
        name: "root_path",
        section: Section::ServerMechanics,
        flags: Flags::long(&["root-path"], "PATH"),
        field: Field::Text {
            allowed: "text",
            get: |settings| Some(settings.root_path.clone()),
            set: |settings, value, _| {
                settings.root_path = value.unwrap_or_default().to_owned();
                Ok(())
            },
        },
        default: Some(""),
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The path below which a proxy has mounted the application.

It becomes `SCRIPT_NAME`, unless the environment variable or a trusted proxy's field of that name tells another one. A
proxy may have taken it off the path or left it there.",
    },
];

/// Names count without their case, and are stored in upper case.
fn set_secure_scheme_headers(settings: &mut Settings, values: BTreeMap<String, String>) -> Result<(), Refusal> {
    let mut headers = BTreeMap::new();
    for (name, value) in values {
        if name.is_empty() {
            return Err(Refusal::hint("a name is empty"));
        }
        let name = name.to_ascii_uppercase();
        if headers.get(&name).is_some_and(|other| *other != value) {
            return Err(Refusal::hint(format!("{name} has two values")));
        }
        headers.insert(name, value);
    }
    settings.secure_scheme_headers = headers;
    Ok(())
}

//! Where the other settings come from, and the application.

use super::super::field::Field;
use super::super::setting::{Flags, Reload, Section, Setting};

pub(super) const ROWS: &[Setting] = &[
    Setting {
        name: "config",
        section: Section::ConfigFile,
        flags: Flags::short('c', &["config"], "CONFIG"),
        field: Field::Text {
            allowed: "PATH, file:PATH or python:MODULE",
            get: |settings| settings.config.as_ref().map(|path| path.display().to_string()),
            set: |settings, value, _| {
                settings.config = value.filter(|path| !path.is_empty()).map(Into::into);
                Ok(())
            },
        },
        default: None,
        variable: None,
        reload: Reload::Restart,
        doc: "The config file.

`PATH` or `file:PATH` names a file: TOML when its name ends in `.toml`, else Python. `python:MODULE` names a Python
module. Without it, `gunicorn.conf.py` or `gunicorn.toml` of the working directory is read, if there is one. It has an
effect only on the command line and in `GUNICORN_CMD_ARGS`.",
    },
    Setting {
        name: "wsgi_app",
        section: Section::ConfigFile,
        flags: Flags::NONE,
        field: Field::Text {
            allowed: "MODULE, MODULE:CALLABLE or MODULE:FACTORY(...)",
            get: |settings| settings.wsgi_app.clone(),
            set: |settings, value, _| {
                settings.wsgi_app = value.filter(|app| !app.is_empty()).map(str::to_owned);
                Ok(())
            },
        },
        default: None,
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The application, when the command line names none.

`MODULE` alone means its `application`. The part after the colon may be an attribute path or a call with literal
arguments, as in `myapp:create_app(\"production\", debug=True)`.",
    },
    Setting {
        name: "python",
        section: Section::ConfigFile,
        flags: Flags::long(&["python"], "PATH"),
        field: Field::Text {
            allowed: "the path or the name of a Python interpreter",
            get: |settings| settings.python.as_ref().map(|path| path.display().to_string()),
            set: |settings, value, host| {
                settings.python = value.filter(|path| !path.is_empty()).map(|path| host.program(path));
                Ok(())
            },
        },
        default: None,
        variable: None,
        reload: Reload::RespawnWorkers,
        doc: "The Python interpreter that runs the application.

Without it, the interpreter of the virtual environment that gunicorn-rs is installed in, else of the active one
(`VIRTUAL_ENV`), else the one beside gunicorn-rs, else `python3` of the `PATH`. It has no effect in
`gunicorn.conf.py`, which this interpreter executes.",
    },
];

//! The settings: one table, from which come the command line, the config files' names, the environment, the help, the
//! documentation, and the typed [`Settings`] that the rest of the program uses.
//!
//! Nothing here asks the machine anything, reads a clock or a file, or logs: what has to be known comes in as a value,
//! or by [`Resolve`]. The master drives it, in two steps, because the config file can only be found when the arguments
//! are known, and a Python config file is executed by another process:
//!
//! ```
//! # use std::{collections::BTreeMap, ffi::OsString, path::{Path, PathBuf}};
//! # struct Machine;
//! # impl gunicorn::settings::Resolve for Machine {
//! #     fn current_dir(&self) -> PathBuf { PathBuf::from("/srv") }
//! #     fn is_dir(&self, _: &Path) -> bool { true }
//! #     fn is_file(&self, path: &Path) -> bool { path.ends_with("gunicorn.conf.py") }
//! #     fn user(&self, _: &str) -> Option<u32> { None }
//! #     fn group(&self, _: &str) -> Option<u32> { None }
//! # }
//! use gunicorn::settings::{ConfigSource, Invocation, Layers, Request};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Once: how the program was started. Kept for every reload.
//! let arguments = ["myapp:app", "-w", "4"].map(OsString::from); // std::env::args_os().skip(1)
//! let invocation = Invocation::parse(arguments, std::env::vars_os())?;
//! if let Request::Say(text) = invocation.request() {
//!     print!("{text}"); // --help, --version, ...
//! }
//!
//! // For each generation: the config file, then everything together.
//! let layers = Layers::new(&invocation);
//! let layers = match invocation.config_source(&Machine)? {
//!     None => layers,
//!     Some(source @ ConfigSource::Toml(_)) => layers.config_toml(&source, "workers = 2").map_err(|_| "refused")?,
//!     Some(source) => {
//!         // Executed by the zygote, under `invocation.python(&Machine)` or the interpreter that is found.
//!         let values = BTreeMap::from([("timeout".to_owned(), serde_json::json!(60))]);
//!         layers.config_python(&source, values)
//!     }
//! };
//! let resolved = layers.resolve(&Machine).map_err(|errors| errors[0].to_string())?;
//! assert_eq!(resolved.settings.workers, 4);
//! assert_eq!(resolved.application()?, "myapp:app");
//! assert_eq!(resolved.origin("workers").to_string(), "command line");
//! assert_eq!(resolved.origin("timeout").to_string(), "/srv/gunicorn.conf.py");
//! # Ok(())
//! # }
//! ```
//!
//! Each error is one line for the user and ends the program with [`SettingError::exit_code`]; each of
//! [`Resolved::warnings`] is one line for the error log. [`Resolved::print_config`] is what `--print-config` prints,
//! [`diff`] says what a reload changes, and [`markdown`] is `docs/settings.md`.

mod arguments;
mod bind;
mod bounds;
mod choice;
mod cli;
mod config_python;
mod config_toml;
mod diff;
mod docs;
mod error;
mod field;
mod given;
mod invocation;
mod layers;
mod narrow;
mod nearest;
mod networks;
mod paths;
mod resolve;
mod resolved;
mod setting;
mod table;
#[cfg(test)]
mod tests;
mod values;
mod words;
mod worker_kind;

pub use arguments::Request;
pub use bounds::Bounds;
pub use cli::PROGRAM;
pub use diff::{Change, changed, diff};
pub use docs::markdown;
pub use error::{CMD_ARGS, SettingError, Source, Warning};
pub use field::{Field, Refusal};
pub use given::{Given, OPAQUE};
pub use invocation::{ConfigSource, Invocation};
pub use layers::Layers;
pub use resolve::Resolve;
pub use resolved::Resolved;
pub use setting::{Flags, Reload, Section, Setting, Variable};
pub use table::{all, find};
pub use values::*;
pub use words::SplitError;
pub use worker_kind::WorkerKind;

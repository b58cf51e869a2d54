//! Reads arguments, those of the program and those of `GUNICORN_CMD_ARGS`, with one parser.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, ValueEnum};
use clap_complete::Shell;
use serde_json::Value;

use super::given::Given;
use super::layers::Entry;
use super::nearest::nearest;
use super::setting::Setting;
use super::table::missing;
use super::{SettingError, Source, cli, table};

/// What the user wants of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Serve the application.
    Serve,
    /// `--check-config`: check the settings, load the application, exit with 0.
    CheckConfig,
    /// `--print-config`: print the settings and exit with 0; the application is not loaded.
    PrintConfig,
    /// `--help`, `--version`, `--completions`, `--man`: print this to standard output and exit with 0.
    Say(String),
}

/// What stands in arguments.
#[derive(Debug, Clone)]
pub(super) struct Arguments {
    pub(super) request: Request,
    pub(super) entries: Vec<Entry>,
    /// The arguments that belong to no flag.
    pub(super) positional: Vec<String>,
}

/// Reads arguments, without the program's name.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>, origin: &Source) -> Result<Arguments, SettingError> {
    let program = OsString::from(cli::PROGRAM);
    match cli::command().try_get_matches_from(std::iter::once(program).chain(arguments)) {
        Ok(matches) => Ok(Arguments {
            request: request(&matches, origin)?,
            entries: table::all().filter_map(|setting| entry(&matches, setting, origin)).collect(),
            positional: matches.get_many(cli::APP).unwrap_or_default().cloned().collect(),
        }),
        Err(error) if error.kind() == ErrorKind::DisplayHelp => Ok(Arguments {
            request: Request::Say(error.render().to_string()),
            entries: Vec::new(),
            positional: Vec::new(),
        }),
        Err(error) => Err(explain(&error, origin)),
    }
}

fn request(matches: &ArgMatches, origin: &Source) -> Result<Request, SettingError> {
    let request = if matches.get_flag(cli::VERSION) {
        Request::Say(cli::version())
    } else if let Some(name) = matches.get_one::<String>(cli::COMPLETIONS) {
        Request::Say(cli::completions(shell(name, origin)?))
    } else if matches.get_flag(cli::MAN) {
        Request::Say(cli::man())
    } else if matches.get_flag(cli::PRINT) {
        Request::PrintConfig
    } else if matches.get_flag(cli::CHECK) {
        Request::CheckConfig
    } else {
        Request::Serve
    };
    Ok(request)
}

fn shell(name: &str, origin: &Source) -> Result<Shell, SettingError> {
    Shell::from_str(name, true).map_err(|_| SettingError::Value {
        name: cli::COMPLETIONS,
        value: Given::lenient(name).quoted(),
        origin: origin.clone(),
        allowed: cli::SHELLS.to_owned(),
    })
}

fn entry(matches: &ArgMatches, setting: &'static Setting, origin: &Source) -> Option<Entry> {
    if setting.flags.long.is_empty() {
        return None;
    }
    let value = if setting.field.is_switch() {
        Value::from(matches.get_flag(setting.name).then_some(setting.flags.alone?)?)
    } else if setting.field.is_repeated() {
        Value::from(matches.get_many::<String>(setting.name)?.cloned().collect::<Vec<_>>())
    } else {
        Value::from(matches.get_one::<String>(setting.name)?.clone())
    };
    Some(Entry { setting, given: Given::lenient(value), origin: origin.clone() })
}

/// Says in our words what clap found wrong.
fn explain(error: &clap::Error, origin: &Source) -> SettingError {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let argument = context(ContextKind::InvalidArg);
    let problem = match error.kind() {
        ErrorKind::UnknownArgument => return unknown(argument, origin),
        ErrorKind::InvalidValue => format!("{argument} needs a value"),
        ErrorKind::TooManyValues => format!("{argument} takes no value"),
        ErrorKind::InvalidUtf8 => "an argument is not valid UTF-8".to_owned(),
        _ => error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    };
    SettingError::Arguments { problem, origin: origin.clone() }
}

fn unknown(flag: String, origin: &Source) -> SettingError {
    if let Some(missing) = missing::find_flag(&flag) {
        return SettingError::Unsupported { name: missing.name, flag, origin: origin.clone() };
    }
    let nearest = nearest_flag(&flag);
    SettingError::Unknown { what: "option", name: flag, origin: origin.clone(), nearest }
}

fn nearest_flag(flag: &str) -> Option<String> {
    let command = cli::command();
    let longs = command.get_arguments().filter_map(clap::Arg::get_long);
    let name = flag.strip_prefix("--")?;
    let near = nearest(name, longs).or_else(|| table::nearest_setting(name)?.flags.long.first().copied());
    near.map(|long| format!("--{long}"))
}

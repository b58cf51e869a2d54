//! The command line, made from the table: the clap command, and what is generated from it.

use clap::builder::styling::Styles;
use clap::{Arg, ArgAction, Command};
use clap_complete::Shell;

use super::setting::Setting;
use super::table;

/// The name of the program, as it stands in help and version.
pub const PROGRAM: &str = "gunicorn-rs";

/// Ids of the arguments that are no settings.
pub(super) const APP: &str = "app";
pub(super) const CHECK: &str = "check-config";
pub(super) const PRINT: &str = "print-config";
pub(super) const VERSION: &str = "version";
pub(super) const COMPLETIONS: &str = "completions";
pub(super) const MAN: &str = "man";

/// The shells that `--completions` knows.
pub(super) const SHELLS: &str = "bash, elvish, fish, powershell or zsh";

const EXAMPLES: &str = "Examples:
  gunicorn-rs myapp:app                          serve `app` of myapp.py on 127.0.0.1:8000
  gunicorn-rs myapp:app -w 4 -b 0.0.0.0:80       four workers, on every address
  gunicorn-rs 'myapp:create_app(\"production\")'   an application factory
  gunicorn-rs -b unix:/run/app.sock myapp:app    behind a proxy, on a Unix socket
  gunicorn-rs -c prod.py --check-config myapp    check a configuration without serving

A config file named gunicorn.conf.py or gunicorn.toml in the working directory is read.
Later ones win: environment, config file, GUNICORN_CMD_ARGS, command line.";

/// The width of the help, in columns.
const HELP_WIDTH: usize = 100;

/// Longer defaults would fill more than their line of the help.
const LONGEST_DEFAULT: usize = 20;

/// The command.
pub(super) fn command() -> Command {
    Command::new(PROGRAM)
        .bin_name(PROGRAM)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Serve a Python application from pre-forked workers")
        .override_usage(format!("{PROGRAM} [OPTIONS] [APP_MODULE]"))
        .after_help(EXAMPLES)
        .styles(Styles::plain())
        .max_term_width(HELP_WIDTH)
        .term_width(HELP_WIDTH)
        .infer_long_args(true)
        .args_override_self(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(application())
        .args(table::all().filter(|setting| !setting.flags.long.is_empty()).map(setting_arg))
        .args(debugging())
        .args(about())
}

fn application() -> Arg {
    Arg::new(APP)
        .value_name("APP_MODULE")
        .num_args(0..)
        .help("The application: MODULE, MODULE:CALLABLE or MODULE:FACTORY(...)")
}

fn setting_arg(setting: &'static Setting) -> Arg {
    let flags = &setting.flags;
    let (long, aliases) = flags.long.split_first().map_or(("", [].as_slice()), |(long, aliases)| (*long, aliases));
    let arg = Arg::new(setting.name)
        .long(long)
        .aliases(aliases)
        .help(help(setting))
        .long_help(plain(setting.doc))
        .help_heading(setting.section.title())
        .action(action(setting));
    let arg = if setting.field.is_switch() { arg } else { arg.value_name(flags.value).allow_negative_numbers(true) };
    let arg = match flags.alone {
        Some(value) if !setting.field.is_switch() => arg.num_args(0..=1).default_missing_value(value),
        _ => arg,
    };
    match flags.short {
        Some(short) => arg.short(short),
        None => arg,
    }
}

fn action(setting: &Setting) -> ArgAction {
    if setting.field.is_switch() {
        ArgAction::SetTrue
    } else if setting.field.is_repeated() {
        ArgAction::Append
    } else {
        ArgAction::Set
    }
}

/// The summary, and what fills the setting when the flag is not given.
fn help(setting: &Setting) -> String {
    let mut help = setting.summary().to_owned();
    let shown = |default: &&str| !setting.field.is_switch() && (1..=LONGEST_DEFAULT).contains(&default.len());
    if let Some(default) = setting.default.filter(shown) {
        help += &format!(" [default: {default}]");
    }
    if let Some(variable) = setting.variable {
        help += &format!(" [env: {}]", variable.name);
    }
    help
}

/// The documentation for the terminal: rows of a table become indented lines, which roff keeps apart.
fn plain(doc: &str) -> String {
    let is_ruler = |line: &&str| line.starts_with("| ---");
    let row = |line: &str| line.split('|').map(str::trim).collect::<Vec<_>>().join("  ");
    let line =
        |line: &str| if line.starts_with('|') { format!("{}\n", row(line).trim_end()) } else { format!("{line}\n") };
    doc.lines().filter(|line| !is_ruler(line)).map(line).collect::<String>().trim_end().to_owned()
}

fn debugging() -> [Arg; 2] {
    [
        switch(CHECK, "Check the configuration and load the application, then exit"),
        switch(PRINT, "Print each setting, its value and where that came from, then exit"),
    ]
    .map(|arg| arg.help_heading("Debugging"))
}

fn about() -> [Arg; 4] {
    [
        Arg::new("help").short('h').long("help").action(ArgAction::HelpShort).help("Print this help, then exit"),
        switch(VERSION, "Print the version, then exit").short('v'),
        Arg::new(COMPLETIONS).long(COMPLETIONS).value_name("SHELL").help(format!("Print the completions for {SHELLS}")),
        switch(MAN, "Print the manual page, then exit"),
    ]
    .map(|arg| arg.help_heading("About"))
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// What `--version` prints, as gunicorn words it.
pub(super) fn version() -> String {
    format!("{PROGRAM} (version {})\n", env!("CARGO_PKG_VERSION"))
}

/// The script that completes the command line in a shell.
pub(super) fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), PROGRAM, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The manual page, in roff.
pub(super) fn man() -> String {
    let mut page = Vec::new();
    // Writing into memory does not fail.
    let _ = clap_mangen::Man::new(command()).render(&mut page);
    String::from_utf8_lossy(&page).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_no_contradiction_in_the_table() {
        command().debug_assert();
    }

    #[test]
    fn the_help_names_each_flag_and_section_and_fits_the_screen() {
        let help = command().render_help().to_string();
        for setting in table::all().filter(|setting| !setting.flags.long.is_empty()) {
            assert!(help.contains(&format!("--{}", setting.flags.long[0])), "{}", setting.name);
            assert!(help.contains(&format!("{}:\n", setting.section.title())), "{}", setting.section.title());
        }
        for line in help.lines() {
            assert!(line.chars().count() <= HELP_WIDTH, "{line}");
        }
    }

    #[test]
    fn rows_of_a_table_become_indented_lines() {
        assert_eq!(plain("A.\n\n| a | b |\n| --- | --- |\n| `c` | d |\n\nE."), "A.\n\n  a  b\n  `c`  d\n\nE.");
    }

    #[test]
    fn the_manual_and_the_completions_name_each_flag() {
        let (man, script) = (man().replace("\\-", "-"), completions(Shell::Bash));
        for long in table::all().filter_map(|setting| setting.flags.long.first()) {
            assert!(man.contains(&format!("--{long}")), "{long}");
            assert!(script.contains(&format!("--{long}")), "{long}");
        }
    }
}

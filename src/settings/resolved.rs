//! The outcome of the layers: the settings, where each came from, and what the user should hear about it.

use std::collections::HashMap;
use std::fmt;

use super::{Setting, SettingError, Settings, Source, Warning, table};

/// The settings of one reading of the configuration.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The values.
    pub settings: Settings,
    /// What is worth telling the user.
    pub warnings: Vec<Warning>,
    origins: HashMap<&'static str, Source>,
}

impl Resolved {
    pub(super) fn new(settings: Settings, origins: HashMap<&'static str, Source>, warnings: Vec<Warning>) -> Self {
        Self { settings, warnings, origins }
    }

    /// Where the value of the setting came from.
    pub fn origin(&self, name: &str) -> &Source {
        self.origins.get(name).unwrap_or(&Source::Default)
    }

    /// The application to serve.
    ///
    /// # Errors
    /// None is named.
    pub fn application(&self) -> Result<&str, SettingError> {
        self.settings.wsgi_app.as_deref().ok_or(SettingError::NoApplication)
    }

    /// What `--print-config` prints: a line for each setting, by name.
    pub fn print_config(&self) -> String {
        let mut rows: Vec<&Setting> = table::all().collect();
        rows.sort_by_key(|setting| setting.name);
        let width = rows.iter().map(|setting| setting.name.len()).max().unwrap_or(0);
        rows.iter().map(|setting| format!("{:width$} = {}\n", setting.name, self.line(setting))).collect()
    }

    fn line(&self, setting: &Setting) -> impl fmt::Display {
        format!("{}  ({})", setting.field.show(&self.settings), self.origin(setting.name))
    }
}

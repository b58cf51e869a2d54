//! How a setting is typed, which values it allows, and in which field of [`Settings`] it ends.
//!
//! A field is a lens: `set` puts a checked value into [`Settings`], `get` takes it out again, so one row is enough to
//! parse, to print and to compare.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::bounds::Bounds;
use super::given::{self, Given};
use super::{Resolve, Settings};

/// Why a value was refused, beyond "this is not among what is allowed".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// A sentence for the user, without a period.
    pub hint: Option<String>,
}

impl Refusal {
    /// A refusal that needs no words beyond what is allowed.
    pub const PLAIN: Self = Self { hint: None };

    /// A refusal that says more.
    pub fn hint(hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()) }
    }
}

/// Type, range and place of a setting.
pub enum Field {
    /// On or off.
    Switch {
        /// Reads it.
        get: fn(&Settings) -> bool,
        /// Stores it.
        set: fn(&mut Settings, bool),
    },
    /// A whole number.
    Number {
        /// Smallest and largest value.
        bounds: Bounds,
        /// Reads it; `None` when not set.
        get: fn(&Settings) -> Option<u64>,
        /// Stores it.
        set: fn(&mut Settings, u64),
    },
    /// File permission bits, octal when written with a leading 0 (umask(2)).
    Mode {
        /// Reads it.
        get: fn(&Settings) -> u32,
        /// Stores it.
        set: fn(&mut Settings, u32),
    },
    /// Text.
    Text {
        /// What is allowed, in words.
        allowed: &'static str,
        /// Reads it; `None` when not set.
        get: fn(&Settings) -> Option<String>,
        /// Checks and stores it; `None` is what `None` means in `gunicorn.conf.py`.
        set: fn(&mut Settings, Option<&str>, &dyn Resolve) -> Result<(), Refusal>,
    },
    /// One of a few words, in any case.
    Choice {
        /// What is allowed, in words.
        allowed: &'static str,
        /// Reads it.
        get: fn(&Settings) -> &'static str,
        /// Stores what the word means, which comes in lower case; a boolean comes as `true` or `false`, `None` as
        /// `none`.
        set: fn(&mut Settings, &str) -> Result<(), Refusal>,
    },
    /// Several texts, in order.
    List {
        /// What is allowed, in words.
        allowed: &'static str,
        /// Whether the flag is repeated for several; else they stand in one argument, separated by commas.
        repeated: bool,
        /// Reads them.
        get: fn(&Settings) -> Vec<String>,
        /// Checks and stores them.
        set: fn(&mut Settings, &[String]) -> Result<(), Refusal>,
    },
    /// Texts by name.
    Map {
        /// What is allowed, in words.
        allowed: &'static str,
        /// Reads them.
        get: fn(&Settings) -> BTreeMap<String, String>,
        /// Checks and stores them.
        set: fn(&mut Settings, BTreeMap<String, String>) -> Result<(), Refusal>,
    },
    /// A user or group, by number or name.
    Account {
        /// What is allowed, in words.
        allowed: &'static str,
        /// Reads it.
        get: fn(&Settings) -> Option<u32>,
        /// Stores it.
        set: fn(&mut Settings, Option<u32>),
        /// Finds the number of a name.
        lookup: fn(&dyn Resolve, &str) -> Option<u32>,
    },
}

impl Field {
    /// What is allowed, as it stands after "must be".
    pub fn allowed(&self) -> String {
        match self {
            Self::Switch { .. } => "true or false".to_owned(),
            Self::Number { bounds, .. } => bounds.to_string(),
            Self::Mode { .. } => "permission bits from 0 to 0o7777, octal with a leading 0".to_owned(),
            Self::Text { allowed, .. }
            | Self::Choice { allowed, .. }
            | Self::List { allowed, .. }
            | Self::Map { allowed, .. }
            | Self::Account { allowed, .. } => (*allowed).to_owned(),
        }
    }

    /// Whether the command line takes it several times, each adding a value.
    pub const fn is_repeated(&self) -> bool {
        matches!(self, Self::List { repeated: true, .. })
    }

    /// Whether the command line takes it without a value.
    pub const fn is_switch(&self) -> bool {
        matches!(self, Self::Switch { .. })
    }

    /// Checks the value and stores it.
    ///
    /// # Errors
    /// A value that is not allowed; then nothing is stored.
    pub fn assign(&self, settings: &mut Settings, given: &Given, host: &dyn Resolve) -> Result<(), Refusal> {
        match self {
            Self::Switch { set, .. } => set(settings, given.switch()?),
            Self::Number { bounds, set, .. } => set(settings, given.number(bounds)?),
            Self::Mode { set, .. } => set(settings, given.mode()?),
            Self::Text { set, .. } => set(settings, given.text()?.as_deref(), host)?,
            Self::Choice { set, .. } => set(settings, &given.word()?)?,
            Self::List { set, .. } => set(settings, &given.list()?)?,
            Self::Map { set, .. } => set(settings, given.map()?)?,
            Self::Account { set, lookup, .. } => set(settings, given.account(|name| lookup(host, name))?),
        }
        Ok(())
    }

    /// The value in `settings`, written as gunicorn's `--print-config` writes it.
    pub fn show(&self, settings: &Settings) -> String {
        given::show(&self.value(settings))
    }

    /// The value in `settings`, in a form in which a Python config may give it.
    pub fn value(&self, settings: &Settings) -> Value {
        match self {
            Self::Switch { get, .. } => Value::from(get(settings)),
            Self::Number { get, .. } => Value::from(get(settings)),
            Self::Mode { get, .. } => Value::from(get(settings)),
            Self::Text { get, .. } => Value::from(get(settings)),
            Self::Choice { get, .. } => Value::from(get(settings)),
            Self::List { get, .. } => Value::from(get(settings)),
            Self::Map { get, .. } => get(settings).into_iter().collect(),
            Self::Account { get, .. } => Value::from(get(settings)),
        }
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.allowed())
    }
}

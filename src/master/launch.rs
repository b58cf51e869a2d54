//! How this process was started, from which every generation is built anew.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::build::Failure;
use super::interpreter::Places;
use super::protocol::PythonConfig;
use crate::settings::{Layers, Resolved};

#[derive(Debug, Clone)]
pub struct Launch {
    pub places: Places,
    pub argv: Vec<String>,
    pub cwd: PathBuf,
}
#[derive(Debug, Clone)]
pub struct ConfigSource;
impl ConfigSource {
    pub fn python(&self) -> Option<PythonConfig> { None }
}
impl fmt::Display for ConfigSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str("x") }
}
impl Launch {
    pub fn new(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, String> { todo!() }
    pub fn layers(&self) -> Result<(Layers, Option<ConfigSource>), Failure> { todo!() }
    pub fn resolve(&self, layers: &Layers) -> Result<Resolved, Failure> { todo!() }
}

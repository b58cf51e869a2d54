//! The settings (skeleton).
pub mod values;
pub use values::*;
#[derive(Debug)] pub struct Layers;
#[derive(Debug)] pub struct Resolved { pub settings: Settings, pub warnings: Vec<String> }
impl Layers { pub fn config_python(self, _n: &str, _v: std::collections::BTreeMap<String, serde_json::Value>, _c: &[String]) -> Self { self } }
impl Resolved { pub fn render(&self) -> String { String::new() } }
impl Settings { pub fn title(&self) -> &str { "x" } }

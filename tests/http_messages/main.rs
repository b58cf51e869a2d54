//! The codec against tables of messages, and the property that how bytes are cut on their way changes nothing.
#![allow(clippy::unwrap_used)]

mod cases;
mod connection;
mod properties;
mod table;

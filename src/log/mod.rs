//! Error log and access log (skeleton).

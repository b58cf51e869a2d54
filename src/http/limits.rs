//! Bounds on what a client may send. The codec holds no default of its own for them: whoever owns the settings does.

/// Bounds on one request. A line's bound is `usize::MAX` where the user asked for none; `head` then still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest request line, in bytes without its CRLF (`limit_request_line`; beyond: 414).
    pub line: usize,
    /// Most field lines in a head (`limit_request_fields`; beyond: 431).
    pub fields: usize,
    /// Longest field line, in bytes with its CRLF, as gunicorn counts (`limit_request_field_size`; beyond: 431).
    pub field_size: usize,
    /// Longest head, in bytes with the empty line that ends it (beyond: 431).
    pub head: usize,
    /// Longest body, in bytes without chunked framing; `None`: no bound (beyond: 413, before it is read where
    /// possible).
    pub body: Option<u64>,
}

impl Default for Limits {
    /// gunicorn's defaults, and a head of at most 64 KiB.
    fn default() -> Self {
        Self { line: 4094, fields: 100, field_size: 8190, head: 64 * 1024, body: None }
    }
}

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

impl Limits {
    /// Limits of lines (`None`: no bound) and the head that they make possible, as gunicorn adds it up, but never
    /// longer than `longest`.
    pub fn of_head(line: Option<usize>, fields: usize, field_size: Option<usize>, longest: usize) -> Self {
        let (line, field_size) = (line.unwrap_or(usize::MAX), field_size.unwrap_or(usize::MAX));
        let all_fields = fields.saturating_mul(field_size.saturating_add(2)).saturating_add(4);
        Self { line, fields, field_size, head: line.saturating_add(all_fields).min(longest), body: None }
    }
}

impl Default for Limits {
    /// gunicorn's defaults, and a head of at most 64 KiB.
    fn default() -> Self {
        Self { line: 4094, fields: 100, field_size: 8190, head: 64 * 1024, body: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_may_be_as_long_as_its_lines_together() {
        let head = |line, fields, size| Limits::of_head(line, fields, size, 1 << 20).head;
        assert_eq!(head(Some(4094), 100, Some(8190)), 4094 + 100 * 8192 + 4);
        assert_eq!(head(Some(4094), 1000, Some(8190)), 1 << 20);
        assert_eq!(head(None, 100, Some(8190)), 1 << 20);
        assert_eq!(head(Some(4094), 100, None), 1 << 20);
    }
}

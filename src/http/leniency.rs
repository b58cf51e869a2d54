//! What the user has asked to be taken though it is obsolete or unconventional.

/// gunicorn's settings of these names. All are off by default, since each of them gives up a defence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leniency {
    /// `permit_obsolete_folding`: a field value may go on in a line that begins with white space (RFC 9112, section
    /// 5.2); the lines are joined by one space.
    pub obsolete_folding: bool,
    /// `strip_header_spaces`: white space between a field name and its colon (RFC 9112, section 5.1) is not looked at.
    pub header_spaces: bool,
    /// `permit_unconventional_http_method`: a method may be any token.
    pub unconventional_method: bool,
    /// `permit_unconventional_http_version`: a version may be any `HTTP/` digit `.` digit. One below 1.1 is treated as
    /// 1.0, any other as 1.1.
    pub unconventional_version: bool,
    /// `casefold_http_method`: a method counts as if it were in upper case.
    pub casefold_method: bool,
}

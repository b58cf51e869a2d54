//! Which requests are taken: the bounds and the leniency that the user has asked for.

use super::Limits;

/// What the codec is to accept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Acceptance {
    /// Bounds on one request.
    pub limits: Limits,
    /// What is taken though it is obsolete or unconventional.
    pub leniency: Leniency,
}

/// gunicorn's settings that loosen the policy. All are off by default, since each of them gives up a defence.
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

impl Leniency {
    /// Whether a head may need to be mended before it can be cut into tokens.
    pub(crate) fn mends(self) -> bool {
        self.obsolete_folding || self.header_spaces || self.unconventional_version || self.casefold_method
    }
}

impl From<Limits> for Acceptance {
    /// These limits, and no leniency.
    fn from(limits: Limits) -> Self {
        Self { limits, leniency: Leniency::default() }
    }
}

//! The range of a setting that is a whole number.

use std::fmt;

use super::field::Refusal;

/// The smallest and the largest number that a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    min: u64,
    max: u64,
    /// What a smaller number would do, without a period; empty where that goes without saying.
    below: &'static str,
}

impl Bounds {
    /// Seconds: up to 68 years, what fits an `int` as for gunicorn's own arithmetic.
    pub const SECONDS: Self = Self::up_to(i32::MAX as u64);

    /// Counts and bytes: what fits the integers of every config format.
    pub const COUNT: Self = Self::up_to(i64::MAX as u64);

    /// From 0 to `max`.
    pub const fn up_to(max: u64) -> Self {
        Self { min: 0, max, below: "" }
    }

    /// The same from `min` on; `below` tells the user what a smaller number would do, without a period.
    #[must_use]
    pub const fn at_least(self, min: u64, below: &'static str) -> Self {
        Self { min, below, ..self }
    }

    /// The number, if it lies within.
    pub(super) fn check(&self, number: u64) -> Result<u64, Refusal> {
        if number < self.min && !self.below.is_empty() {
            return Err(Refusal::hint(self.below));
        }
        if (self.min..=self.max).contains(&number) { Ok(number) } else { Err(Refusal::PLAIN) }
    }
}

impl fmt::Display for Bounds {
    /// As it stands after "must be".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {} to {}", self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_taken_within_its_bounds() {
        const BOUNDS: Bounds = Bounds::up_to(9).at_least(2, "fewer would not do");
        assert_eq!(BOUNDS.to_string(), "a whole number from 2 to 9");
        assert_eq!((BOUNDS.check(2), BOUNDS.check(9)), (Ok(2), Ok(9)));
        assert_eq!(BOUNDS.check(1), Err(Refusal::hint("fewer would not do")));
        assert_eq!(BOUNDS.check(10), Err(Refusal::PLAIN));
        assert_eq!(Bounds::up_to(9).check(0), Ok(0));
        assert_eq!(Bounds::up_to(9).at_least(1, "").check(0), Err(Refusal::PLAIN));
    }
}

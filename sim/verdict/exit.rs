//! The exit codes of every command: the one place that says what they are.

use std::fmt::Write as _;

/// What a command tells its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// It did what it was asked to, and every threshold held.
    Success = 0,
    /// Anything that no other code stands for.
    Error = 1,
    /// Wrong usage or a wrong profile.
    Usage = 2,
    /// The result is invalid: the generator was too slow, the census does not add up, an embedded hub or a shard died
    /// unplanned, or a threshold's series has no value; a comparison is inconclusive, or of results that are invalid.
    Invalid = 96,
    /// Stopped by a signal or an abort threshold.
    Aborted = 97,
    /// Worse than the baseline, by `compare`.
    Regressed = 98,
    /// A threshold was broken.
    ThresholdBroken = 99,
}

impl ExitCode {
    /// All of them; of several that apply, the first in this order is the one.
    pub const PRECEDENCE: [Self; 7] =
        [Self::Usage, Self::Error, Self::Aborted, Self::Invalid, Self::ThresholdBroken, Self::Regressed, Self::Success];

    /// What it tells, in words.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Success => "done, and every threshold held",
            Self::Error => "anything else that went wrong",
            Self::Usage => "wrong usage, or a wrong profile",
            Self::Invalid => {
                "the result is invalid: the generator was too slow, the census does not add up, a hub or a shard died, \
                 nothing was measured that a threshold could be judged by, or a drill found no steady state; a comparison \
                 that proves nothing"
            }
            Self::Aborted => {
                "aborted: by Ctrl-C, by a threshold that is to (abort = true), or by a roll-out's failures"
            }
            Self::Regressed => "a regression, by `compare`",
            Self::ThresholdBroken => "a threshold was broken, or a drill failed or did not recover",
        }
    }

    /// All of them with what they tell, a paragraph for the help of commands.
    #[must_use]
    pub fn help() -> String {
        let mut text = "Exit codes, the first that applies:".to_owned();
        for code in Self::PRECEDENCE {
            // Writing to a text cannot fail.
            let _ = write!(text, "\n  {:>2}  {}", code.code(), code.description());
        }
        text
    }

    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The one with this number; [`Self::Error`] if there is none.
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        Self::PRECEDENCE.into_iter().find(|known| known.code() == code).unwrap_or(Self::Error)
    }

    /// The one of several that a command ends with; success if there is none.
    #[must_use]
    pub fn of(codes: impl IntoIterator<Item = Self>) -> Self {
        let rank = |code: &Self| Self::PRECEDENCE.iter().position(|other| other == code);
        codes.into_iter().min_by_key(rank).unwrap_or(Self::Success)
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_applies_is_the_one() {
        let codes = ExitCode::PRECEDENCE.map(ExitCode::code);
        assert_eq!(codes, [2, 1, 97, 96, 99, 98, 0]);
        assert_eq!(codes.map(ExitCode::from_code), ExitCode::PRECEDENCE);
        assert_eq!(ExitCode::from_code(3), ExitCode::Error);
        assert_eq!(ExitCode::of([]), ExitCode::Success);
        assert_eq!(ExitCode::of([ExitCode::Success, ExitCode::Regressed, ExitCode::ThresholdBroken]).code(), 99);
        assert_eq!(ExitCode::of(ExitCode::PRECEDENCE.into_iter().rev()), ExitCode::Usage);
    }

    #[test]
    fn the_help_tells_every_code_in_its_order() {
        let help = ExitCode::help();
        let codes: Vec<u8> = help.lines().skip(1).map(|line| line[..4].trim().parse().unwrap()).collect();
        assert_eq!(codes, ExitCode::PRECEDENCE.map(ExitCode::code));
        assert!(help.contains("\n  99  a threshold was broken, "), "{help}");
    }
}

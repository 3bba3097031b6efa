//! The units of figures, as the right side of a threshold is read and written.

use std::time::Duration;

use crate::policy::units;

/// The unit of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds; written as a duration.
    Duration,
    /// Per second; written as a rate.
    Rate,
    /// A plain count.
    Count,
    /// Percent, 0 to 100.
    Percent,
}

impl Unit {
    /// Reads a threshold's right side; else what this unit wants.
    pub(in crate::policy) fn parse(self, text: &str) -> Result<f64, &'static str> {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
        match self {
            Self::Duration => {
                units::parse_duration(text).map(|d| d.as_secs_f64()).map_err(|_| "a duration like `250ms` or `60s`")
            }
            Self::Rate => match text.trim().strip_suffix("/s") {
                Some(text) => number(text),
                None => number(text),
            }
            .ok_or("a rate like `200/s`"),
            Self::Count => number(text).ok_or("a count like `0`"),
            Self::Percent => number(text.trim().trim_end_matches('%'))
                .filter(|percent| *percent <= 100.0)
                .ok_or("a percentage from 0 to 100"),
        }
    }

    /// Writes a value of this unit as a threshold's right side.
    #[must_use]
    pub fn format(self, value: f64) -> String {
        match self {
            Self::Duration => units::format_duration(Duration::from_secs_f64(value.max(0.0))),
            Self::Rate => format!("{value}/s"),
            Self::Count | Self::Percent => format!("{value}"),
        }
    }
}

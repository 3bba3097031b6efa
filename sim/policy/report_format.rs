//! The formats that a result can be told in, by name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A format of results. Which files it makes, and how, only `report` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportFormat {
    /// Everything that is known, for programs. It is always written: every other one can be made of it again.
    Json,
    /// The histograms of each second, for the tools of HdrHistogram.
    Hlog,
    /// A page for people, with pictures.
    Html,
    /// A page for people, as job summaries show it.
    Markdown,
    /// Every condition as a test, as CI services show them.
    Junit,
    /// The figures as metrics, for what stores or pushes them.
    Metrics,
    /// A few figures, for the trend that github-action-benchmark draws.
    Benchmark,
    /// Everything that happens to updates, as it happens. It cannot be made again of a result.
    Events,
}

impl ReportFormat {
    /// Every format, in the order in which they are written and listed.
    pub const ALL: [Self; 8] =
        [Self::Json, Self::Hlog, Self::Html, Self::Markdown, Self::Junit, Self::Metrics, Self::Benchmark, Self::Events];

    /// The name in profiles and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Hlog => "hlog",
            Self::Html => "html",
            Self::Markdown => "markdown",
            Self::Junit => "junit",
            Self::Metrics => "metrics",
            Self::Benchmark => "benchmark",
            Self::Events => "events",
        }
    }

    /// Whether a run writes it when nobody says which formats are wanted. One that grows with every transition of every
    /// device is not among these.
    #[must_use]
    pub const fn is_default(self) -> bool {
        match self {
            Self::Json | Self::Hlog | Self::Html | Self::Markdown | Self::Junit | Self::Metrics | Self::Benchmark => {
                true
            }
            Self::Events => false,
        }
    }

    /// Those that a run writes when nobody says which are wanted.
    pub fn defaults() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|format| format.is_default())
    }
}

impl fmt::Display for ReportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_written_as_it_is_read() {
        for format in ReportFormat::ALL {
            assert_eq!(serde_json::to_value(format).unwrap(), format.name());
            assert_eq!(serde_json::from_value::<ReportFormat>(format.name().into()).unwrap(), format);
        }
    }
}

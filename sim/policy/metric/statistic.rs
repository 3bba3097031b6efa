//! Statistics of a series.

/// A statistic of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// How many samples.
    Count,
    /// The smallest.
    Min,
    /// The arithmetic mean.
    Mean,
    /// The largest.
    Max,
    /// The value that this share of the samples does not exceed, in hundredths of a percent.
    Percentile(u16),
}

impl Statistic {
    /// The percentiles that results state.
    pub const PERCENTILES: [Self; 6] = [
        Self::Percentile(5_000),
        Self::Percentile(9_000),
        Self::Percentile(9_500),
        Self::Percentile(9_900),
        Self::Percentile(9_990),
        Self::Percentile(9_999),
    ];

    /// The name in results and thresholds.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Min => "min",
            Self::Mean => "mean",
            Self::Max => "max",
            Self::Percentile(5_000) => "p50",
            Self::Percentile(9_000) => "p90",
            Self::Percentile(9_500) => "p95",
            Self::Percentile(9_900) => "p99",
            Self::Percentile(9_990) => "p99_9",
            Self::Percentile(_) => "p99_99",
        }
    }

    /// The statistic of this name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        // `p99.9` is how people write it; the dots of the expression make it `p99_9`, and both are understood.
        let name = name.replace('.', "_");
        [Self::Count, Self::Min, Self::Mean, Self::Max]
            .into_iter()
            .chain(Self::PERCENTILES)
            .find(|statistic| statistic.name() == name)
    }
}

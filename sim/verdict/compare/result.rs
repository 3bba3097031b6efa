//! What a comparison found.

use jiff::Timestamp;
use serde::Serialize;

use super::{CapacityChange, Difference};
use crate::measure::{SeriesData, Verdict};
use crate::policy::{Better, Metric, Series};

/// Everything that is known of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparisonResult {
    /// The version of the program that compared.
    pub version: String,
    /// Regressed if any metric is, else inconclusive if any is, else improved if any is, else equivalent.
    pub verdict: Change,
    /// The exit code of the command.
    pub exit_code: u8,
    /// A change counts if it is larger than so many percent.
    pub margin_pct: f64,
    /// Whether medians were held against the margin alone: no statistics stand behind the verdicts.
    pub margin_only: bool,
    /// What would have been refused without `--force`; the verdicts stand on it all the same.
    pub forced: Vec<String>,
    /// What differs between the sides besides the hub, and may matter.
    pub warnings: Vec<String>,
    /// How the hubs under test differ by plan.
    pub hub: Vec<Difference>,
    /// The runs of the base.
    pub base: Vec<RunRow>,
    /// The runs that are compared with it.
    pub new: Vec<RunRow>,
    /// The capacity, where both sides are searches: metrics and series are then empty, as loads differ.
    pub capacity: Option<CapacityChange>,
    /// The named metrics, in the order in which they were named.
    pub metrics: Vec<MetricRow>,
    /// Every series, the samples of each side's runs together: shown, never judged.
    pub series: Vec<SeriesRow>,
}

/// What became of a metric, or of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is worse, by more than the margin.
    Regressed,
    /// It is better, by more than the margin.
    Improved,
    /// Whatever change there may be lies within the margin.
    Equivalent,
    /// The runs do not tell.
    Inconclusive,
}

/// A run that took part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunRow {
    /// The file that holds its result.
    pub path: String,
    /// The profile's name.
    pub name: String,
    /// When it started, or the search did.
    pub started_at: Timestamp,
    /// How long that took, in seconds.
    pub duration_s: f64,
    /// The version of the program that ran it.
    pub version: String,
    /// The seed.
    pub seed: u64,
    /// Cores of the machine.
    pub cores: usize,
    /// Whether its figures count.
    pub valid: bool,
    /// What it proved by itself.
    pub verdict: Verdict,
}

/// A metric on both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRow {
    /// Which.
    pub metric: Metric,
    /// Which way it gets better.
    pub better: Better,
    /// Its value in each run of the base, in the metric's unit; `None` where there is no evidence.
    pub base: Vec<Option<f64>>,
    /// The same of the new runs.
    pub new: Vec<Option<f64>>,
    /// The median of the base's values, where no run lacks one.
    pub base_median: Option<f64>,
    /// The same of the new runs.
    pub new_median: Option<f64>,
    /// From the base's median to the new one, in percent of the base's; infinite where that is 0.
    pub change_pct: Option<f64>,
    /// Where that lies by the bootstrap, with 95 % confidence; `None` without statistics.
    pub interval: Option<Interval>,
    /// The two-sided p of the rank test over runs.
    pub p: Option<f64>,
    /// The same corrected for all metrics.
    pub p_holm: Option<f64>,
    /// The verdict.
    pub verdict: Change,
    /// Why.
    pub reason: String,
}

/// An interval of changes, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Its lower end.
    pub low_pct: f64,
    /// Its upper end; infinite where the base's median may be 0.
    pub high_pct: f64,
}

/// A series on both sides, each with the samples of all its runs.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesRow {
    /// Which.
    pub series: Series,
    /// The base's samples; none where it was not measured.
    pub base: SeriesData,
    /// The new ones.
    pub new: SeriesData,
}

impl Change {
    /// The name in every format.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Regressed => "regressed",
            Self::Improved => "improved",
            Self::Equivalent => "equivalent",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// That of several together; inconclusive if there is none, as nothing is no evidence.
    #[must_use]
    pub fn of(changes: impl IntoIterator<Item = Self>) -> Self {
        let rank = |change: &Self| match change {
            Self::Regressed => 0,
            Self::Inconclusive => 1,
            Self::Improved => 2,
            Self::Equivalent => 3,
        };
        changes.into_iter().min_by_key(rank).unwrap_or(Self::Inconclusive)
    }
}

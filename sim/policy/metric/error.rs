//! Why a text is no threshold.

use crate::policy::{Outcome, Series};

/// Why a text is not a threshold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdError {
    /// Not `metric comparison limit`.
    #[error("`{0}` is not a threshold: write it like `update.total.p99 < 60s` or `census.completed.pct >= 100`")]
    Form(String),
    /// An unknown left side.
    #[error(
        "unknown metric `{0}`: allowed are `<series>.<statistic>`, `census.<outcome>`, `census.<outcome>.pct`, \
         `rate.achieved`, `generator.cpu`, `connected.pct`, `connections.lost.unexplained`, `reports.dropped`, \
         `invariants.violations`, `faults.…`, `retry.…`, `rollout.…`, `messages.…` and `throttle.<operation>.goodput.pct`"
    )]
    Metric(String),
    /// An unknown phase of a drill.
    #[error("unknown phase `{0}`: allowed are before, during and after")]
    Phase(String),
    /// An unknown series.
    #[error("unknown series `{series}` in `{metric}`: allowed are {}", Series::ALL.map(Series::name).join(", "))]
    Series {
        /// The left side.
        metric: String,
        /// What stands for the series.
        series: String,
    },
    /// An unknown statistic.
    #[error(
        "unknown statistic `{statistic}` in `{metric}`: allowed are count, min, mean, p50, p90, p95, p99, p99_9, p99_99 and max"
    )]
    Statistic {
        /// The left side.
        metric: String,
        /// What stands for the statistic.
        statistic: String,
    },
    /// An unknown outcome.
    #[error("unknown outcome `{outcome}` in `{metric}`: allowed are {}", Outcome::ALL.map(Outcome::as_str).join(", "))]
    Outcome {
        /// The left side.
        metric: String,
        /// What stands for the outcome.
        outcome: String,
    },
    /// An unknown figure of a family that is known.
    #[error("unknown figure `{figure}` in `{metric}`: allowed are {allowed}")]
    Figure {
        /// The left side.
        metric: String,
        /// What stands for the figure.
        figure: String,
        /// What may stand there.
        allowed: &'static str,
    },
    /// The right side does not fit the left one.
    #[error("`{limit}` does not fit `{metric}`, which wants {wants}")]
    Unit {
        /// The right side.
        limit: String,
        /// The left side.
        metric: String,
        /// What it wants.
        wants: &'static str,
    },
}

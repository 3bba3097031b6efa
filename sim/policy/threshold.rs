//! Threshold expressions: `update.total.p99 < 60s`, `census.completed.pct >= 100`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Outcome, Series, units};

/// A condition on a finished run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Threshold {
    /// The left side.
    pub metric: Metric,
    /// The operator.
    pub comparison: Comparison,
    /// The right side, in the metric's unit.
    pub limit: f64,
}

/// What a threshold looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// A statistic of a series.
    Series(Series, Statistic),
    /// How many updates ended so.
    Census(Outcome),
    /// How many percent of the planned updates ended so.
    CensusPercent(Outcome),
    /// Calls really sent per second.
    RateAchieved,
    /// CPU of the generator, percent of the machine's cores.
    GeneratorCpu,
}

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

/// How the two sides compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

/// Why a text is not a threshold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdError {
    /// Not `metric comparison limit`.
    #[error("`{0}` is not a threshold: write it like `update.total.p99 < 60s` or `census.completed.pct >= 100`")]
    Form(String),
    /// An unknown left side.
    #[error(
        "unknown metric `{0}`: allowed are `<series>.<statistic>`, `census.<outcome>`, `census.<outcome>.pct`, `rate.achieved` and `generator.cpu`"
    )]
    Metric(String),
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

    fn parse(name: &str) -> Option<Self> {
        // `p99.9` is how people write it; the dots of the expression make it `p99_9`, and both are understood.
        let name = name.replace('.', "_");
        [Self::Count, Self::Min, Self::Mean, Self::Max]
            .into_iter()
            .chain(Self::PERCENTILES)
            .find(|statistic| statistic.name() == name)
    }
}

impl Metric {
    /// The unit of its values.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::Series(_, Statistic::Count) | Self::Census(_) => Unit::Count,
            Self::Series(..) => Unit::Duration,
            Self::CensusPercent(_) | Self::GeneratorCpu => Unit::Percent,
            Self::RateAchieved => Unit::Rate,
        }
    }
}

impl FromStr for Metric {
    type Err = ThresholdError;

    fn from_str(metric: &str) -> Result<Self, Self::Err> {
        if let Some(rest) = metric.strip_prefix("census.") {
            let (outcome, percent) = rest.strip_suffix(".pct").map_or((rest, false), |outcome| (outcome, true));
            let outcome = Outcome::parse(outcome)
                .ok_or_else(|| ThresholdError::Outcome { metric: metric.to_owned(), outcome: outcome.to_owned() })?;
            return Ok(if percent { Self::CensusPercent(outcome) } else { Self::Census(outcome) });
        }
        match metric {
            "rate.achieved" => return Ok(Self::RateAchieved),
            "generator.cpu" => return Ok(Self::GeneratorCpu),
            _ => {}
        }
        // Series names hold dots and so may percentiles: the longest series name that fits decides.
        let series = Series::ALL
            .into_iter()
            .filter(|series| metric.strip_prefix(series.name()).is_some_and(|rest| rest.starts_with('.')))
            .max_by_key(|series| series.name().len());
        if let Some(series) = series {
            let statistic = &metric[series.name().len() + 1..];
            let statistic = Statistic::parse(statistic).ok_or_else(|| ThresholdError::Statistic {
                metric: metric.to_owned(),
                statistic: statistic.to_owned(),
            })?;
            return Ok(Self::Series(series, statistic));
        }
        match metric.rsplit_once('.') {
            Some((series, statistic)) if Statistic::parse(statistic).is_some() => {
                Err(ThresholdError::Series { metric: metric.to_owned(), series: series.to_owned() })
            }
            _ => Err(ThresholdError::Metric(metric.to_owned())),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Series(series, statistic) => write!(f, "{series}.{}", statistic.name()),
            Self::Census(outcome) => write!(f, "census.{outcome}"),
            Self::CensusPercent(outcome) => write!(f, "census.{outcome}.pct"),
            Self::RateAchieved => f.write_str("rate.achieved"),
            Self::GeneratorCpu => f.write_str("generator.cpu"),
        }
    }
}

impl Comparison {
    // Two-character operators first, so that `<` does not match the head of `<=`.
    const ALL: [(&str, Self); 6] = [
        ("<=", Self::LessOrEqual),
        (">=", Self::GreaterOrEqual),
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
        ("<", Self::Less),
        (">", Self::Greater),
    ];

    /// Whether `left` and `right` stand in this relation.
    #[must_use]
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
            Self::Equal => (left - right).abs() <= f64::EPSILON * left.abs().max(right.abs()),
            Self::NotEqual => !Self::Equal.holds(left, right),
        }
    }
}

impl Unit {
    fn parse(self, text: &str) -> Result<f64, &'static str> {
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
            Self::Duration => units::format_duration(std::time::Duration::from_secs_f64(value.max(0.0))),
            Self::Rate => format!("{value}/s"),
            Self::Count | Self::Percent => format!("{value}"),
        }
    }
}

impl FromStr for Threshold {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || ThresholdError::Form(text.to_owned());
        let at = text.find(['<', '>', '=', '!']).ok_or_else(form)?;
        let (metric, rest) = (text[..at].trim(), &text[at..]);
        let (sign, comparison) =
            Comparison::ALL.into_iter().find(|(sign, _)| rest.starts_with(sign)).ok_or_else(form)?;
        let limit = rest[sign.len()..].trim();
        if metric.is_empty() || limit.is_empty() {
            return Err(form());
        }
        let metric: Metric = metric.parse()?;
        let limit = metric.unit().parse(limit).map_err(|wants| ThresholdError::Unit {
            limit: limit.to_owned(),
            metric: metric.to_string(),
            wants,
        })?;
        Ok(Self { metric, comparison, limit })
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = Comparison::ALL.iter().find(|(_, c)| *c == self.comparison).map_or("", |(sign, _)| sign);
        write!(f, "{} {sign} {}", self.metric, self.metric.unit().format(self.limit))
    }
}

impl TryFrom<String> for Threshold {
    type Error = ThresholdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Threshold> for String {
    fn from(threshold: Threshold) -> Self {
        threshold.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_metric_reads_and_writes_itself() {
        for text in [
            "update.total.p99 < 1m",
            "method.response.error.count == 0",
            "method.response.p99_9 <= 250ms",
            "twin.ack.rolledBack.max > 1s",
            "census.completed.pct >= 100",
            "census.stuck != 3",
            "rate.achieved >= 95.5/s",
            "generator.cpu < 80",
        ] {
            assert_eq!(text.parse::<Threshold>().unwrap().to_string(), text);
        }
        assert_eq!("update.total.p99.9<60s".parse::<Threshold>().unwrap().to_string(), "update.total.p99_9 < 1m");
    }

    #[test]
    fn nonsense_is_named_with_the_way_out() {
        for (text, says) in [
            ("update.total.p99", "is not a threshold"),
            ("< 3", "is not a threshold"),
            ("update.total.p98 < 3s", "unknown statistic `p98`"),
            ("update.totl.p99 < 3s", "unknown series `update.totl`"),
            ("census.done == 1", "unknown outcome `done`"),
            ("speed > 1", "unknown metric `speed`"),
            ("update.total.p99 < 60", "wants a duration"),
            ("census.completed.pct >= 101", "wants a percentage"),
            ("update.total.count < 3s", "wants a count"),
        ] {
            let error = text.parse::<Threshold>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}

//! Threshold expressions: `update.total.p99 < 60s`, `census.completed.pct >= 100`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Metric, ThresholdError};

/// A condition on a finished run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Threshold {
    /// The left side.
    pub metric: Metric,
    /// The operator.
    pub comparison: Comparison,
    /// The right side, in the metric's unit.
    pub limit: f64,
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
            "faults.half_open.found.max < 9s",
            "retry.connect.exponential.peak <= 500/s",
            "rollout.aborted == 1",
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
            ("retry.connect.fixed.peak < 3s", "wants a rate"),
            ("faults.half_open.found.p50 < 3", "wants a duration"),
        ] {
            let error = text.parse::<Threshold>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}

//! What tables of comparisons have in common: their words and their figures.

use super::super::{human_duration, human_value};
use crate::measure::SeriesData;
use crate::policy::{Metric, Statistic};
use crate::verdict::compare::{ComparisonResult, Interval, RunRow, SeriesRow};

/// What is shown of a series, and by which name.
pub(super) fn figures() -> impl Iterator<Item = (&'static str, Statistic)> {
    [5_000, 9_000, 9_900].map(Statistic::Percentile).into_iter().chain([Statistic::Max]).map(|it| (it.name(), it))
}

/// How a statistic of a series changed, in percent; `None` where a side has none, or the base has 0.
pub(super) fn change_of(row: &SeriesRow, statistic: Statistic) -> Option<f64> {
    let (base, new) = (row.base.statistic(statistic)?, row.new.statistic(statistic)?);
    (base > 0.0).then(|| (new / base - 1.0) * 100.0)
}

/// A change as `+16.7 %`.
pub(super) fn change(change: Option<f64>) -> String {
    match change {
        None => "-".to_owned(),
        Some(change) if change.is_infinite() => "from 0".to_owned(),
        Some(change) if change.abs() > 99.95 => format!("{change:+.0} %"),
        Some(change) => format!("{change:+.1} %"),
    }
}

/// An interval as `+14.2 to +18.9 %`.
pub(super) fn interval(interval: Option<Interval>) -> String {
    let end = |end: f64| if end.is_infinite() { "infinite".to_owned() } else { format!("{end:+.1}") };
    interval.map_or_else(|| "-".to_owned(), |it| format!("{} to {} %", end(it.low_pct), end(it.high_pct)))
}

/// A p with three decimals.
pub(super) fn p_value(p: Option<f64>) -> String {
    match p {
        None => "-".to_owned(),
        Some(p) if p < 0.001 => "<0.001".to_owned(),
        Some(p) => format!("{p:.3}"),
    }
}

/// A value in its metric's unit.
pub(in crate::report) fn value(metric: &Metric, value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| human_value(metric.unit(), value))
}

/// A duration of a series.
pub(super) fn duration(data: &SeriesData, statistic: Statistic) -> String {
    data.statistic(statistic).map_or_else(|| "-".to_owned(), human_duration)
}

/// What was compared, the base and the new: `5 runs of quickstart`.
pub(super) fn sides(comparison: &ComparisonResult) -> [String; 2] {
    let (one, several) = if comparison.capacity.is_some() { ("search", "searches") } else { ("run", "runs") };
    [&comparison.base, &comparison.new].map(|rows: &Vec<RunRow>| {
        let mut names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        names.dedup();
        let what = if rows.len() == 1 { one } else { several };
        format!("{} {what} of {}", rows.len(), names.join(", "))
    })
}

/// How the verdict was come to, in a sentence or two.
pub(super) fn method(comparison: &ComparisonResult) -> String {
    let margin = comparison.margin_pct;
    if comparison.capacity.is_some() {
        return format!(
            "Regressed or improved: whatever lies in the one interval differs from whatever lies in the other by more \
             than {margin} %. Equivalent: none of it by more than that. Latencies were measured under different loads, \
             and are not compared."
        );
    }
    if comparison.margin_only {
        return format!(
            "Medians against a margin of {margin} % alone (--margin-only): no statistics stand behind these verdicts."
        );
    }
    format!(
        "A change counts if it is significant over runs (two-sided Mann-Whitney test, p below 0.05 after Holm's correction \
         for {} metrics), if the 95 % bootstrap interval of the change of the median excludes 0, and if it is larger than {margin} %. \
         Equivalent: the whole interval lies within that margin.",
        comparison.metrics.len()
    )
}

/// What an inconclusive comparison is worth.
pub(super) fn inconclusive(comparison: &ComparisonResult) -> &'static str {
    if comparison.exit_code == 0 {
        "inconclusive proves nothing: that this passes was asked for (--inconclusive pass)"
    } else {
        "inconclusive proves nothing, and does not pass"
    }
}

/// How the hubs differ by plan.
pub(super) fn hubs(comparison: &ComparisonResult) -> String {
    let differences: Vec<String> = comparison.hub.iter().map(ToString::to_string).collect();
    if differences.is_empty() { "the plans name the same hub".to_owned() } else { differences.join(", ") }
}

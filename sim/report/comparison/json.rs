//! `comparison.json`: all of a comparison, each side's samples of every series included.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::results_json::SeriesName;
use super::cells::{change_of, figures};
use super::{ComparisonReporter, ReportError};
use crate::measure::SeriesData;
use crate::policy::{Better, Metric, Unit};
use crate::verdict::compare::{
    CapacityChange, Change, ComparisonResult, Difference, Interval, MetricRow, RunRow, SeriesRow,
};
use crate::verdict::statistics::{EXACT_UP_TO, RESAMPLES};

/// The version of the form.
const SCHEMA: &str = "twinstorm.comparison/1";

/// `comparison.json`.
#[derive(Debug, Clone, Copy)]
pub struct ComparisonJson;

impl ComparisonReporter for ComparisonJson {
    fn render(&self, comparison: &ComparisonResult) -> Result<Vec<u8>, ReportError> {
        let mut bytes = serde_json::to_vec_pretty(&Document::of(comparison))?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// The keys in their order.
#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    version: &'a str,
    verdict: Change,
    exit_code: u8,
    method: Method,
    forced: &'a [String],
    warnings: &'a [String],
    hub: &'a [Difference],
    base: &'a [RunRow],
    new: &'a [RunRow],
    /// Where both sides are searches.
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity: Option<&'a CapacityChange>,
    metrics: Vec<MetricJson<'a>>,
    /// Never judged.
    series: BTreeMap<SeriesName, SeriesJson<'a>>,
}

/// How verdicts were come to.
#[derive(Serialize)]
struct Method {
    /// No statistics stand behind the verdicts.
    margin_only: bool,
    margin_pct: f64,
    /// Absent with `margin_only` and of searches, as those that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resamples: Option<usize>,
}

#[derive(Serialize)]
struct MetricJson<'a> {
    metric: &'a Metric,
    unit: &'static str,
    better: Better,
    base: &'a [Option<f64>],
    new: &'a [Option<f64>],
    base_median: Option<f64>,
    new_median: Option<f64>,
    /// Null too where it is infinite: the base's median is 0.
    change_pct: Option<f64>,
    interval: Option<Interval>,
    p: Option<f64>,
    p_holm: Option<f64>,
    verdict: Change,
    reason: &'a str,
}

#[derive(Serialize)]
struct SeriesJson<'a> {
    base: Option<&'a SeriesData>,
    new: Option<&'a SeriesData>,
    /// By statistic, where both sides have one.
    change_pct: BTreeMap<&'static str, f64>,
}

impl<'a> Document<'a> {
    fn of(comparison: &'a ComparisonResult) -> Self {
        let ComparisonResult { version, verdict, exit_code, forced, warnings, hub, base, new, .. } = comparison;
        Self {
            schema: SCHEMA,
            version,
            verdict: *verdict,
            exit_code: *exit_code,
            method: Method::of(comparison),
            forced,
            warnings,
            hub,
            base,
            new,
            capacity: comparison.capacity.as_ref(),
            metrics: comparison.metrics.iter().map(MetricJson::of).collect(),
            series: comparison.series.iter().map(|row| (SeriesName::of(row.series), SeriesJson::of(row))).collect(),
        }
    }
}

impl Method {
    fn of(comparison: &ComparisonResult) -> Self {
        let runs = comparison.base.len() + comparison.new.len();
        let test = if runs <= EXACT_UP_TO { "mann-whitney, exact" } else { "mann-whitney, normal approximation" };
        let asked = !comparison.margin_only && comparison.capacity.is_none();
        Self {
            margin_only: comparison.margin_only,
            margin_pct: comparison.margin_pct,
            test: asked.then_some(test),
            correction: asked.then_some("holm"),
            level: asked.then_some(0.05),
            interval: asked.then_some("95 %, percentile bootstrap of the ratio of medians over runs"),
            resamples: asked.then_some(RESAMPLES),
        }
    }
}

impl<'a> MetricJson<'a> {
    fn of(row: &'a MetricRow) -> Self {
        let finite = |interval: &Interval| interval.low_pct.is_finite() && interval.high_pct.is_finite();
        Self {
            metric: &row.metric,
            unit: match row.metric.unit() {
                Unit::Duration => "s",
                Unit::Rate => "1/s",
                Unit::Count => "count",
                Unit::Percent => "%",
            },
            better: row.better,
            base: &row.base,
            new: &row.new,
            base_median: row.base_median,
            new_median: row.new_median,
            change_pct: row.change_pct.filter(|change| change.is_finite()),
            interval: row.interval.filter(finite),
            p: row.p,
            p_holm: row.p_holm,
            verdict: row.verdict,
            reason: &row.reason,
        }
    }
}

impl<'a> SeriesJson<'a> {
    fn of(row: &'a SeriesRow) -> Self {
        let some = |data: &'a SeriesData| Some(data).filter(|data| data.count() > 0);
        let changes = figures().filter_map(|(name, statistic)| Some((name, change_of(row, statistic)?)));
        Self { base: some(&row.base), new: some(&row.new), change_pct: changes.collect() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::sample::{sample, searches};
    use super::*;
    use crate::report::decode;

    #[test]
    fn everything_is_in_it() {
        let comparison = sample();
        let json: Value = serde_json::from_slice(&ComparisonJson.render(&comparison).unwrap()).unwrap();
        assert_eq!(json["schema"], "twinstorm.comparison/1");
        assert_eq!((&json["verdict"], &json["exit_code"]), (&"regressed".into(), &98.into()));
        assert_eq!(json["method"]["test"], "mann-whitney, exact");
        let first = &json["metrics"][0];
        assert_eq!((&first["metric"], &first["unit"]), (&"update.overhead.p50".into(), &"s".into()));
        assert_eq!(first["base"].as_array().unwrap().len(), 5);
        assert_eq!(json["metrics"][2]["verdict"], "inconclusive");
        assert!(json["metrics"][2]["change_pct"].is_null());
        assert_eq!(json["base"][4]["path"], "base/run-05/results.json");
        let merged = decode(json["series"]["method.response"]["new"]["hdr"].as_str().unwrap(), 0).unwrap();
        assert_eq!(merged, comparison.series[0].new);
        assert!(json["series"]["method.response"]["change_pct"]["p50"].as_f64().unwrap() > 10.0);
        assert!(json["series"]["update.total"]["base"].is_null());
    }

    #[test]
    fn searches_have_a_capacity() {
        let json: Value = serde_json::from_slice(&ComparisonJson.render(&searches()).unwrap()).unwrap();
        let capacity = &json["capacity"];
        assert_eq!((&capacity["of"], &capacity["unit"]), (&"calls".into(), &"calls/s".into()));
        assert_eq!((&capacity["base"]["low"], &capacity["new"]["high"]), (&40.0.into(), &31.3.into()));
        let first = &capacity["base"]["searches"][0];
        assert_eq!((&first["cause"], &first["doubts"]), (&"throttled".into(), &serde_json::json!([])));
        assert_eq!((&capacity["verdict"], &capacity["change"]["high_pct"]), (&"regressed".into(), &(-21.75).into()));
        assert_eq!(json["method"], serde_json::json!({"margin_only": false, "margin_pct": 10.0}));
        assert!(json["metrics"].as_array().unwrap().is_empty());
        let runs: Value = serde_json::from_slice(&ComparisonJson.render(&sample()).unwrap()).unwrap();
        assert!(runs.get("capacity").is_none());
    }

    #[test]
    fn without_statistics_none_are_named() {
        let comparison = ComparisonResult { margin_only: true, ..sample() };
        let json: Value = serde_json::from_slice(&ComparisonJson.render(&comparison).unwrap()).unwrap();
        assert_eq!(json["method"], serde_json::json!({"margin_only": true, "margin_pct": 10.0}));
    }
}

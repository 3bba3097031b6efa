//! Numbers as metrics have them, distributions and judgements.

use std::collections::BTreeSet;

use crate::measure::{MetricsText, RunResult, SeriesData, ThresholdResult};
use crate::policy::{Assertion, Statistic, Unit};

/// The quantiles that a summary tells: its label, and the statistic.
const QUANTILES: [(&str, Statistic); 8] = [
    ("0.0", Statistic::Min),
    ("0.5", Statistic::Percentile(5_000)),
    ("0.9", Statistic::Percentile(9_000)),
    ("0.95", Statistic::Percentile(9_500)),
    ("0.99", Statistic::Percentile(9_900)),
    ("0.999", Statistic::Percentile(9_990)),
    ("0.9999", Statistic::Percentile(9_999)),
    ("1.0", Statistic::Max),
];

/// A measured value with three significant digits; what has more before its point keeps them.
pub(super) fn measured(value: f64) -> String {
    if value.abs() >= 100.0 {
        return exact(value.round());
    }
    format!("{value:.2e}").parse().map_or_else(|_| exact(value), exact)
}

/// A sum of durations, in seconds: differences are taken of it.
pub(super) fn to_micros(seconds: f64) -> String {
    exact((seconds * 1e6).round() / 1e6)
}

/// A number as it is, in plain digits.
pub(super) fn exact(value: f64) -> String {
    if value.is_finite() {
        format!("{value}")
    } else if value.is_nan() {
        "NaN".to_owned()
    } else {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    }
}

/// Every series.
pub(super) fn durations(text: &mut MetricsText, result: &RunResult) {
    text.summary(
        "twinstorm_duration_seconds",
        "seconds",
        "Durations by series; quantiles with too few samples are left out.",
    );
    for (series, data) in &result.series {
        let quantile = |(label, statistic)| Some((label, measured(data.statistic(statistic)?)));
        let quantiles = QUANTILES.into_iter().filter_map(quantile);
        text.distribution(&[("series", series.name())], quantiles, data.count(), to_micros(sum(data)));
    }
    text.counter("twinstorm_duration_saturated", "", "Samples longer than a histogram holds, by series.");
    for (series, data) in &result.series {
        text.sample(&[("series", series.name())], data.saturated);
    }
}

/// All samples added up, in seconds.
fn sum(data: &SeriesData) -> f64 {
    data.statistic(Statistic::Mean).map_or(0.0, |mean| mean * data.count() as f64)
}

/// Thresholds, and what a drill adds to them.
pub(super) fn thresholds(text: &mut MetricsText, result: &RunResult) {
    let all = || once_each(result.thresholds.iter().map(|judged| (judged.expr.clone(), judged)));
    lights(text, "twinstorm_threshold_ok", "Whether a threshold holds.", all());
    text.gauge("twinstorm_threshold_observed", "", "What a threshold was judged by, in its metric's own unit.");
    for (expr, judged) in all() {
        if let Some(observed) = judged.observed {
            text.sample(&[("expr", &expr)], in_its_unit(&expr, observed));
        }
    }
    if let Some(drill) = &result.drill {
        let steady =
            drill.steady.iter().map(|steady| (format!("{}: {}", steady.phase, steady.judged.expr), &steady.judged));
        let asserted = drill.assertions.iter().map(|judged| (judged.expr.clone(), judged));
        let help = "Whether an expression of a drill's steady state, or an assertion, holds.";
        lights(text, "twinstorm_drill_ok", help, once_each(steady.chain(asserted)));
    }
}

fn lights<'a>(
    text: &mut MetricsText,
    name: &str,
    help: &str,
    judged: impl Iterator<Item = (String, &'a ThresholdResult)>,
) {
    text.gauge(name, "", help);
    for (expr, judged) in judged {
        if let Some(ok) = judged.ok {
            text.sample(&[("expr", &expr)], u8::from(ok));
        }
    }
}

/// A plan may say the same twice; a family may not.
fn once_each<'a>(
    judged: impl Iterator<Item = (String, &'a ThresholdResult)>,
) -> impl Iterator<Item = (String, &'a ThresholdResult)> {
    let mut told = BTreeSet::new();
    judged.filter(move |(expr, _)| told.insert(expr.clone()))
}

fn in_its_unit(expr: &str, observed: f64) -> String {
    // Expressions were checked when the plan was made; one from elsewhere is told as a plain number.
    let unit = expr.parse::<Assertion>().ok().map(|assertion| assertion.threshold.metric.unit());
    if unit == Some(Unit::Duration) { measured(observed) } else { exact(observed) }
}

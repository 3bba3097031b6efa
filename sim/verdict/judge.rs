//! Thresholds against a result.

use crate::measure::{RunResult, SeriesData, ThresholdResult};
use crate::policy::{Comparison, Metric, Statistic, Threshold};

/// Judges every threshold.
#[must_use]
pub fn judge(thresholds: &[Threshold], result: &RunResult) -> Vec<ThresholdResult> {
    thresholds
        .iter()
        .map(|threshold| {
            let (observed, judged_by) = observe(threshold, result);
            ThresholdResult {
                expr: threshold.to_string(),
                observed,
                judged_by: judged_by.map(|statistic| statistic.name().to_owned()),
                ok: observed.map(|observed| threshold.comparison.holds(observed, threshold.limit)),
            }
        })
        .collect()
}

/// The observed value in the metric's unit, and the statistic that stood in for the one asked for.
fn observe(threshold: &Threshold, result: &RunResult) -> (Option<f64>, Option<Statistic>) {
    let value = match threshold.metric {
        Metric::Series(series, statistic) => {
            if result.absent.contains(&series) {
                return (None, None);
            }
            return match result.series.get(&series) {
                Some(data) => of_series(data, statistic, threshold.comparison),
                // Nothing happened that this series would have measured: a count of 0, and no other value.
                None => ((statistic == Statistic::Count).then_some(0.0), None),
            };
        }
        Metric::Census(outcome) => Some(result.census.count(outcome) as f64),
        Metric::CensusPercent(outcome) => result.census.percent(outcome),
        Metric::RateAchieved => result.rate.achieved_per_s,
        Metric::GeneratorCpu => Some(result.generator.cpu_percent),
    };
    (value, None)
}

/// A percentile with too few samples is no number; but it lies between minimum and maximum, and the one of these
/// that is worse for the threshold judges in its place. What holds for that one holds for the percentile.
fn of_series(data: &SeriesData, statistic: Statistic, comparison: Comparison) -> (Option<f64>, Option<Statistic>) {
    let value = data.statistic(statistic);
    let worse = match comparison {
        Comparison::Less | Comparison::LessOrEqual => Statistic::Max,
        Comparison::Greater | Comparison::GreaterOrEqual => Statistic::Min,
        Comparison::Equal | Comparison::NotEqual => return (value, None),
    };
    match value {
        Some(_) => (value, None),
        None => {
            let stand_in = data.statistic(worse);
            (stand_in, stand_in.map(|_| worse))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::policy::{Outcome, Series};

    fn judged(text: &str, result: &RunResult) -> (Option<f64>, Option<bool>, Option<String>) {
        let [ThresholdResult { observed, ok, judged_by, .. }] = &judge(&[text.parse().unwrap()], result)[..] else {
            panic!("one in, one out")
        };
        (*observed, *ok, judged_by.clone())
    }

    #[test]
    fn each_metric_is_found() {
        let mut result = RunResult::default();
        result.census.planned = 200;
        result.census.add(Outcome::Completed, "", 199);
        result.census.add(Outcome::Stuck, "applying", 1);
        result.rate.achieved_per_s = Some(98.5);
        result.generator.cpu_percent = 12.5;
        let data = result.series.entry(Series::UpdateTotal).or_default();
        (1..=2000).for_each(|ms| data.record(Duration::from_millis(ms)));
        for (text, observed, ok) in [
            ("census.completed.pct >= 100", 99.5, false),
            ("census.stuck == 1", 1.0, true),
            ("census.failed == 0", 0.0, true),
            ("rate.achieved > 98", 98.5, true),
            ("generator.cpu < 12", 12.5, false),
            ("update.total.count == 2000", 2000.0, true),
            ("method.response.error.count == 0", 0.0, true),
            ("update.total.p99 < 2s", 1.98, true),
            ("update.total.max < 2s", 2.0, false),
        ] {
            let (value, verdict, by) = judged(text, &result);
            assert!((value.unwrap() - observed).abs() < 0.002 && by.is_none(), "{text}: {value:?}");
            assert_eq!(verdict, Some(ok), "{text}");
        }
    }

    #[test]
    fn too_few_samples_are_judged_by_the_worst() {
        let mut result = RunResult::default();
        let data = result.series.entry(Series::UpdateTotal).or_default();
        (1..=5).for_each(|s| data.record(Duration::from_secs(s)));
        for (text, ok, by) in [
            ("update.total.p99 < 6s", Some(true), Some("max")),
            ("update.total.p50 < 4s", Some(false), Some("max")),
            ("update.total.p50 > 2s", Some(false), Some("min")),
            ("update.total.p50 == 3s", None, None),
            ("update.total.mean < 4s", Some(true), None),
        ] {
            let (_, verdict, judged_by) = judged(text, &result);
            assert_eq!((verdict, judged_by.as_deref()), (ok, by), "{text}");
        }
    }

    #[test]
    fn without_evidence_there_is_no_answer() {
        let mut result = RunResult::default();
        result.absent.push(Series::UpdateOverhead);
        for text in
            ["update.overhead.count == 0", "update.total.p50 < 1s", "rate.achieved > 1", "census.failed.pct < 1"]
        {
            assert_eq!(judged(text, &result), (None, None, None), "{text}");
        }
    }
}

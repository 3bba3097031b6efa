//! Conditions against a result.

use super::observe::{Scope, observe};
use crate::measure::{RunResult, ThresholdResult};
use crate::policy::{Metric, Threshold};

/// Judges every threshold.
#[must_use]
pub fn judge(thresholds: &[Threshold], result: &RunResult) -> Vec<ThresholdResult> {
    thresholds.iter().map(|threshold| judge_in(threshold, Scope::Run, result)).collect()
}

/// Judges one, of the whole run or of a part of it.
pub(super) fn judge_in(threshold: &Threshold, scope: Scope<'_>, result: &RunResult) -> ThresholdResult {
    // With the hub within its process the generator's CPU is known to be no more than a figure, which can show that there was not
    // too much, and never that there was.
    let decides = threshold.metric != Metric::GeneratorCpu || !result.hub_is_within_generator();
    let (observed, judged_by) = observe(&threshold.metric, threshold.comparison, scope, result);
    ThresholdResult {
        expr: threshold.to_string(),
        observed,
        judged_by: judged_by.map(|statistic| statistic.name().to_owned()),
        ok: observed.map(|observed| threshold.comparison.holds(observed, threshold.limit)).filter(|ok| *ok || decides),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::measure::{HubHealth, Interval, LoadSpan, ShardResult};
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
    fn the_second_in_which_fewest_devices_were_connected_counts_if_there_was_load_then() {
        let mut result = RunResult { load: Some(LoadSpan { from_s: 1.5, to_s: 4.0 }), ..RunResult::default() };
        result.shards = vec![ShardResult { devices: 30, ..ShardResult::default() }; 2];
        let second = |(t_s, connected)| Interval { t_s, connected, ..Interval::default() };
        result.intervals = [(1.0, 3), (2.0, 60), (3.0, 45), (4.0, 60), (5.0, 0)].map(second).into();
        assert_eq!(judged("connected.pct >= 75", &result), (Some(75.0), Some(true), None));
        result.load = None;
        assert_eq!(judged("connected.pct >= 75", &result), (None, None, None));
    }

    #[test]
    fn a_hub_within_the_generator_s_process_leaves_an_upper_bound() {
        let mut result = RunResult { hub: Some(HubHealth::default()), ..RunResult::default() };
        result.generator.cpu_percent = 40.0;
        assert_eq!(judged("generator.cpu < 80", &result), (Some(40.0), Some(true), None));
        assert_eq!(judged("generator.cpu > 10", &result), (None, None, None));
        result.hub = Some(HubHealth { cpu_seconds: Some(1.0), ..HubHealth::default() });
        assert_eq!(judged("generator.cpu > 10", &result), (Some(40.0), Some(true), None));
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

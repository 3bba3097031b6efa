//! Whether the figures of a run count.

use std::time::Duration;

use crate::measure::{RunResult, ThresholdResult};
use crate::policy::{Comparison, Metric, Outcome, Series, Threshold, Unit};

/// The generator may always be this late.
const LAG_FLOOR: Duration = Duration::from_millis(10);
/// It may be this share of what it measures late.
const LAG_SHARE: f64 = 0.01;

/// Why the figures of a run do not count; empty if they do. `judged` are its thresholds, judged.
#[must_use]
pub fn validity(thresholds: &[Threshold], judged: &[ThresholdResult], result: &RunResult) -> Vec<String> {
    let mut reasons = Vec::new();
    reasons.extend(schedule_lag(thresholds, result));
    if result.generator.dropped > 0 {
        reasons.push(format!("the generator itself was too late for {}", calls(result.generator.dropped)));
    }
    match result.census.unaccounted() {
        0 => {}
        missing @ 1.. => {
            reasons.push(format!("the census does not add up: {missing} of the planned updates have no outcome"))
        }
        extra => reasons.push(format!("the census does not add up: {} outcomes too many", extra.unsigned_abs())),
    }
    let lost = result.census.count(Outcome::LostShard);
    if lost > 0 {
        reasons.push(format!("a shard died with {lost} of its updates unfinished"));
    }
    for threshold in judged.iter().filter(|threshold| threshold.ok.is_none()) {
        reasons.push(format!("nothing was measured that `{}` could be judged by", threshold.expr));
    }
    reasons
}

/// The generator's own lateness against what it measures.
fn schedule_lag(thresholds: &[Threshold], result: &RunResult) -> Option<String> {
    let data = result.series.get(&Series::ScheduleLag)?;
    let lag = Duration::from_secs_f64(data.cautious_p99()?);
    let limit = tightest(thresholds).map_or(LAG_FLOOR, |slo| slo.mul_f64(LAG_SHARE).max(LAG_FLOOR));
    (lag > limit).then(|| {
        let [lag, limit] = [lag, limit].map(|duration| duration.as_secs_f64() * 1e3);
        format!("the generator was too slow: schedule.lag p99 is {lag:.1} ms, allowed are {limit:.1} ms")
    })
}

/// The smallest duration that a threshold on whole updates or on calls allows: what the lag is measured against.
fn tightest(thresholds: &[Threshold]) -> Option<Duration> {
    let judged_by_lag = |threshold: &&Threshold| match threshold.metric {
        Metric::Series(series, _) => {
            let measured = matches!(
                series,
                Series::UpdateTotal | Series::UpdateTotalError | Series::UpdateOverhead | Series::MethodResponse
            );
            let upper = matches!(threshold.comparison, Comparison::Less | Comparison::LessOrEqual);
            measured && upper && threshold.metric.unit() == Unit::Duration
        }
        _ => false,
    };
    let limits = thresholds.iter().filter(judged_by_lag);
    limits.filter_map(|threshold| Duration::try_from_secs_f64(threshold.limit).ok()).min()
}

fn calls(count: u64) -> String {
    if count == 1 { "1 call".to_owned() } else { format!("{count} calls") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::judge;

    fn reasons(thresholds: &[&str], change: impl FnOnce(&mut RunResult)) -> Vec<String> {
        let thresholds: Vec<Threshold> = thresholds.iter().map(|text| text.parse().unwrap()).collect();
        let mut result = RunResult::default();
        change(&mut result);
        validity(&thresholds, &judge(&thresholds, &result), &result)
    }

    fn late(samples: u32, lag: Duration) -> impl FnOnce(&mut RunResult) {
        move |result| {
            let data = result.series.entry(Series::ScheduleLag).or_default();
            (0..samples).for_each(|_| data.record(lag));
        }
    }

    #[test]
    fn lag_is_measured_against_the_tightest_threshold() {
        let ms = Duration::from_millis;
        assert!(reasons(&[], late(2000, ms(9))).is_empty());
        assert_eq!(
            reasons(&[], late(2000, ms(12))),
            ["the generator was too slow: schedule.lag p99 is 12.0 ms, allowed are 10.0 ms"]
        );
        assert!(reasons(&[], late(5, ms(12)))[0].contains("schedule.lag p99 is"));
        let with = |limit: &str, lag| {
            let total = format!("update.total.max < {limit}");
            reasons(&["update.total.count < 3", &total], |result| {
                result.series.entry(Series::UpdateTotal).or_default().record(ms(1));
                late(2000, lag)(result);
            })
        };
        assert!(with("60s", ms(500)).is_empty());
        assert_eq!(with("30s", ms(500)).len(), 1);
        assert_eq!(with("500ms", ms(12)).len(), 1);
    }

    #[test]
    fn a_census_that_does_not_add_up_is_invalid() {
        let planned = |planned, ended| {
            move |result: &mut RunResult| {
                result.census.planned = planned;
                result.census.add(Outcome::Completed, "", ended);
            }
        };
        assert!(reasons(&[], planned(3, 3)).is_empty());
        assert_eq!(
            reasons(&[], planned(3, 2)),
            ["the census does not add up: 1 of the planned updates have no outcome"]
        );
        assert_eq!(reasons(&[], planned(3, 4)), ["the census does not add up: 1 outcomes too many"]);
    }

    #[test]
    fn dropped_calls_lost_shards_and_missing_evidence_are_named() {
        let found = reasons(&["update.total.p99 < 1s"], |result| {
            result.generator.dropped = 1;
            result.census.planned = 2;
            result.census.add(Outcome::LostShard, "", 2);
        });
        assert_eq!(
            found,
            [
                "the generator itself was too late for 1 call",
                "a shard died with 2 of its updates unfinished",
                "nothing was measured that `update.total.p99 < 1s` could be judged by",
            ]
        );
    }
}

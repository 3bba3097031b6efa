//! Whether the figures of a run count.

use std::time::Duration;

use super::broker;
use crate::measure::{InvariantRow, MessageCounts, MessageKind, OffDiagonal, RunResult, ThresholdResult, Violation};
use crate::policy::{Comparison, Metric, Outcome, Series, Threshold, Unit};

/// How the reason begins that a threshold cannot be judged.
pub const NOTHING_MEASURED: &str = "nothing was measured that";
/// The generator may always be this late.
const LAG_FLOOR: Duration = Duration::from_millis(10);
/// It may be this share of what it measures late.
const LAG_SHARE: f64 = 0.01;

/// Why the figures of a run do not count; empty if they do. `judged` are its thresholds, judged.
#[must_use]
pub fn validity(thresholds: &[Threshold], judged: &[ThresholdResult], result: &RunResult) -> Vec<String> {
    let mut reasons = generator_faults(thresholds, result);
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
    if let Some(settled) = result.settled.as_ref().filter(|settled| lost == 0 && settled.unaccounted != 0) {
        let missing = settled.unaccounted;
        reasons.push(format!("of the updates before those that are measured, {missing} have no outcome"));
    }
    reasons.extend(off_diagonal(result));
    // A shard that was lost took with it what it would have told.
    for fault in result.faults.iter().filter(|fault| lost == 0 && fault.lost() > 0) {
        let lost = fault.lost();
        reasons.push(format!("{lost} of the updates that the fault `{}` struck have no outcome", fault.name));
    }
    reasons.extend(result.invariants.iter().filter_map(broken));
    if lost == 0 && result.shards.iter().all(|shard| !shard.lost) {
        reasons.extend(result.messages.0.iter().filter_map(|(kind, counts)| unbalanced(*kind, counts)));
    }
    reasons.extend(broker::causes(result, judged.iter().any(|threshold| threshold.ok.is_none())));
    for threshold in judged.iter().filter(|threshold| threshold.ok.is_none()) {
        reasons.push(format!("{NOTHING_MEASURED} `{}` could be judged by", threshold.expr));
    }
    reasons
}

/// What of it is the generator's own fault; empty if it kept up with its schedule.
#[must_use]
pub fn generator_faults(thresholds: &[Threshold], result: &RunResult) -> Vec<String> {
    let dropped = [(result.generator.dropped, "call"), (result.messages.counts(None).dropped, "message")];
    let too_late = dropped.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| {
        let plural = if count == 1 { "" } else { "s" };
        format!("the generator itself was too late for {count} {what}{plural}")
    });
    [Series::ScheduleLag, Series::TelemetryLag]
        .into_iter()
        .filter_map(|lag| too_slow(lag, thresholds, result))
        .chain(too_late)
        .collect()
}

/// Truth and observation do not agree.
fn off_diagonal(result: &RunResult) -> Option<String> {
    let OffDiagonal { device, update, injected, expected, observed, detail } = result.off_diagonal.first()?;
    let hit = if injected.is_empty() { "by no fault".to_owned() } else { format!("by {}", injected.join(", ")) };
    let (expected, of) = (expected.join(" or "), if detail.is_empty() { "" } else { ":" });
    Some(format!(
        "updates that ended as their faults do not let them: {}; the first is {update} of {device}: hit {hit}, expected \
         {expected}, seen to end {observed}{of}{detail}",
        result.off_diagonal_total
    ))
}

/// An invariant that was broken though nobody injected that. An update without any outcome has been told of already.
fn broken(row: &InvariantRow) -> Option<String> {
    let Violation { device, update, transition } = row.examples.first()?;
    let update = if update.is_empty() { String::new() } else { format!(" in {update}") };
    Some(format!("{} was broken {} times; the first is {device}{update}: {transition}", row.name, row.violations))
}

/// Messages of a kind of which not every one, or more than every one, came to an end.
fn unbalanced(kind: MessageKind, counts: &MessageCounts) -> Option<String> {
    let MessageCounts { sent, acknowledged, lost, unconfirmed, .. } = *counts;
    let open = counts.under_way();
    (open != 0).then(|| {
        let name = kind.name();
        let what = if open > 0 { "without an end" } else { "too many ends" };
        format!(
            "the messages do not add up: of kind `{name}` {sent} were sent, {acknowledged} acknowledged, {lost} lost and \
             {unconfirmed} unconfirmed, {} {what}",
            open.unsigned_abs()
        )
    })
}

/// The generator's own lateness with calls or with telemetry, the series `of`, against what it measures.
fn too_slow(of: Series, thresholds: &[Threshold], result: &RunResult) -> Option<String> {
    let data = result.series.get(&of)?;
    let lag = Duration::from_secs_f64(data.cautious_p99()?);
    let limit = tightest(of, thresholds).map_or(LAG_FLOOR, |slo| slo.mul_f64(LAG_SHARE).max(LAG_FLOOR));
    (lag > limit).then(|| {
        let [lag, limit] = [lag, limit].map(|duration| duration.as_secs_f64() * 1e3);
        format!("the generator was too slow: {of} p99 is {lag:.1} ms, allowed are {limit:.1} ms")
    })
}

/// The smallest duration that a threshold allows on what counts from the same due times as `lag`, whole updates and calls, or
/// telemetry: what the lag is measured against.
fn tightest(lag: Series, thresholds: &[Threshold]) -> Option<Duration> {
    let judged_by_lag = |threshold: &&Threshold| match threshold.metric {
        Metric::Series(series, _) => {
            let measured = match lag {
                Series::TelemetryLag => series == Series::TelemetryDelivery,
                _ => matches!(
                    series,
                    Series::UpdateTotal | Series::UpdateTotalError | Series::UpdateOverhead | Series::MethodResponse
                ),
            };
            let upper = matches!(threshold.comparison, Comparison::Less | Comparison::LessOrEqual);
            measured && upper && threshold.metric.unit() == Unit::Duration
        }
        _ => false,
    };
    let limits = thresholds.iter().filter(judged_by_lag);
    limits.filter_map(|threshold| Duration::try_from_secs_f64(threshold.limit).ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{FaultRow, Invariant, ShardResult};
    use crate::policy::Place;
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
    fn lateness_with_telemetry_is_its_own_however_punctual_calls_are() {
        let found = |threshold: &str, lag| {
            reasons(&[threshold], |result| {
                late(100_000, Duration::ZERO)(result);
                for series in [Series::TelemetryDelivery, Series::TelemetryLag] {
                    (0..2000).for_each(|_| result.series.entry(series).or_default().record(lag));
                }
                result.series.entry(Series::UpdateTotal).or_default().record(lag);
            })
        };
        let ms = Duration::from_millis;
        assert!(found("telemetry.delivery.max < 5s", ms(40)).is_empty());
        let late = "the generator was too slow: telemetry.lag p99 is 60.0 ms, allowed are 50.0 ms";
        assert_eq!(found("telemetry.delivery.max < 5s", ms(60)), [late]);
        assert_eq!(found("update.total.max < 5s", ms(12)).len(), 1, "that says nothing of telemetry");
        let dropped = reasons(&[], |result| {
            result.messages.of(MessageKind::Telemetry).dropped = 2;
            result.messages.of(MessageKind::Telemetry).left_out = 5;
        });
        assert_eq!(dropped, ["the generator itself was too late for 2 messages"]);
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
    fn messages_that_do_not_add_up_are_invalid_unless_their_shard_was_lost() {
        let counted = |sent, lost, shard_lost| {
            move |result: &mut RunResult| {
                let ends = MessageCounts { sent: 9, acknowledged: 9, ..MessageCounts::default() };
                *result.messages.of(MessageKind::Request) = ends;
                let counts = MessageCounts { sent, acknowledged: 5, lost, unconfirmed: 1, ..MessageCounts::default() };
                *result.messages.of(MessageKind::Report) = counts;
                result.shards.push(ShardResult { lost: shard_lost, ..ShardResult::default() });
            }
        };
        assert!(reasons(&[], counted(8, 2, false)).is_empty());
        assert!(reasons(&[], counted(9, 2, true)).is_empty());
        assert_eq!(
            reasons(&[], counted(9, 2, false)),
            [
                "the messages do not add up: of kind `report` 9 were sent, 5 acknowledged, 2 lost and 1 unconfirmed, 1 without an end"
            ]
        );
        assert!(reasons(&[], counted(7, 2, false))[0].ends_with("1 too many ends"));
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

    #[test]
    fn a_misclassified_update_is_named_with_its_device() {
        let found = reasons(&[], |result| {
            result.off_diagonal_total = 101;
            result.off_diagonal = vec![OffDiagonal {
                device: "sim-0000003".to_owned(),
                update: "run-7".to_owned(),
                injected: vec!["slow".to_owned(), "fail".to_owned()],
                expected: vec!["failed:applying/boot_failed".to_owned()],
                observed: "completed".to_owned(),
                detail: String::new(),
            }];
        });
        assert_eq!(
            found,
            [
                "updates that ended as their faults do not let them: 101; the first is run-7 of sim-0000003: hit by slow, fail, \
              expected failed:applying/boot_failed, seen to end completed"
            ]
        );
    }

    #[test]
    fn a_struck_update_without_an_end_is_missed_unless_its_shard_was() {
        let struck = |lost| {
            move |result: &mut RunResult| {
                result.faults.push(FaultRow {
                    name: "fail-2".to_owned(),
                    kind: "fail".to_owned(),
                    place: Place::Device,
                    expected: vec![Outcome::Failed],
                    strikes: 12,
                    late: 1,
                    injected: 8,
                    observed: [(Outcome::Failed, 8)].into(),
                    off_diagonal: 0,
                    peak_per_s: 4.0,
                    recovery: None,
                    found: None,
                });
                result.census.planned = lost;
                result.census.add(Outcome::LostShard, "", lost);
            }
        };
        assert_eq!(reasons(&[], struck(0)), ["3 of the updates that the fault `fail-2` struck have no outcome"]);
        assert_eq!(reasons(&[], struck(2)), ["a shard died with 2 of its updates unfinished"]);
    }

    #[test]
    fn a_broken_invariant_is_named_unless_it_was_injected() {
        let found = |injected, violations| {
            reasons(&[], |result| {
                let example = Violation {
                    device: "sim-1".to_owned(),
                    update: "run-7".to_owned(),
                    transition: "skipped:applying".to_owned(),
                };
                let examples = vec![example; violations as usize];
                let name = Invariant::ForwardOnly;
                result.invariants = vec![InvariantRow { name, checked: 9, injected, violations, examples }];
            })
        };
        assert!(found(2, 0).is_empty());
        assert_eq!(found(0, 2), ["forward_only was broken 2 times; the first is sim-1 in run-7: skipped:applying"]);
    }
}

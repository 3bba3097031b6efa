//! The values of figures that are known of the whole run alone: faults, retries, limits, invariants.

use super::observe::{Observed, of_distribution};
use crate::measure::{BusyThrottle, Distribution, FaultRow, RetryRow, RolloutResult, RunResult};
use crate::policy::{
    Comparison, FaultFigure, MessageKind, Metric, RetryFigure, RetryOf, RolloutFigure, Series, Statistic,
};

/// The value of `metric` that is to stand in `comparison`; none, if there is no evidence.
pub(super) fn of_run(metric: &Metric, comparison: Comparison, result: &RunResult) -> Observed {
    let has_fleet = !result.absent.contains(&Series::Connect);
    let value = match metric {
        Metric::Fault(name, figure) => {
            let row = result.faults.iter().find(|row| row.name == *name);
            return row.map_or((None, None), |row| of_fault(row, *figure, comparison));
        }
        Metric::ConnectPolicyBack(policy, statistic) => {
            let back = connect_policy(result, policy).and_then(|row| row.back.as_ref());
            return back.map_or((None, None), |back| {
                of_distribution(|statistic| back.statistic(statistic), *statistic, comparison)
            });
        }
        Metric::ConnectPolicy(policy, figure) => connect_policy(result, policy).map(|row| of_retries(row, *figure)),
        Metric::Retry(RetryOf::Connect, figure) => has_fleet.then(|| of_connections(result, *figure)),
        Metric::Retry(RetryOf::Method, figure) => Some(of_retries(&result.retries.method, *figure)),
        Metric::Retry(RetryOf::Twin, figure) => has_fleet.then(|| of_retries(&result.retries.twin, *figure)),
        Metric::ReportsDropped => has_fleet.then_some(result.retries.twin.give_ups as f64),
        Metric::LossesUnexplained => has_fleet.then_some(result.losses_unexplained as f64),
        Metric::OffDiagonal => (!result.matrix.is_empty()).then_some(result.off_diagonal_total as f64),
        Metric::InvariantViolations => {
            let violations = || result.invariants.iter().map(|row| row.violations).sum::<u64>();
            (!result.invariants.is_empty()).then(|| violations() as f64)
        }
        Metric::Rollout(figure) => result.rollout.as_ref().map(|rollout| of_rollout(rollout, *figure)),
        Metric::Goodput(operation) => goodput(result, operation),
        // Of a kind there may be none; where there are none at all, nobody counted.
        Metric::Messages(..) if result.messages.is_empty() => None,
        Metric::Messages(kind, figure) => {
            let asked = MessageKind::ALL.into_iter().filter(|of| kind.is_none_or(|kind| kind == *of));
            let counted = asked.filter(|of| result.counts_messages(*of, *figure));
            counted.map(|of| result.messages.counts(Some(of)).figure(*figure) as f64).reduce(|sum, count| sum + count)
        }
        _ => None,
    };
    (value, None)
}

fn of_fault(row: &FaultRow, figure: FaultFigure, comparison: Comparison) -> Observed {
    let of = |distribution: Option<Distribution>, statistic| match distribution {
        Some(distribution) => of_distribution(|statistic| distribution.statistic(statistic), statistic, comparison),
        // Nothing happened that would have been measured: a count of 0, and no other value.
        None => ((statistic == Statistic::Count).then_some(0.0), None),
    };
    let value = match figure {
        FaultFigure::Recovery(statistic) => return of(row.recovery, statistic),
        FaultFigure::Found(statistic) => return of(row.found, statistic),
        FaultFigure::Updates => Some(row.injected as f64),
        FaultFigure::Strikes => Some(row.strikes as f64),
        FaultFigure::Peak => Some(row.peak_per_s),
        FaultFigure::PeakPercent => (row.strikes > 0).then(|| row.peak_per_s * 100.0 / row.strikes as f64),
        FaultFigure::OutcomePercent(outcome) => {
            let count = row.observed.get(&outcome).copied().unwrap_or_default();
            (row.injected > 0).then(|| count as f64 * 100.0 / row.injected as f64)
        }
    };
    (value, None)
}

fn connect_policy<'a>(result: &'a RunResult, policy: &str) -> Option<&'a RetryRow> {
    result.retries.connect.iter().find(|row| row.policy == policy)
}

fn of_retries(row: &RetryRow, figure: RetryFigure) -> f64 {
    let count = match figure {
        RetryFigure::Attempts => row.attempts,
        RetryFigure::Retries => row.retries,
        RetryFigure::GiveUps => row.give_ups,
        RetryFigure::Peak => row.peak_per_s,
        RetryFigure::PeakPercent => return row.peak_per_s as f64 * 100.0 / f64::from(row.devices.max(1)),
    };
    count as f64
}

/// Connections of all policies together. Their peaks may lie in different seconds.
fn of_connections(result: &RunResult, figure: RetryFigure) -> f64 {
    match figure {
        RetryFigure::Peak => result.retries.connect_peak_per_s as f64,
        RetryFigure::PeakPercent => {
            let devices: u32 = result.retries.connect.iter().map(|row| row.devices).sum();
            of_connections(result, RetryFigure::Peak) * 100.0 / f64::from(devices.max(1))
        }
        figure => result.retries.connect.iter().map(|row| of_retries(row, figure)).sum(),
    }
}

fn of_rollout(rollout: &RolloutResult, figure: RolloutFigure) -> f64 {
    match figure {
        RolloutFigure::Exposed => rollout.exposed as f64,
        RolloutFigure::ExposedPercent => rollout.exposed_pct,
        RolloutFigure::Aborted => f64::from(u8::from(rollout.aborted.is_some())),
        RolloutFigure::Waves => rollout.waves.iter().filter(|wave| wave.released_s.is_some()).count() as f64,
    }
}

/// What went on in percent of what the limits of an operation allowed while they held something back.
fn goodput(result: &RunResult, operation: &str) -> Option<f64> {
    let throttled = result.hub.as_ref()?.throttled.iter().filter(|count| count.operation == operation);
    let sum = |sum: BusyThrottle, busy: BusyThrottle| BusyThrottle {
        seconds: sum.seconds + busy.seconds,
        allowed: sum.allowed + busy.allowed,
        passed: sum.passed + busy.passed,
    };
    throttled.filter_map(|count| count.busy).reduce(sum)?.goodput_pct()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::measure::{HubHealth, MatrixRow, MessageCounts, RolloutAbort, SeriesData, ThrottleCount, WaveResult};
    use crate::policy::{Outcome, Place};

    fn observed(text: &str, result: &RunResult) -> Observed {
        of_run(&text.parse().unwrap(), Comparison::Less, result)
    }

    fn value(text: &str, result: &RunResult) -> Option<f64> {
        observed(text, result).0
    }

    #[test]
    fn a_fault_is_found_by_its_name() {
        let mut recovery = SeriesData::default();
        (1..=5).for_each(|second| recovery.record(Duration::from_secs(second)));
        let row = FaultRow {
            name: "away".to_owned(),
            kind: "offline".to_owned(),
            place: Place::Link,
            expected: vec![Outcome::NotOnline],
            strikes: 7,
            late: 0,
            injected: 4,
            observed: BTreeMap::from([(Outcome::NotOnline, 3), (Outcome::Completed, 1)]),
            off_diagonal: 1,
            peak_per_s: 2.0,
            recovery: Some(Distribution::of(&recovery)),
            found: None,
        };
        let result = RunResult { faults: vec![row], ..RunResult::default() };
        for (text, expected) in [
            ("faults.away.updates", Some(4.0)),
            ("faults.away.strikes", Some(7.0)),
            ("faults.away.peak", Some(2.0)),
            ("faults.away.not_online.pct", Some(75.0)),
            ("faults.away.stuck.pct", Some(0.0)),
            ("faults.away.found.count", Some(0.0)),
            ("faults.away.found.max", None),
            ("faults.offline.updates", None),
        ] {
            assert_eq!(value(text, &result), expected, "{text}");
        }
        let (slowest, by) = observed("faults.away.recovery.p99", &result);
        assert!((slowest.unwrap() - 5.0).abs() < 0.01 && by == Some(Statistic::Max), "{slowest:?}");
    }

    #[test]
    fn retries_are_told_by_what_is_tried_again_and_by_policy() {
        let mut result = RunResult::default();
        let row = |policy: &str, attempts, give_ups| RetryRow {
            policy: policy.to_owned(),
            attempts,
            give_ups,
            peak_per_s: attempts / 2,
            ..RetryRow::default()
        };
        let mut back = SeriesData::default();
        back.record(Duration::from_secs(9));
        result.retries.connect = vec![RetryRow { back: Some(back), ..row("fixed", 10, 0) }, row("none", 6, 6)];
        result.retries.twin = row("fixed", 3, 2);
        result.retries.connect_peak_per_s = 7;
        for (text, expected) in [
            ("retry.connect.attempts", 16.0),
            ("retry.connect.give_ups", 6.0),
            ("retry.connect.peak", 7.0),
            ("retry.connect.fixed.peak", 5.0),
            ("retry.connect.none.give_ups", 6.0),
            ("retry.connect.fixed.back.count", 1.0),
            ("retry.twin.attempts", 3.0),
            ("retry.method.retries", 0.0),
            ("reports.dropped", 2.0),
            ("connections.lost.unexplained", 0.0),
        ] {
            assert_eq!(value(text, &result), Some(expected), "{text}");
        }
        assert_eq!(value("retry.connect.azure-c.peak", &result), None);
        result.absent.push(Series::Connect);
        assert_eq!(value("reports.dropped", &result), None, "a driver alone does not know");
    }

    #[test]
    fn a_roll_out_tells_whom_it_reached_and_whether_it_was_aborted() {
        let wave = |released_s| WaveResult { released_s, ..WaveResult::default() };
        let waves = vec![wave(Some(1.0)), wave(Some(9.0)), wave(None)];
        let aborted = Some(RolloutAbort::default());
        let rollout = RolloutResult { waves, exposed: 120, exposed_pct: 12.0, aborted };
        let result = RunResult { rollout: Some(rollout), ..RunResult::default() };
        for (text, expected) in [
            ("rollout.exposed", 120.0),
            ("rollout.exposed.pct", 12.0),
            ("rollout.aborted", 1.0),
            ("rollout.waves", 2.0),
        ] {
            assert_eq!(value(text, &result), Some(expected), "{text}");
        }
        assert_eq!(value("rollout.aborted", &RunResult::default()), None);
    }

    #[test]
    fn of_messages_only_what_somebody_counted_has_a_value() {
        let mut result = RunResult::default();
        result.observer.presence = Some(true);
        assert_eq!(value("messages.lost", &result), None, "nobody counted");
        for (kind, undelivered) in [(MessageKind::Report, 2), (MessageKind::Telemetry, 3), (MessageKind::Response, 0)] {
            *result.messages.of(kind) = MessageCounts { sent: 9, delivered: 7, undelivered, ..Default::default() };
        }
        let of = |result: &RunResult| {
            let figures = ["sent", "delivered", "undelivered", "report.undelivered", "response.undelivered"];
            figures.map(|figure| value(&format!("messages.{figure}"), result))
        };
        assert_eq!(of(&result), [Some(27.0), Some(21.0), Some(5.0), Some(2.0), None]);
        let alone = RunResult { absent: vec![Series::Connect], ..result.clone() };
        assert_eq!(of(&alone), [Some(0.0), Some(21.0), None, None, None], "a driver knows what it sent itself");
        let fleet = RunResult { absent: vec![Series::UpdateTotal], ..result.clone() };
        assert_eq!(of(&fleet), [Some(27.0), None, None, None, None]);
        result.observer.presence = None;
        assert_eq!(of(&result), [Some(27.0), None, None, None, None], "an IoT hub gives the driver no messages");
    }

    #[test]
    fn what_was_not_looked_for_has_no_value() {
        let mut result = RunResult::default();
        for text in ["faults.off_diagonal", "invariants.violations", "throttle.method.goodput.pct"] {
            assert_eq!(value(text, &result), None, "{text}");
        }
        result.matrix.push(MatrixRow::default());
        let count =
            |operation: &str, busy| ThrottleCount { operation: operation.to_owned(), busy, ..Default::default() };
        let busy = |allowed, passed| Some(BusyThrottle { seconds: 1, allowed, passed });
        let throttled =
            vec![count("method", busy(60.0, 50.0)), count("method", busy(40.0, 40.0)), count("query", None)];
        result.hub = Some(HubHealth { throttled, ..HubHealth::default() });
        assert_eq!(value("faults.off_diagonal", &result), Some(0.0));
        assert_eq!(value("throttle.method.goodput.pct", &result), Some(90.0));
        assert_eq!(value("throttle.query.goodput.pct", &result), None);
    }
}

//! Thresholds while a run goes on: what each says by what there is so far.

use std::fmt;

use super::observe::{Scope, observe};
use super::outlook::outlook;
use crate::measure::RunResult;
use crate::policy::{Threshold, Unit};

/// What a threshold says while the run goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdLight {
    /// The expression.
    pub expr: String,
    /// The value so far, in the unit of the metric (seconds for durations); `None` if nothing was measured yet.
    pub observed: Option<f64>,
    /// How it stands.
    pub state: LightState,
}

/// How a threshold stands while the run goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum LightState {
    /// It holds by what there is so far.
    Holding,
    /// It cannot hold any more; of a percentile or a mean: it does not hold of the samples so far, of which there are enough.
    Broken,
    /// Nothing was measured yet, too little to tell, or what it asks for can still come.
    #[default]
    Unknown,
}

impl ThresholdLight {
    /// That of a threshold of which nothing is known yet.
    #[must_use]
    pub fn unknown(threshold: &Threshold) -> Self {
        Self { expr: threshold.to_string(), observed: None, state: LightState::Unknown }
    }

    /// The left side of the expression.
    #[must_use]
    pub fn metric(&self) -> &str {
        self.expr.split(' ').next().unwrap_or_default()
    }

    /// The unit of the observed value; a count if the expression is none of ours.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.expr.parse::<Threshold>().map_or(Unit::Count, |threshold| threshold.metric.unit())
    }

    /// Whether it is broken.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.state == LightState::Broken
    }
}

impl LightState {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Holding => "holding",
            Self::Broken => "broken",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for LightState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How `threshold` stands by what there is `so_far`, put as a result: its census holds every planned update, ended or not;
/// its rate of calls the share of the schedule that has come.
///
/// A light is never broken for what merely has not happened yet. What can only grow (counts, maxima, peaks) or only fall (minima,
/// `connected.pct`) is broken once no value that it can still take would hold. A percentile, a mean or a rate may go either
/// way, and stands as it stands, once there are enough samples; with fewer, one that stands in for a percentile (see
/// [`super::judge()`]) may show that the threshold holds, and never that it is broken: of three samples the longest says
/// nothing of the 99th percentile of a thousand.
#[must_use]
pub fn light(threshold: &Threshold, so_far: &RunResult) -> ThresholdLight {
    let Threshold { metric, comparison, limit } = threshold;
    let (observed, stand_in) = observe(metric, *comparison, Scope::Run, so_far);
    let state = match observed {
        None => LightState::Unknown,
        Some(value) => {
            let can_hold = stand_in.is_some() || outlook(threshold, value, so_far).can_hold(*comparison, *limit);
            match (can_hold, comparison.holds(value, *limit)) {
                (false, _) => LightState::Broken,
                (true, true) => LightState::Holding,
                (true, false) => LightState::Unknown,
            }
        }
    };
    ThresholdLight { expr: threshold.to_string(), observed, state }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::measure::{FaultRow, Interval, LoadSpan, RateResult, RetryRow, RolloutResult, SeriesData, ShardResult};
    use crate::policy::{Outcome, Place, Series};

    const HOLDING: LightState = LightState::Holding;
    const BROKEN: LightState = LightState::Broken;
    const UNKNOWN: LightState = LightState::Unknown;

    #[track_caller]
    fn stands(so_far: &RunResult, table: &[(&str, LightState)]) {
        for (text, state) in table {
            let light = light(&text.parse().unwrap(), so_far);
            assert_eq!(light.state, *state, "{light:?}");
        }
    }

    /// 200 planned; 90 completed, 2 failed, 108 still open.
    fn half_way() -> RunResult {
        let mut result = RunResult::default();
        result.census.planned = 200;
        result.census.add(Outcome::Completed, "", 90);
        result.census.add(Outcome::Failed, "", 2);
        result
    }

    fn series(millis: impl IntoIterator<Item = u64>) -> RunResult {
        let mut result = half_way();
        let data = result.series.entry(Series::UpdateTotal).or_default();
        millis.into_iter().for_each(|millis| data.record(Duration::from_millis(millis)));
        result
    }

    #[test]
    fn outcomes_are_broken_only_where_no_open_update_can_mend_them() {
        stands(
            &half_way(),
            &[
                ("census.completed.pct >= 100", BROKEN),
                ("census.completed.pct >= 99", UNKNOWN),
                ("census.completed.pct > 99", BROKEN),
                ("census.completed.pct >= 45", HOLDING),
                ("census.completed == 198", UNKNOWN),
                ("census.completed == 199", BROKEN),
                ("census.failed == 0", BROKEN),
                ("census.failed < 2", BROKEN),
                ("census.failed <= 2", HOLDING),
                ("census.failed == 2", HOLDING),
                ("census.failed == 110", UNKNOWN),
                ("census.failed == 111", BROKEN),
                ("census.failed.pct < 1", BROKEN),
                ("census.failed.pct <= 1", HOLDING),
                ("census.stuck == 0", HOLDING),
                ("census.stuck != 0", UNKNOWN),
                ("census.stuck != 3", HOLDING),
            ],
        );
        let mut over = half_way();
        over.census.add(Outcome::Completed, "", 108);
        stands(&over, &[("census.completed.pct >= 99", HOLDING), ("census.stuck != 0", BROKEN)]);
    }

    #[test]
    fn a_percentile_is_broken_by_enough_samples_and_by_no_stand_in() {
        // p50 has 30 samples, and p99 too few.
        stands(
            &series((1..=30).map(|n| n * 100)),
            &[
                ("update.total.p50 < 1s", BROKEN),
                ("update.total.p50 < 2s", HOLDING),
                ("update.total.p99 < 4s", HOLDING),
                ("update.total.p99 < 2s", UNKNOWN),
                ("update.total.p99 > 50ms", HOLDING),
                ("update.total.p99 > 200ms", UNKNOWN),
                ("update.total.p99 == 3s", UNKNOWN),
                ("update.total.mean < 1s", BROKEN),
                ("update.total.mean < 2s", HOLDING),
            ],
        );
        let light = light(&"update.total.p99 < 2s".parse().unwrap(), &series([1000, 3000]));
        assert_eq!((light.is_broken(), light.metric()), (false, "update.total.p99"));
        assert!(light.observed.is_some_and(|longest| (longest - 3.0).abs() < 0.01), "{light:?}");
        stands(&series((0..2000).map(|n| if n < 1960 { 1 } else { 9000 })), &[("update.total.p99 < 2s", BROKEN)]);
    }

    #[test]
    fn a_mean_of_few_samples_breaks_nothing() {
        stands(&series([5000; 19]), &[("update.total.mean < 1s", UNKNOWN), ("update.total.mean < 9s", HOLDING)]);
        stands(&series([5000; 20]), &[("update.total.mean < 1s", BROKEN)]);
    }

    #[test]
    fn extremes_and_counts_go_one_way_only() {
        stands(
            &series([100, 900]),
            &[
                ("update.total.max < 500ms", BROKEN),
                ("update.total.max > 1s", UNKNOWN),
                ("update.total.max < 1s", HOLDING),
                ("update.total.min > 500ms", BROKEN),
                ("update.total.min < 50ms", UNKNOWN),
                ("update.total.min > 50ms", HOLDING),
                ("update.total.count >= 3", UNKNOWN),
                ("update.total.count < 2", BROKEN),
                ("update.total.count == 1", BROKEN),
                ("method.response.error.count == 0", HOLDING),
                ("method.response.error.count > 0", UNKNOWN),
            ],
        );
    }

    #[test]
    fn nothing_is_known_of_what_was_not_measured() {
        let mut result = half_way();
        result.absent.push(Series::UpdateOverhead);
        for text in
            ["update.overhead.count == 0", "update.total.p50 < 1s", "update.total.max < 1s", "rate.achieved > 1"]
        {
            let threshold = text.parse().unwrap();
            assert_eq!(light(&threshold, &result), ThresholdLight::unknown(&threshold));
        }
    }

    #[test]
    fn the_fleet_is_never_better_than_in_its_worst_second() {
        let mut result = RunResult { load: Some(LoadSpan { from_s: 1.0, to_s: 9.0 }), ..RunResult::default() };
        result.shards = vec![ShardResult { devices: 10, ..ShardResult::default() }];
        result.intervals = vec![Interval { t_s: 3.0, connected: 8, ..Interval::default() }];
        stands(
            &result,
            &[
                ("connected.pct >= 81", BROKEN),
                ("connected.pct >= 80", HOLDING),
                ("connected.pct < 50", UNKNOWN),
                ("connected.pct < 90", HOLDING),
            ],
        );
    }

    #[test]
    fn a_rate_that_the_schedule_has_not_come_to_is_not_missed() {
        let rate = |offered, achieved| RunResult {
            rate: RateResult { offered_per_s: offered, achieved_per_s: Some(achieved), telemetry: None },
            ..RunResult::default()
        };
        let least = "rate.achieved >= 90/s";
        stands(&rate(Some(40.0), 39.0), &[(least, UNKNOWN), ("rate.achieved < 30/s", BROKEN)]);
        stands(&rate(Some(100.0), 60.0), &[(least, BROKEN)]);
        stands(&rate(Some(100.0), 99.0), &[(least, HOLDING), ("rate.achieved < 100/s", HOLDING)]);
        stands(&rate(None, 60.0), &[(least, BROKEN)]);
    }

    #[test]
    fn shares_of_what_is_still_to_come_are_for_the_end() {
        let mut result = half_way();
        result.faults = vec![FaultRow {
            name: "away".to_owned(),
            kind: "offline".to_owned(),
            place: Place::Link,
            expected: Vec::new(),
            strikes: 4,
            late: 0,
            injected: 2,
            observed: [(Outcome::Completed, 2)].into(),
            off_diagonal: 0,
            peak_per_s: 4.0,
            recovery: Some(crate::measure::Distribution { count: 2, mean_us: Some(5_000_000), ..Default::default() }),
            found: None,
        }];
        stands(
            &result,
            &[
                ("faults.away.peak.pct < 20", UNKNOWN),
                ("faults.away.not_online.pct >= 90", UNKNOWN),
                ("faults.away.completed.pct >= 90", HOLDING),
                ("faults.away.strikes < 4", BROKEN),
                ("faults.away.strikes >= 5", UNKNOWN),
                ("faults.away.peak < 3/s", BROKEN),
                ("faults.away.recovery.mean < 1s", UNKNOWN),
                ("faults.away.found.max < 1s", UNKNOWN),
                ("throttle.method.goodput.pct >= 95", UNKNOWN),
            ],
        );
    }

    #[test]
    fn what_is_tried_and_whom_a_roll_out_reaches_only_grows() {
        let mut back = SeriesData::default();
        back.record(Duration::from_secs(3));
        let mut result = half_way();
        let row =
            RetryRow { policy: "fixed".to_owned(), attempts: 10, devices: 10, peak_per_s: 5, ..Default::default() };
        result.retries.connect = vec![RetryRow { back: Some(back), ..row }];
        result.rollout = Some(RolloutResult { exposed: 30, exposed_pct: 15.0, ..RolloutResult::default() });
        result.generator.cpu_percent = 40.0;
        stands(
            &result,
            &[
                ("retry.connect.attempts < 10", BROKEN),
                ("retry.connect.fixed.peak.pct <= 50", HOLDING),
                ("retry.connect.fixed.peak.pct < 50", BROKEN),
                ("retry.connect.fixed.back.max < 2s", BROKEN),
                ("retry.connect.fixed.back.mean < 2s", UNKNOWN),
                ("rollout.exposed.pct <= 15", HOLDING),
                ("rollout.exposed.pct < 15", BROKEN),
                ("rollout.exposed >= 31", UNKNOWN),
                ("rollout.aborted == 1", UNKNOWN),
                ("rollout.aborted == 0", HOLDING),
                ("reports.dropped == 0", HOLDING),
                ("connections.lost.unexplained > 0", UNKNOWN),
                ("generator.cpu < 30", UNKNOWN),
                ("generator.cpu < 50", HOLDING),
            ],
        );
    }
}

//! What a run has come to so far, put as a result, as far as its thresholds ask for it: this is made once a second, so what
//! none of them names is left out.

use super::assemble::{absent, cpu_percent, observer, retries};
use super::faults;
use super::hub_faults::HubFaults;
use super::rate::Schedule;
use super::rollout::{self, Waves};
use super::tally::Tally;
use crate::measure::{Census, GeneratorHealth, Interval, LoadSpan, RateResult, RunResult, ShardResult, Usage};
use crate::policy::{DeviceRange, Metric, Series, Threshold};
use crate::profile::Plan;
use crate::shard::Roles;
use crate::time::Nanos;

/// A rate of fewer calls is none yet.
const ENOUGH_CALLS: u64 = 20;

/// What the thresholds of a plan ask for.
#[derive(Debug)]
pub(super) struct Asked {
    roles: Roles,
    absent: Vec<Series>,
    metrics: Vec<Metric>,
    /// The schedule, where its rate is asked for: it takes a while to go through.
    schedule: Option<Schedule>,
}

/// How a run stands.
#[derive(Debug)]
pub(super) struct Standing<'a> {
    pub(super) plan: &'a Plan,
    pub(super) tally: &'a Tally,
    pub(super) waves: Option<&'a Waves>,
    pub(super) hub_faults: &'a HubFaults,
    pub(super) load: Option<LoadSpan>,
    pub(super) now: Nanos,
    /// What the coordinator's process has used for the run.
    pub(super) own: Usage,
}

impl Asked {
    /// What `thresholds` ask of a run of `plan` by these `shards`.
    pub(super) fn by<'a>(
        thresholds: impl Iterator<Item = &'a Threshold>,
        plan: &Plan,
        roles: Roles,
        shards: &[DeviceRange],
    ) -> Self {
        let metrics: Vec<Metric> = thresholds.map(|threshold| threshold.metric.clone()).collect();
        let schedule = metrics.contains(&Metric::RateAchieved).then(|| Schedule::of(plan, shards));
        Self { roles, absent: absent(roles, plan), metrics, schedule }
    }

    fn any(&self, which: impl Fn(&Metric) -> bool) -> bool {
        self.metrics.iter().any(which)
    }

    /// What the run has come to: of its census, which holds every planned update, and of what else is asked for.
    pub(super) fn so_far(&self, standing: &Standing<'_>) -> RunResult {
        let Standing { plan, tally, waves, hub_faults, load, now, own } = standing;
        let total = &tally.total;
        let mut so_far = RunResult {
            // Details are judged by nobody. Until every shard has told its part, the plan knows how many there are.
            census: Census {
                planned: total.census.planned.max(plan.updates()),
                outcomes: total.census.outcomes.clone(),
                details: Default::default(),
            },
            absent: self.absent.clone(),
            load: *load,
            losses_unexplained: total.counters.losses_unexplained,
            off_diagonal_total: total.judged.off_diagonal,
            ..RunResult::default()
        };
        for metric in &self.metrics {
            if let Metric::Series(series, _) = metric
                && let Some(data) = total.series.get(series)
            {
                so_far.series.entry(*series).or_insert_with(|| data.clone());
            }
        }
        if self.any(|metric| *metric == Metric::ConnectedPercent) {
            // The fleet was never larger than its plan, and of all seconds one alone decides.
            so_far.shards = vec![ShardResult { devices: plan.fleet.devices, ..ShardResult::default() }];
            so_far.intervals = worst_second(tally.intervals.iter(), *load).into_iter().collect();
        }
        if self.any(|metric| *metric == Metric::GeneratorCpu) {
            let cpu_percent = cpu_percent(*own, tally, now.as_secs_f64());
            so_far.generator = GeneratorHealth { cpu_percent, ..GeneratorHealth::default() };
        }
        if self.any(|metric| metric.fault().is_some()) {
            let named = |name: &str| self.any(|metric| metric.fault() == Some(name));
            let rows = faults::rows(plan, self.roles, tally, named);
            so_far.faults = hub_faults.complete(plan, rows);
        }
        if self.any(|metric| *metric == Metric::OffDiagonal) {
            so_far.matrix = faults::matrix(plan, total);
        }
        if self.any(|metric| *metric == Metric::InvariantViolations) {
            so_far.invariants = total.invariants.rows().to_vec();
        }
        let tried = |metric: &Metric| {
            matches!(metric, Metric::Retry(..) | Metric::ReportsDropped) || metric.connect_policy().is_some()
        };
        if self.any(tried) {
            so_far.retries = retries(plan, tally);
        }
        if self.any(|metric| matches!(metric, Metric::Messages(..))) {
            so_far.messages = total.messages.clone();
            // It is for the kind of hub to say which of them are counted.
            so_far.observer = observer(plan, tally);
        }
        if let Some(waves) = waves.filter(|_| self.any(|metric| matches!(metric, Metric::Rollout(_)))) {
            so_far.rollout = rollout::result(plan, self.roles, tally, waves);
        }
        if let Some(schedule) = &self.schedule {
            so_far.rate = rate(schedule, standing);
        }
        so_far
    }
}

/// Achieved so far, and offered so far: what was due in the same time. In a closed load nothing is due by a schedule.
fn rate(schedule: &Schedule, standing: &Standing<'_>) -> RateResult {
    let Standing { plan, tally, waves, .. } = standing;
    let counters = &tally.total.counters;
    if counters.calls_sent < ENOUGH_CALLS {
        return RateResult::default();
    }
    let achieved = schedule.achieved(plan, tally, waves.map_or(0, |waves| waves.released.len()));
    let due = counters.calls_due as f64 / counters.calls_sent as f64;
    let offered = achieved.map(|achieved| achieved * due).filter(|_| plan.driver.load.rate().is_some());
    RateResult { offered_per_s: offered, achieved_per_s: achieved, telemetry: None }
}

/// The second of `load` in which fewest devices were connected.
fn worst_second<'a>(intervals: impl Iterator<Item = &'a Interval>, load: Option<LoadSpan>) -> Option<Interval> {
    let load = load?;
    let within = intervals.filter(|interval| load.from_s < interval.t_s && interval.t_s <= load.to_s);
    let worst = within.min_by_key(|interval| interval.connected)?;
    Some(Interval { t_s: worst.t_s, connected: worst.connected, ..Interval::default() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::measure::Measurements;
    use crate::policy::{MessageKind, Outcome};
    use crate::profile::{self, Override};
    use crate::shard::Progress;
    use crate::verdict::{LightState, light};

    fn at(seconds: f64) -> Nanos {
        Nanos::ZERO + Duration::from_secs_f64(seconds)
    }

    /// A run of 100 devices, five seconds into its load, of which 50 calls were due and so many were
    /// sent, and how these thresholds stand.
    fn stand(sets: &[&str], sent: u64, thresholds: &[&str]) -> Vec<LightState> {
        let sets = ["fleet.devices=100"].iter().chain(sets);
        let sets: Vec<Override> = sets.map(|set| Override::set(set).unwrap()).collect();
        let plan = profile::load("quickstart", &sets).unwrap();
        let mut measurements = Measurements::default();
        measurements.census.planned = 40;
        measurements.census.add(Outcome::Completed, "", 30);
        (measurements.counters.calls_due, measurements.counters.calls_sent) = (50, sent);
        measurements.sent_span = Some((at(1.0), at(5.9)));
        measurements.series.entry(Series::UpdateTotal).or_default().record(Duration::from_secs(2));
        measurements.retries.twin.give_ups = 3;
        measurements.messages.of(MessageKind::Report).lost = 2;
        measurements.faults.entry(0).or_default().strikes = 5;
        let mut tally = Tally::new(1, 1);
        let mut progress = Progress { from: at(5.0), until: at(6.0), measurements, ..Progress::default() };
        progress.gauges.connected = 90;
        tally.add(0, progress);
        // A further second tells that the one before is whole.
        tally.add(0, Progress { from: at(6.0), until: at(7.0), ..Progress::default() });
        let thresholds: Vec<Threshold> = thresholds.iter().map(|text| text.parse().unwrap()).collect();
        let asked = Asked::by(thresholds.iter(), &plan, Roles::BOTH, &[DeviceRange { start: 0, end: 100 }]);
        let so_far = asked.so_far(&Standing {
            plan: &plan,
            tally: &tally,
            waves: None,
            hub_faults: &HubFaults::default(),
            load: Some(LoadSpan { from_s: 1.0, to_s: 6.0 }),
            now: at(6.0),
            own: Usage::of_self(),
        });
        thresholds.iter().map(|threshold| light(threshold, &so_far).state).collect()
    }

    #[test]
    fn everything_that_a_threshold_asks_for_is_there() {
        use LightState::{Broken, Holding, Unknown};
        let fault = "fault=[{ kind = \"reset\", select = \"all\" }]";
        let table = [
            // Sixty of the hundred planned have not been told of by any shard yet.
            ("census.completed.pct >= 99", Unknown),
            ("census.completed.pct <= 29", Broken),
            ("update.total.max < 1s", Broken),
            ("update.total.max < 3s", Holding),
            ("connect.max < 3s", Unknown),
            ("connected.pct >= 90", Holding),
            ("connected.pct >= 91", Broken),
            ("generator.cpu >= 0", Holding),
            ("reports.dropped < 3", Broken),
            ("retry.twin.give_ups <= 3", Holding),
            ("faults.reset.strikes < 5", Broken),
            ("faults.off_diagonal == 0", Unknown),
            ("invariants.violations == 0", Holding),
            ("connections.lost.unexplained == 0", Holding),
            ("rate.achieved >= 9/s", Holding),
            ("messages.report.lost < 2", Broken),
            ("messages.lost <= 2", Holding),
            ("messages.response.lost == 0", Holding),
        ];
        let states = stand(&[fault], 50, &table.map(|(text, _)| text));
        for ((text, expected), state) in table.into_iter().zip(states) {
            assert_eq!(state, expected, "{text}");
        }
    }

    #[test]
    fn a_rate_is_missed_where_more_was_due_and_of_enough_calls() {
        let least = ["rate.achieved >= 9/s"];
        assert_eq!(stand(&[], 40, &least), [LightState::Broken], "50 were due");
        assert_eq!(stand(&[], 19, &least), [LightState::Unknown], "too few to tell");
        assert_eq!(stand(&[], 50, &["rate.achieved >= 15/s"]), [LightState::Unknown], "no more was due");
        assert_eq!(stand(&["load.kind=closed"], 50, &["rate.achieved >= 15/s"]), [LightState::Broken]);
    }
}

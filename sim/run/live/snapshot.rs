//! How far a run is, from what its coordinator knows.

use std::time::Duration;

use tokio::time::Instant;

use super::super::coordinator::{Coordinator, Phase};
use super::super::options::RunOptions;
use super::super::tally::Tally;
use super::status::{Health, Mishap, Pulse, SeriesRow, Status};
use crate::measure::{Census, Interval, SeriesData, Usage, cores, descriptor_limit};
use crate::policy::{FirmwareStatus, Outcome, Series, Statistic};
use crate::profile::Plan;
use crate::shard::StopReason;
use crate::time::Nanos;

/// Seconds of the past that are shown.
const PAST: usize = 300;
/// The series, the most telling first.
const TELLING: [Series; 19] = [
    Series::UpdateTotal,
    Series::UpdateOverhead,
    Series::MethodResponse,
    Series::TwinVisible(FirmwareStatus::Completed),
    Series::Reconnect,
    Series::Connect,
    Series::TelemetryDelivery,
    Series::TelemetryAck,
    Series::ScheduleLag,
    Series::ImageDownload,
    Series::UpdateTotalError,
    Series::MethodResponseError,
    Series::Transition(FirmwareStatus::Downloading),
    Series::Transition(FirmwareStatus::Applying),
    Series::Transition(FirmwareStatus::Completed),
    Series::TwinAck(FirmwareStatus::Completed),
    Series::TwinAck(FirmwareStatus::StandBy),
    Series::ConnectError,
    Series::Ping,
];

/// What CPU time was used up to the last look, to tell what was used since.
#[derive(Debug, Default)]
pub(in crate::run) struct Meter {
    looked: Option<Look>,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Nanos,
    generator: Duration,
    hub: Option<Duration>,
}

impl Meter {
    /// What is used of the machine at `now`, by the generator and by the hubs so far.
    fn look(&mut self, now: Nanos, generator: Usage, hub: Option<Usage>, descriptors: u64) -> Health {
        let look = Look { at: now, generator: generator.cpu, hub: hub.map(|hub| hub.cpu) };
        let before = self.looked.replace(look);
        let percent = |used: Duration, since: Nanos| {
            let capacity = now.since(since).as_secs_f64() * cores() as f64;
            (capacity > 0.0).then(|| used.as_secs_f64() * 100.0 / capacity)
        };
        let share = |now: Duration, before: Option<Duration>, at: Nanos| percent(now.saturating_sub(before?), at);
        Health {
            cores: cores(),
            generator_cpu: before.and_then(|before| share(look.generator, Some(before.generator), before.at)),
            generator_memory: generator.rss_peak,
            hub_cpu: before.and_then(|before| share(look.hub?, before.hub, before.at)),
            hub_memory: hub.map(|hub| hub.rss_peak),
            descriptors: descriptor_limit().ok().map(|(soft, _)| (descriptors, soft)).filter(|(open, _)| *open > 0),
        }
    }
}

impl Status {
    /// What stands there before anything is known.
    pub(in crate::run) fn first(plan: &Plan, options: &RunOptions) -> Self {
        let roles = options.roles;
        Self {
            part: options.part,
            name: plan.name.clone(),
            phase: "starting",
            drill: plan.drill.is_some(),
            devices: plan.fleet.devices,
            drives: roles.driver && plan.updates() > 0,
            ..Self::default()
        }
    }
}

impl Coordinator {
    /// How far the run is.
    pub(in crate::run) fn status(&mut self) -> Status {
        let details = self.live.wants_details() || self.options.observer.is_some();
        let health = if details { self.health() } else { Health::default() };
        let plan = &self.options.plan;
        let elapsed = self.clock.now().since(Nanos::ZERO);
        let gauges = self.tally.gauges();
        let (phase, left) = match self.phase {
            // How long a driver alone has to wait is up to somebody else.
            Phase::Connecting if !self.options.roles.fleet => ("waiting", None),
            Phase::Connecting => {
                let phase = if gauges.registered > 0 { "registering" } else { "connecting" };
                (phase, plan.estimated_duration().checked_sub(elapsed))
            }
            Phase::Running { since } => {
                let now = Instant::now();
                // What was seen so far tells more than what the plan allows for.
                let whole = match (self.last_due, self.tally.longest_update()) {
                    (Some(last_due), Some(longest)) => last_due + longest,
                    _ => plan.estimated_load(),
                };
                if now < since {
                    ("holding", Some(since.duration_since(now) + whole))
                } else {
                    (self.phase_in_words(since), whole.checked_sub(now.duration_since(since)))
                }
            }
            Phase::Healing { .. } => ("healing", None),
            Phase::Stopping { .. } => ("stopping", None),
        };
        let driver = self.options.roles.driver;
        let has_updates = driver && plan.updates() > 0;
        let publishes = self.options.roles.fleet && plan.fleet.telemetry.is_some();
        let census = &self.tally.total.census;
        let (rollout, left) = match self.rollout_status().filter(|_| self.is_running()) {
            Some((words, its)) => (Some(words), its),
            None => (None, left),
        };
        let status = Status {
            phase,
            rollout,
            stopping: matches!(
                self.phase,
                Phase::Healing { reason: StopReason::Interrupted, .. }
                    | Phase::Stopping { reason: StopReason::Interrupted }
            ),
            elapsed,
            left: left.filter(|_| driver),
            gauges,
            updates: (has_updates && self.phase != Phase::Connecting).then(|| (census.planned, census.ended())),
            rate: self.tally.last_rate().filter(|_| has_updates && matches!(self.phase, Phase::Running { .. })),
            telemetry: self.tally.last_telemetry().filter(|_| publishes),
            lag_us: self.tally.last_lag_us.filter(|_| has_updates),
            thresholds: self.watch.lights.clone(),
            health,
            ..Status::first(plan, &self.options)
        };
        if details { detailed(status, &self.tally) } else { status }
    }

    fn health(&mut self) -> Health {
        let parts = &self.tally.parts;
        // A single shard is a thread of this process, several are processes beside it.
        let others = if parts.len() > 1 { parts.as_slice() } else { &[] };
        let generator = others.iter().fold(Usage::of_self().since(self.before), |sum, part| sum + part.usage);
        let descriptors = parts.iter().map(|part| part.descriptors).max().unwrap_or_default();
        let (now, hub) = (self.clock.now(), self.hubs.usage());
        self.meter.look(now, generator, hub, descriptors)
    }
}

/// `status` with what only a whole screen has room for.
fn detailed(mut status: Status, tally: &Tally) -> Status {
    let skipped = tally.intervals.len().saturating_sub(PAST);
    status.pulse = tally.intervals.iter().skip(skipped).filter_map(pulse).collect();
    let row = |series: Series| Some(row(series, tally.total.series.get(&series)?));
    status.series = TELLING.into_iter().filter_map(row).filter(|row| row.count > 0).collect();
    status.mishaps = mishaps(&tally.total.census);
    status
}

fn pulse(interval: &Interval) -> Option<Pulse> {
    let per_second = |count: u64| count as f64 / interval.length_s;
    (interval.length_s > 0.0).then(|| Pulse {
        second: (interval.t_s - interval.length_s / 2.0).max(0.0) as u64,
        offered: per_second(interval.offered),
        achieved: per_second(interval.achieved),
        connects: per_second(interval.connect_attempts),
    })
}

fn row(series: Series, data: &SeriesData) -> SeriesRow {
    SeriesRow {
        name: series.name(),
        count: data.count(),
        p50: data.statistic(Statistic::Percentile(5_000)),
        p90: data.statistic(Statistic::Percentile(9_000)),
        p99: data.statistic(Statistic::Percentile(9_900)),
        max: data.statistic(Statistic::Max),
    }
}

/// Every outcome but the good one, by its details as far as these are known.
fn mishaps(census: &Census) -> Vec<Mishap> {
    let mut found = Vec::new();
    for (outcome, count) in census.outcomes.iter().filter(|(outcome, _)| **outcome != Outcome::Completed) {
        let details = census.details.get(outcome).into_iter().flatten();
        let mut rest = *count;
        for (detail, count) in details {
            rest = rest.saturating_sub(*count);
            found.push(Mishap { what: format!("{outcome}/{detail}"), count: *count });
        }
        if rest > 0 {
            found.push(Mishap { what: outcome.to_string(), count: rest });
        }
    }
    found.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.what.cmp(&other.what)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_told_of_the_time_since_the_last_look() {
        let second = |seconds| Nanos::ZERO + Duration::from_secs(seconds);
        let used = |millis| Usage { cpu: Duration::from_millis(millis), rss_peak: 5 };
        let mut meter = Meter::default();
        let first = meter.look(second(1), used(700), None, 0);
        assert_eq!((first.generator_cpu, first.hub_cpu, first.descriptors), (None, None, None));
        let next = meter.look(second(3), used(1700), Some(used(100)), 9);
        let half = 50.0 / cores() as f64;
        assert!(next.generator_cpu.is_some_and(|cpu| (cpu - half).abs() < 1e-6), "{next:?}");
        assert_eq!((next.hub_cpu, next.hub_memory, next.descriptors.map(|(open, _)| open)), (None, Some(5), Some(9)));
        // One that died and is not counted any more used nothing.
        assert_eq!(meter.look(second(4), used(1700), Some(used(50)), 9).hub_cpu, Some(0.0));
    }

    #[test]
    fn what_went_wrong_is_told_by_its_details_the_most_frequent_first() {
        let mut census = Census { planned: 30, ..Census::default() };
        census.add(Outcome::Completed, "", 20);
        census.add(Outcome::HubError, "503", 2);
        census.add(Outcome::HubError, "hub_died", 3);
        census.add(Outcome::HubError, "", 1);
        census.add(Outcome::Stuck, "", 4);
        let told: Vec<String> = mishaps(&census).iter().map(|row| format!("{} {}", row.what, row.count)).collect();
        assert_eq!(told, ["stuck 4", "hub_error/hub_died 3", "hub_error/503 2", "hub_error 1"]);
    }

    #[test]
    fn a_second_counts_where_most_of_it_lies() {
        let interval = |t_s, length_s| Interval { t_s, length_s, offered: 10, ..Interval::default() };
        let pulse = |t_s, length_s| pulse(&interval(t_s, length_s)).map(|pulse| (pulse.second, pulse.offered));
        assert_eq!(pulse(3.001, 1.0), Some((2, 10.0)));
        assert_eq!(pulse(7.4, 0.4), Some((7, 25.0)));
        assert_eq!(pulse(7.4, 0.0), None);
    }
}

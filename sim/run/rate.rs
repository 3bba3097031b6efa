//! The rate that was offered and the rate that was achieved, both as gaps between first and last call, so that a
//! generator that keeps its schedule shows the same figure twice.
//!
//! In a roll-out a wave ends when its updates have ended and the next begins when it is released: what lies between is
//! no part of the load. So both figures add up the gaps and the spans within the waves: offered is what the schedule
//! holds of the waves that were released, achieved what was really sent of them.

use std::time::Duration;

use super::tally::Tally;
use crate::measure::{Interval, LoadSpan, RateResult, TelemetryRate};
use crate::policy::{Arrivals, DeviceRange};
use crate::profile::Plan;
use crate::shard::Roles;
use crate::time::Nanos;

/// When the first and the last call of each wave are due, from its release; without a roll-out there is one wave, from
/// the start of the load. Nothing in a closed load.
pub(super) fn schedule_spans(plan: &Plan) -> Vec<(Duration, Duration)> {
    let lead = plan.driver.lead();
    let spans = Arrivals::spans(plan.seed, &plan.driver.load, plan.updates(), plan.driver.rollout.as_ref());
    spans.into_iter().map(|(first, last)| (lead + first, lead + last)).collect()
}

/// Offered and achieved rate, where so many waves were `released`.
pub(super) fn rate(plan: &Plan, roles: Roles, shards: &[DeviceRange], tally: &Tally, released: usize) -> RateResult {
    // Nothing was offered where the load never began.
    if !roles.driver || tally.total.counters.calls_due == 0 {
        return RateResult::default();
    }
    let schedule = Schedule::of(plan, shards);
    let achieved_per_s = schedule.achieved(plan, tally, released);
    RateResult { offered_per_s: schedule.offered(released), achieved_per_s, telemetry: None }
}

/// Telemetry of a run of `plan`, over the seconds that lie within the `load`; `None` where there is none, or was nobody's.
pub(super) fn telemetry_rate(
    plan: &Plan,
    roles: Roles,
    tally: &Tally,
    load: Option<LoadSpan>,
) -> Option<TelemetryRate> {
    let telemetry = plan.fleet.telemetry.filter(|_| roles.fleet)?;
    let interval = telemetry.interval.as_secs_f64();
    let within = |interval: &&Interval| {
        load.is_some_and(|load| interval.t_s - interval.length_s >= load.from_s && interval.t_s <= load.to_s)
    };
    let (mut seconds, mut sent, mut delivered) = (0.0, 0, 0);
    for interval in tally.intervals.iter().filter(within) {
        seconds += interval.length_s;
        sent += interval.telemetry_sent;
        delivered += interval.telemetry_delivered;
    }
    let rate = |count: u64| (seconds > 0.0).then(|| count as f64 / seconds);
    Some(TelemetryRate {
        offered_per_s: f64::from(plan.fleet.devices) / interval.max(f64::MIN_POSITIVE),
        sent_per_s: rate(sent),
        delivered_per_s: rate(delivered).filter(|_| roles.driver && plan.hub.broker().is_some()),
    })
}

/// The schedule of a plan by its waves; without a roll-out there is one.
#[derive(Debug)]
pub(super) struct Schedule(Vec<Wave>);

impl Schedule {
    /// That of `plan` for these `shards`. It goes through every update.
    pub(super) fn of(plan: &Plan, shards: &[DeviceRange]) -> Self {
        Self(scheduled(plan, shards))
    }

    fn released(&self, waves: usize) -> &[Wave] {
        self.0.get(..waves.max(1)).unwrap_or(&self.0)
    }

    /// The rate that it holds of the waves that were `released`; `None` in a closed load.
    fn offered(&self, released: usize) -> Option<f64> {
        per_second(self.released(released).iter().filter_map(|wave| {
            let (first, last) = wave.span?;
            wave.gaps(wave.updates, last.saturating_sub(first))
        }))
    }

    /// The rate at which calls of the waves that were `released` were really sent so far.
    pub(super) fn achieved(&self, plan: &Plan, tally: &Tally, released: usize) -> Option<f64> {
        let sent: Vec<(u64, Option<(Nanos, Nanos)>)> = if plan.driver.rollout.is_some() {
            tally.total.waves.values().map(|wave| (wave.called, wave.sent_span)).collect()
        } else {
            vec![(tally.total.counters.calls_sent, tally.total.sent_span)]
        };
        per_second(self.released(released).iter().zip(sent).filter_map(|(wave, (calls, span))| {
            let (first, last) = span?;
            wave.gaps(calls, last.since(first))
        }))
    }
}

/// A wave by the schedule.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Wave {
    updates: u64,
    /// Calls behind which there is no gap.
    behind: u64,
    /// When the first and the last call are made; `None` in a closed load.
    span: Option<(Duration, Duration)>,
}

impl Wave {
    /// The gaps of so many calls, and what they took; nothing if there is none.
    fn gaps(&self, calls: u64, took: Duration) -> Option<(u64, f64)> {
        let gaps = calls.checked_sub(self.behind).filter(|gaps| *gaps > 0)?;
        Some((gaps, took.as_secs_f64())).filter(|(_, seconds)| *seconds > 0.0)
    }
}

fn per_second(waves: impl Iterator<Item = (u64, f64)>) -> Option<f64> {
    let (gaps, seconds) = waves.fold((0, 0.0), |(gaps, seconds), (more, took)| (gaps + more, seconds + took));
    (gaps > 0).then(|| gaps as f64 / seconds)
}

/// Every wave. The calls of a job come together, when the first of them is due, and every shard has a last job of its own
/// in each wave.
fn scheduled(plan: &Plan, shards: &[DeviceRange]) -> Vec<Wave> {
    let rollout = plan.driver.rollout.as_ref();
    let sizes: Vec<u64> = match rollout {
        Some(rollout) => (0..rollout.len()).map(|wave| rollout.places(wave)).map(|its| its.end - its.start).collect(),
        None => vec![plan.updates()],
    };
    let Some(together) = plan.driver.via.job_devices() else {
        let mut spans = schedule_spans(plan).into_iter();
        return sizes.into_iter().map(|updates| Wave { updates, behind: 1, span: spans.next() }).collect();
    };
    let (devices, load) = (plan.fleet.devices, &plan.driver.load);
    let mut waves: Vec<Wave> = sizes.into_iter().map(|updates| Wave { updates, behind: 0, span: None }).collect();
    let mut last_jobs = vec![0; shards.len()];
    let mut present = 0;
    let whole = DeviceRange { start: 0, end: devices };
    let arrivals = Arrivals::new(plan.seed, load, devices, plan.updates(), whole);
    for arrival in arrivals.in_waves(plan.seed, load, rollout) {
        if arrival.wave != present {
            present = arrival.wave;
            last_jobs.fill(0);
        }
        let shard = shards.partition_point(|range| range.end <= arrival.device);
        let (Some(job), Some(wave)) = (last_jobs.get_mut(shard), waves.get_mut(present as usize)) else { continue };
        if *job % u64::from(together) == 0 {
            wave.behind -= *job;
            *job = 0;
            wave.span = Some((wave.span.map_or(arrival.due, |(first, _)| first), arrival.due));
        }
        *job += 1;
        wave.behind += 1;
    }
    waves
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{self, Override};

    fn range(start: u32, end: u32) -> DeviceRange {
        DeviceRange { start, end }
    }

    fn plan(name: &str, sets: &[&str]) -> Plan {
        let sets: Vec<Override> = sets.iter().map(|set| Override::set(set).unwrap()).collect();
        profile::load(name, &sets).unwrap()
    }

    #[test]
    fn what_comes_together_at_each_shards_end_counts_in_no_gap() {
        // 500 devices in jobs of 100, at 50 a second.
        let plan = plan("scheduled-job", &[]);
        let [wave] = scheduled(&plan, &[range(0, 500)])[..] else { panic!() };
        let (first, last) = wave.span.unwrap();
        assert_eq!((wave.behind, (last - first).as_secs()), (100, 8));
        let [wave] = scheduled(&plan, &[range(0, 167), range(167, 334), range(334, 500)])[..] else { panic!() };
        assert_eq!(wave.behind, 67 + 67 + 66);
        let (first, last) = wave.span.unwrap();
        let rate = (500 - wave.behind) as f64 / (last - first).as_secs_f64();
        assert!((40.0..60.0).contains(&rate), "{rate}");
    }

    #[test]
    fn calls_have_a_gap_behind_each_but_the_last() {
        let calls = plan("quickstart", &[]);
        let wave = Wave { updates: 1000, behind: 1, span: schedule_spans(&calls).pop() };
        assert_eq!(scheduled(&calls, &[range(0, 500), range(500, 1000)]), [wave]);
    }

    #[test]
    fn waves_are_offered_at_the_rate_within_them() {
        let sets = ["rollout.waves=[\"1%\", \"50%\", \"100%\"]", "rollout.pause=\"1h\"", "load.arrivals=constant"];
        let calls = plan("quickstart", &sets);
        let waves = scheduled(&calls, &[range(0, 1000)]);
        assert_eq!(waves.iter().map(|wave| wave.updates).collect::<Vec<_>>(), [10, 490, 500]);
        let offered = waves.iter().filter_map(|wave| wave.gaps(wave.updates, wave.span?.1 - wave.span?.0));
        assert!((per_second(offered).unwrap() - 100.0).abs() < 1e-6);
        // A wave of one call has no gap, and takes nothing from the others.
        let one = Wave { updates: 1, behind: 1, span: Some((Duration::ZERO, Duration::ZERO)) };
        assert_eq!(one.gaps(1, Duration::ZERO), None);
        assert_eq!(per_second(std::iter::empty()), None);
    }

    #[test]
    fn jobs_begin_anew_in_each_wave() {
        let jobs = plan("scheduled-job", &["rollout.waves=[50, 250, 500]"]);
        let behind: Vec<u64> = scheduled(&jobs, &[range(0, 500)]).iter().map(|wave| wave.behind).collect();
        assert_eq!(behind, [50, 100, 50]);
    }
}

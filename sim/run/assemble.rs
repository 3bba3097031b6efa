//! From a tally to a result.

use std::time::Duration;

use jiff::Timestamp;

use super::faults;
use super::hub_faults::HubFaults;
use super::placement::Placement;
use super::tally::{Part, Tally, cautious_p99_us};
use crate::driver::{DriverConfig, Via};
use crate::measure::{
    GeneratorHealth, HubHealth, ObserverHealth, RateResult, Retries, RetryCounts, RetryRow, RunResult, SeriesData,
    ShardResult, ThrottleCount, Usage, Verdict, cores,
};
use crate::policy::{Arrivals, DeviceRange, RetryPolicy, Series};
use crate::profile::Plan;
use crate::shard::Roles;

/// What is known of a run beside its measurements.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) plan: Plan,
    pub(super) roles: Roles,
    pub(super) command: String,
    pub(super) started_at: Timestamp,
    pub(super) duration_s: f64,
    /// What the coordinator's own process has used.
    pub(super) own: Usage,
    /// What the embedded hubs have used.
    pub(super) hub: Option<Usage>,
    /// What their limits did.
    pub(super) throttled: Vec<ThrottleCount>,
    /// What was really done to them.
    pub(super) hub_faults: HubFaults,
    pub(super) hub_on_same_machine: bool,
    pub(super) placement: Placement,
}

/// The result of a run, not judged yet.
pub(super) fn result(facts: Facts, tally: Tally) -> RunResult {
    let Facts {
        plan,
        roles,
        command,
        started_at,
        duration_s,
        own,
        hub,
        throttled,
        hub_faults,
        hub_on_same_machine,
        placement,
    } = facts;
    // A single shard is a thread of the coordinator's process, several are processes beside it.
    let shards = shards(&placement, &tally);
    let others = if shards.len() > 1 { tally.parts.iter().map(|part| part.usage).collect() } else { Vec::new() };
    let usage = others.into_iter().fold(own, |sum, part| sum + part);
    let total = &tally.total;
    let micros = |series| total.series.get(&series).and_then(cautious_p99_us);
    let generator = GeneratorHealth {
        cpu_seconds: usage.cpu.as_secs_f64(),
        cpu_percent: usage.cpu.as_secs_f64() * 100.0 / (duration_s * cores() as f64),
        cores: cores(),
        rss_peak_bytes: usage.rss_peak,
        descriptors_peak: tally.parts.iter().map(|part| part.descriptors).max().unwrap_or_default(),
        schedule_lag_p99_us: micros(Series::ScheduleLag),
        dropped: total.counters.dropped,
        hub_on_same_machine,
        loop_lag_p99_us: total
            .loop_lag
            .iter()
            .filter_map(|(worker, lag)| Some((worker.clone(), cautious_p99_us(&lag.0)?)))
            .collect(),
    };
    let observe = &plan.driver.observe;
    let counters = total.counters;
    RunResult {
        name: plan.name.clone(),
        started_at,
        duration_s,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: plan.seed.0,
        plan: serde_json::to_value(&plan).unwrap_or_default(),
        command,
        valid: true,
        invalid_reasons: Vec::new(),
        verdict: Verdict::Pass,
        exit_code: 0,
        census: total.census.clone(),
        absent: absent(roles, &plan.driver),
        series: total.series.clone(),
        rate: rate(&plan, roles, &placement.shards, &tally),
        generator,
        hub: hub.map(|usage| HubHealth {
            instances: placement.hubs,
            cpu_seconds: usage.cpu.as_secs_f64(),
            rss_peak_bytes: usage.rss_peak,
            throttled,
            faults: hub_faults.rows(&plan.faults),
        }),
        shards,
        observer: ObserverHealth {
            kind: observe.kind.to_string(),
            interval_ms: u64::try_from(observe.interval.as_millis()).unwrap_or(u64::MAX),
            // What is there at one look came at any time since the look before.
            resolution_us: u64::try_from(observe.interval.as_micros()).unwrap_or(u64::MAX),
            seen_late: counters.seen_late,
            late: counters.late,
            throttled: counters.observer_throttled,
            errors: counters.observer_errors,
            requests: counters.observer_requests,
            left_out: counters.observer_left_out,
        },
        faults: faults::rows(&plan, roles, &tally),
        thresholds: Vec::new(),
        retries: retries(&plan, &tally),
        matrix: faults::matrix(&plan, total),
        off_diagonal: total.judged.examples.clone(),
        off_diagonal_total: total.judged.off_diagonal,
        invariants: faults::invariants(roles, total),
        intervals: tally.intervals.into(),
    }
}

/// A row for each shard.
fn shards(placement: &Placement, tally: &Tally) -> Vec<ShardResult> {
    let parts = placement.shards.iter().zip(&tally.parts).enumerate();
    let row = |(shard, (range, part)): (usize, (&DeviceRange, &Part))| ShardResult {
        shard: u32::try_from(shard).unwrap_or(u32::MAX),
        hub: placement.hub_of(shard).and_then(|hub| u32::try_from(hub).ok()),
        first_device: range.start,
        devices: range.len(),
        ended: part.ended,
        lost: part.lost,
        cpu_seconds: part.usage.cpu.as_secs_f64(),
        rss_peak_bytes: part.usage.rss_peak,
    };
    parts.map(row).collect()
}

/// The series that cannot be measured with these roles and this way of calling.
fn absent(roles: Roles, driver: &DriverConfig) -> Vec<Series> {
    Series::ALL
        .into_iter()
        .filter(|series| {
            if *series == Series::ScheduleLag && driver.load.rate().is_none() {
                // A closed load has no due times.
                true
            } else if series.needs_calls() && driver.via != Via::Calls {
                true
            } else if series.needs_both_ends() {
                !(roles.fleet && roles.driver)
            } else if series.needs_fleet() {
                !roles.fleet
            } else {
                !roles.driver
            }
        })
        .collect()
}

/// How many updates are planned for the devices of `range`.
pub(super) fn planned(plan: &Plan, range: DeviceRange) -> u64 {
    Arrivals::new(plan.seed, &plan.driver.load, plan.fleet.devices, plan.updates(), range).planned()
}

/// When the first and the last call are due, from the start of the load; `None` in a closed load.
pub(super) fn schedule_span(plan: &Plan) -> Option<(Duration, Duration)> {
    Arrivals::span(plan.seed, &plan.driver.load, plan.updates())
}

/// Offered and achieved rate, both as gaps between first and last call, so that a generator that keeps its schedule
/// shows the same figure twice.
fn rate(plan: &Plan, roles: Roles, shards: &[DeviceRange], tally: &Tally) -> RateResult {
    // Nothing was offered where the load never began.
    if !roles.driver || tally.total.counters.calls_due == 0 {
        return RateResult::default();
    }
    let (behind, span) = last_calls(plan, shards);
    let per_second =
        |calls: u64, seconds: f64| (calls > behind && seconds > 0.0).then(|| (calls - behind) as f64 / seconds);
    let offered_per_s =
        span.and_then(|(first, last)| per_second(plan.updates(), last.saturating_sub(first).as_secs_f64()));
    let achieved_per_s = tally
        .total
        .sent_span
        .and_then(|(first, last)| per_second(tally.total.counters.calls_sent, last.since(first).as_secs_f64()));
    RateResult { offered_per_s, achieved_per_s }
}

/// Calls behind which there is no gap, and when the first and the last call are made. The calls of a job come together,
/// when the first of them is due, and every shard has a last job of its own.
fn last_calls(plan: &Plan, shards: &[DeviceRange]) -> (u64, Option<(Duration, Duration)>) {
    let Some(together) = plan.driver.via.job_devices() else { return (1, schedule_span(plan)) };
    let (devices, updates) = (plan.fleet.devices, plan.updates());
    let mut last_jobs = vec![0; shards.len()];
    let mut span: Option<(Duration, Duration)> = None;
    let whole = DeviceRange { start: 0, end: devices };
    for arrival in Arrivals::new(plan.seed, &plan.driver.load, devices, updates, whole) {
        let shard = shards.partition_point(|range| range.end <= arrival.device);
        let Some(job) = last_jobs.get_mut(shard) else { continue };
        if *job % u64::from(together) == 0 {
            *job = 0;
            span = Some((span.map_or(arrival.due, |(first, _)| first), arrival.due));
        }
        *job += 1;
    }
    (last_jobs.iter().sum(), span)
}

/// What was tried again, by which policy.
fn retries(plan: &Plan, tally: &Tally) -> Retries {
    let (total, peaks) = (&tally.total.retries, &tally.peaks);
    let row = |policy: String, devices: u32, counts: RetryCounts, peak_per_s: u64, back: Option<SeriesData>| RetryRow {
        policy,
        devices,
        attempts: counts.attempts,
        retries: counts.retries,
        give_ups: counts.give_ups,
        waited_s: Duration::from_micros(counts.waited_us).as_secs_f64(),
        peak_per_s,
        lost: counts.lost,
        back_99_s: back.as_ref().and_then(|back| back.at_rank((counts.lost * 99).div_ceil(100))),
        back,
    };
    let policies = &plan.fleet.retry_connect;
    let connect = policies.names().into_iter().enumerate().map(|(cohort, name)| {
        let counts = total.connect.get(&cohort).copied().unwrap_or_default();
        let peak = peaks.connect.get(&cohort).copied().unwrap_or_default();
        let devices = policies.devices(cohort, plan.fleet.devices);
        row(name, devices, counts, peak, Some(total.back.get(&cohort).cloned().unwrap_or_default()))
    });
    let one =
        |policy: &RetryPolicy, counts, peak| row(policy.name().to_owned(), plan.fleet.devices, counts, peak, None);
    Retries {
        connect: connect.collect(),
        method: one(&plan.driver.retry_method, total.method, peaks.method),
        twin: one(&plan.fleet.retry_twin, total.twin, peaks.twin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile;

    #[test]
    fn what_comes_together_at_each_shards_end_counts_in_no_gap() {
        // 500 devices in jobs of 100, at 50 a second.
        let plan = profile::load("scheduled-job", &[]).unwrap();
        let range = |start, end| DeviceRange { start, end };
        let (behind, span) = last_calls(&plan, &[range(0, 500)]);
        let (first, last) = span.unwrap();
        assert_eq!((behind, (last - first).as_secs()), (100, 8));
        let (behind, span) = last_calls(&plan, &[range(0, 167), range(167, 334), range(334, 500)]);
        assert_eq!(behind, 67 + 67 + 66);
        let (first, last) = span.unwrap();
        let rate = (500 - behind) as f64 / (last - first).as_secs_f64();
        assert!((40.0..60.0).contains(&rate), "{rate}");
        let calls = profile::load("quickstart", &[]).unwrap();
        assert_eq!(last_calls(&calls, &[range(0, 500), range(500, 1000)]), (1, schedule_span(&calls)));
    }
}

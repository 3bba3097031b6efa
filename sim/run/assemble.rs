//! From a tally to a result.

use std::time::Duration;

use jiff::Timestamp;

use super::faults;
use super::hub_faults::HubFaults;
use super::placement::Placement;
use super::rate::{rate, telemetry_rate};
use super::rollout::{self, Waves};
use super::tally::{Part, Tally, cautious_p99_us};
use crate::driver::{DriverConfig, ObserveKind, Via};
use crate::measure::{
    DrillResult, EventCounts, GeneratorHealth, HubCounts, HubHealth, LoadSpan, ObserverHealth, RateResult, Retries,
    RetryCounts, RetryRow, RunResult, SeriesData, SettledResult, ShardResult, ThresholdAbort, Usage, Verdict, cores,
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
    /// What the coordinator's own process has used since the run began.
    pub(super) own: Usage,
    /// What the embedded hubs have used, where they are processes of their own.
    pub(super) hub: Option<Usage>,
    /// What their limits and their servers did.
    pub(super) hub_counts: HubCounts,
    /// What was really done to them.
    pub(super) hub_faults: HubFaults,
    pub(super) hub_on_same_machine: bool,
    pub(super) placement: Placement,
    pub(super) load: Option<LoadSpan>,
    pub(super) drill: Option<DrillResult>,
    pub(super) events: Option<EventCounts>,
    /// What became of the waves of the roll-out.
    pub(super) waves: Waves,
    /// The threshold that ended it.
    pub(super) abort: Option<ThresholdAbort>,
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
        hub_counts,
        hub_faults,
        hub_on_same_machine,
        placement,
        load,
        drill,
        events,
        waves,
        abort,
    } = facts;
    let total = &tally.total;
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
        absent: absent(roles, &plan),
        series: total.series.clone(),
        rate: RateResult {
            telemetry: telemetry_rate(&plan, roles, &tally, load),
            ..rate(&plan, roles, &placement.shards, &tally, waves.released.len())
        },
        generator: generator(&tally, own, duration_s, hub_on_same_machine),
        hub: self::hub(&placement, hub).map(|hub| HubHealth {
            throttled: hub_counts.throttled,
            service: hub_counts.service,
            faults: hub_faults.rows(&plan.faults),
            ..hub
        }),
        shards: shards(&placement, &tally),
        observer: observer(&plan, &tally),
        faults: hub_faults.complete(&plan, faults::rows(&plan, roles, &tally, |_| true)),
        rollout: rollout::result(&plan, roles, &tally, &waves),
        images: (roles.fleet && plan.firmware.downloads().is_some()).then_some(counters.images),
        messages: total.messages.clone(),
        thresholds: Vec::new(),
        abort,
        retries: retries(&plan, &tally),
        matrix: faults::matrix(&plan, total),
        off_diagonal: total.judged.examples.clone(),
        off_diagonal_total: total.judged.off_diagonal,
        invariants: faults::invariants(roles, total),
        losses_unexplained: counters.losses_unexplained,
        load,
        drill,
        events,
        settled: settled(&plan, &tally),
        capacity: None,
        intervals: tally.intervals.into(),
    }
}

/// How fleet and driver fared in so many seconds; `own` is what the coordinator's process has used.
pub(super) fn generator(tally: &Tally, own: Usage, duration_s: f64, hub_on_same_machine: bool) -> GeneratorHealth {
    let usage = used(own, tally);
    let total = &tally.total;
    let lags = total.loop_lag.iter();
    GeneratorHealth {
        cpu_seconds: usage.cpu.as_secs_f64(),
        cpu_percent: cpu_percent(own, tally, duration_s),
        cores: cores(),
        rss_peak_bytes: usage.rss_peak,
        descriptors_peak: tally.parts.iter().map(|part| part.descriptors).max().unwrap_or_default(),
        schedule_lag_p99_us: total.series.get(&Series::ScheduleLag).and_then(cautious_p99_us),
        dropped: total.counters.dropped,
        hub_on_same_machine,
        loop_lag_p99_us: lags.filter_map(|(worker, lag)| Some((worker.clone(), cautious_p99_us(&lag.0)?))).collect(),
        lines: total.lines.iter().map(|(name, line)| line.row(name)).collect(),
    }
}

/// What the generator has used in all, where the coordinator's process has used its `own`. A single shard is a thread of that,
/// several are processes beside it.
fn used(own: Usage, tally: &Tally) -> Usage {
    let others = if tally.parts.len() > 1 { tally.parts.as_slice() } else { &[] };
    others.iter().fold(own, |sum, part| sum + part.usage)
}

/// CPU of the generator in percent of all cores, over a run of so many seconds.
pub(super) fn cpu_percent(own: Usage, tally: &Tally, duration_s: f64) -> f64 {
    used(own, tally).cpu.as_secs_f64() * 100.0 / (duration_s * cores() as f64)
}

/// How the observer of `plan` fared.
pub(super) fn observer(plan: &Plan, tally: &Tally) -> ObserverHealth {
    let (observe, counters) = (&plan.driver.observe, tally.total.counters);
    // Who is told by subscription looks at no interval: a stage's time is that of its report's arrival.
    let interval = if observe.kind == ObserveKind::Subscribe { Duration::ZERO } else { observe.interval };
    ObserverHealth {
        kind: observe.kind.to_string(),
        interval_ms: u64::try_from(interval.as_millis()).unwrap_or(u64::MAX),
        // What is there at one look came at any time since the look before.
        resolution_us: u64::try_from(interval.as_micros()).unwrap_or(u64::MAX),
        seen_late: counters.seen_late,
        late: counters.late,
        throttled: counters.observer_throttled,
        errors: counters.observer_errors,
        requests: counters.observer_requests,
        left_out: counters.observer_left_out,
        presence: plan.hub.broker().map(|_| plan.hub.tells_presence()),
        unheard: counters.unheard,
    }
}

/// The embedded hubs, if there are any, which have used `usage`, if that is known: nothing is told yet of what their limits
/// did, and of what was done to them.
pub(super) fn hub(placement: &Placement, usage: Option<Usage>) -> Option<HubHealth> {
    (placement.hubs > 0).then(|| HubHealth {
        instances: placement.hubs,
        cpu_seconds: usage.map(|usage| usage.cpu.as_secs_f64()),
        rss_peak_bytes: usage.map(|usage| usage.rss_peak),
        ..HubHealth::default()
    })
}

/// A row for each shard.
pub(super) fn shards(placement: &Placement, tally: &Tally) -> Vec<ShardResult> {
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
pub(super) fn absent(roles: Roles, plan: &Plan) -> Vec<Series> {
    let driver = &plan.driver;
    Series::ALL
        .into_iter()
        .filter(|series| {
            if *series == Series::ScheduleLag && driver.load.rate().is_none() {
                // A closed load has no due times.
                true
            } else if (series.needs_images() && plan.firmware.downloads().is_none())
                || (series.needs_telemetry() && plan.fleet.telemetry.is_none())
            {
                // Nobody expects it.
                false
            } else if is_out_of_reach(*series, plan) {
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

/// Whether the way in which this plan goes about it leaves nothing to measure a series by.
fn is_out_of_reach(series: Series, plan: &Plan) -> bool {
    match series {
        // An IoT hub hands telemetry on to others than the driver.
        Series::TelemetryDelivery => plan.hub.broker().is_none(),
        // At QoS 0 nothing is acknowledged.
        Series::TelemetryAck => plan.fleet.telemetry.is_some_and(|telemetry| telemetry.qos == 0),
        series => series.needs_calls() && plan.driver.via != Via::Calls,
    }
}

/// How many updates are planned for the devices of `range`.
pub(super) fn planned(plan: &Plan, range: DeviceRange) -> u64 {
    let DriverConfig { load, settle, .. } = &plan.driver;
    let updates = plan.driver.settling() + plan.updates();
    let arrivals = Arrivals::new(plan.seed, load, plan.fleet.devices, updates, range);
    let arrivals = arrivals.settled_by(load, settle.as_ref());
    arrivals.planned() - arrivals.settling()
}

/// What came before the updates that were measured; `None` if nothing was to.
fn settled(plan: &Plan, tally: &Tally) -> Option<SettledResult> {
    plan.driver.settle?;
    let census = &tally.total.settled.census;
    Some(SettledResult {
        lead_s: plan.driver.lead().as_secs_f64(),
        planned: census.planned,
        outcomes: census.outcomes.clone(),
        unaccounted: census.unaccounted(),
    })
}

/// What was tried again, by which policy.
pub(super) fn retries(plan: &Plan, tally: &Tally) -> Retries {
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
        throttled: counts.throttled,
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
        connect_peak_per_s: peaks.connect_all,
        method: one(&plan.driver.retry_method, total.method, peaks.method),
        twin: one(&plan.fleet.retry_twin, total.twin, peaks.twin),
    }
}

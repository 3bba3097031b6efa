//! Who is to blame for a step that broke: the hub's limits, its errors, or the generator and its machine.

use std::time::Duration;

use super::probe::Probe;
use super::step::StepPlan;
use crate::hub::{HubDelays, Operation};
use crate::measure::{CapacityCause, RetryRow, RunResult, cores};
use crate::policy::{CapacityOf, Outcome, Threshold, Unit};
use crate::profile::HubPlan;

/// From this share of what it may use on, in percent, what a generator measures is its own doing as well; and where an
/// embedded hub shares the machine, nobody can tell the two apart.
const SATURATED: f64 = 85.0;
/// Refusals below this percentage of what was asked for are no reason for anything.
const NOTABLE: f64 = 0.1;
/// A limit is a reason from this part of it on: what is used of it comes in bursts.
const NEAR_LIMIT: f64 = 0.9;
/// Reports of an update.
pub(super) const REPORTS: f64 = 3.0;
/// An event loop that is as late as this delays what it measures: what the schedule may be late by.
const LATE: Duration = Duration::from_millis(10);
/// It explains what breaks a threshold by so many times as much: what one update meets of it adds up.
const EXPLAINED: u32 = 10;

/// Who is to blame for what broke in a `step` with so much `load`, and how that shows.
pub(super) fn blame(step: &StepPlan, load: f64, result: &RunResult, probe: &Probe) -> (CapacityCause, String) {
    let refused = |share: Option<(f64, &'static str)>| {
        let (percent, what) = share.filter(|(percent, _)| *percent >= NOTABLE)?;
        Some((CapacityCause::Throttled, format!("the hub refused {percent:.1} % of the {what}")))
    };
    // Whoever looks is no part of the load, but what is not seen breaks a step as well.
    let looks = result.observer.throttled as f64 * 100.0 / result.observer.requests.max(1) as f64;
    if let Some(blamed) = refused(throttled(step, result)).or_else(|| refused(Some((looks, "observer's requests")))) {
        return blamed;
    }
    if let Some(why) = machine(step, load, result, probe) {
        return (CapacityCause::Generator, why);
    }
    if let Some(why) = held_back(step, load, result) {
        return (CapacityCause::Throttled, why);
    }
    if let Some(why) = kept_out(step, load, result, probe).or_else(|| errors(result)) {
        return (CapacityCause::Errors, why);
    }
    (CapacityCause::Slo, String::new())
}

/// The kind of request that belongs to the load and of which the hub refused most as too many, and how much that was, in
/// percent.
pub(super) fn throttled(step: &StepPlan, result: &RunResult) -> Option<(f64, &'static str)> {
    let share = |rows: &[&RetryRow]| {
        let sum = |of: fn(&RetryRow) -> u64| rows.iter().map(|row| of(row)).sum::<u64>() as f64;
        let attempts = sum(|row| row.attempts);
        (attempts > 0.0).then(|| sum(|row| row.throttled) * 100.0 / attempts)
    };
    let retries = &result.retries;
    let connects: Vec<&RetryRow> = retries.connect.iter().collect();
    let kinds = match step.plan.capacity.of {
        // Whoever comes online before the load is no part of it.
        CapacityOf::Calls | CapacityOf::Devices => {
            vec![(share(&[&retries.method]), "calls"), (share(&[&retries.twin]), "reports")]
        }
        CapacityOf::ConnectRate => vec![(share(&connects), "connections")],
    };
    kinds.into_iter().filter_map(|(share, what)| Some((share?, what))).max_by(|a, b| a.0.total_cmp(&b.0))
}

/// Whether the generator was at its end, or the machine that an embedded hub shares with it.
fn machine(step: &StepPlan, load: f64, result: &RunResult, probe: &Probe) -> Option<String> {
    let (hub, cores) = (&step.plan.hub, cores() as f64);
    let used = probe.cpu_percent();
    let in_words = |used: f64| match hub.is_ours() {
        true => format!("generator and embedded hub used {used:.0} % of this machine's {cores} cores"),
        false => format!("the generator used {used:.0} % of this machine's {cores} cores"),
    };
    if matches!(hub, HubPlan::Null { .. }) {
        return Some("the hub only acknowledges: this is the generator's own limit".to_owned());
    }
    if let Some(used) = used.filter(|used| *used >= SATURATED) {
        return Some(in_words(used));
    }
    if let Some((worker, lag)) = late(result).filter(|_| kept_out(step, load, result, probe).is_none()) {
        return Some(format!("the generator's event loop {worker} was {} ms late (p99)", lag.as_millis()));
    }
    // A hub's threads may be used up while other cores are idle.
    let hubs = result.hub.as_ref().map_or(1, |hub| hub.instances.max(1));
    let threads = (hub.workers() * hubs) as f64;
    let hub_used = probe.hub_cpu_percent().filter(|_| hub.is_ours());
    if let Some(used) = hub_used.map(|used| used * cores / threads).filter(|used| *used >= SATURATED) {
        return Some(format!("the embedded hub used {used:.0} % of its {threads} threads"));
    }
    // It has no other capacity.
    is_unlimited(step).then(|| {
        let used = used.map(|used| format!("; {}", in_words(used)));
        format!("an embedded hub without limits does what its machine lets it do{}", used.unwrap_or_default())
    })
}

/// The event loop of the generator that was late enough to be a reason for what broke, and how late.
fn late(result: &RunResult) -> Option<(&String, Duration)> {
    let (worker, lag) = result.generator.loop_lag_p99_us.iter().max_by_key(|(_, lag)| **lag)?;
    let lag = Duration::from_micros(*lag);
    let broken = result.thresholds.iter().find(|threshold| threshold.ok == Some(false));
    let excess = broken.and_then(|threshold| {
        let rule = threshold.expr.parse::<Threshold>().ok().filter(|rule| rule.metric.unit() == Unit::Duration)?;
        Duration::try_from_secs_f64(threshold.observed? - rule.limit).ok()
    });
    // Some milliseconds are no reason for seconds.
    (lag > LATE && excess.is_none_or(|excess| lag >= excess / EXPLAINED)).then_some((worker, lag))
}

/// Devices that were to be connected, and whose attempts failed at least as often: a generator that is some milliseconds late is
/// no reason for that.
fn kept_out(step: &StepPlan, load: f64, result: &RunResult, probe: &Probe) -> Option<String> {
    let connected = probe.least_connected().filter(|_| step.plan.capacity.of == CapacityOf::Devices)?;
    let missing = load as u64 - u64::from(connected).min(load as u64);
    let failed: u64 = result.retries.connect.iter().map(|row| row.retries + row.give_ups).sum();
    (missing > 0 && failed >= missing).then(|| format!("{failed} attempts to connect failed"))
}

/// Whether nothing but the machine keeps the hub from doing all that it is asked to.
fn is_unlimited(step: &StepPlan) -> bool {
    let at_once = |slow: &HubDelays| *slow == HubDelays::default();
    let undelayed = matches!(&step.plan.hub, HubPlan::Embedded { slow, .. } if at_once(slow));
    step.plan.hub.is_ideal() && undelayed && step.plan.faults.is_empty()
}

/// The limit of an embedded hub that delayed what such a load asks for.
fn held_back(step: &StepPlan, load: f64, result: &RunResult) -> Option<String> {
    let limits = step.plan.hub.limits()?;
    let hub = result.hub.as_ref()?;
    let delayed = |operation: Operation| {
        let mut rows = hub.throttled.iter().filter(|row| row.operation == operation.name());
        rows.any(|row| row.delayed + row.refused > 0)
    };
    let asked = |operation: Operation| match (step.plan.capacity.of, operation) {
        (CapacityOf::Calls, Operation::Method) => Some(load),
        (CapacityOf::Calls, Operation::TwinUpdate) => Some(load * REPORTS),
        (CapacityOf::ConnectRate, Operation::Connect | Operation::TwinUpdate) => Some(load),
        _ => None,
    };
    let tight = limits.throttles.iter().filter_map(|(operation, limit)| {
        let (rate, asked) = (limit.rate * hub.instances.max(1) as f64, asked(*operation)?);
        (asked >= rate * NEAR_LIMIT && delayed(*operation)).then_some((*operation, rate, asked))
    });
    let (operation, rate, asked) = tight.max_by(|a, b| (a.2 / a.1).total_cmp(&(b.2 / b.1)))?;
    let name = operation.name();
    Some(format!("the hub held {name} back: such a load asks for {asked:.1}/s, and {rate:.1}/s are allowed"))
}

/// The outcome, other than those of limits, that most updates that did not complete had.
fn errors(result: &RunResult) -> Option<String> {
    let census = &result.census;
    let counts = census.outcomes.iter().filter(|(outcome, _)| {
        !matches!(outcome, Outcome::Completed | Outcome::Throttled | Outcome::NotSent | Outcome::Aborted)
    });
    let (outcome, count) = counts.max_by_key(|(_, count)| **count).filter(|(_, count)| **count > 0)?;
    let details = census.details.get(outcome).and_then(|details| details.iter().max_by_key(|(_, count)| **count));
    let detail = details.filter(|(detail, _)| !detail.is_empty()).map(|(detail, _)| format!(" ({detail})"));
    Some(format!("{count} of {} updates ended as {outcome}{}", census.planned, detail.unwrap_or_default()))
}

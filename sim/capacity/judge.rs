//! Whether a step kept its thresholds, and what was to blame if it did not.

use super::probe::Probe;
use super::step::StepPlan;
use crate::measure::{CapacityCause, RetryRow, RunResult, ThresholdResult};
use crate::policy::{CapacityOf, Outcome, Threshold, Unit};
use crate::profile::HubPlan;
use crate::report::human_value;
use crate::verdict::generator_faults;

/// An embedded hub shares the machine with the generator: from this share of all cores on, in percent, nobody can tell what
/// is the hub's and what the machine's.
const SATURATED: f64 = 85.0;
/// A hub without limits has no capacity but the machine's. Whatever breaks while so much of the machine is in use is its doing.
const BUSY: f64 = 60.0;
/// Refusals below this percentage of what was asked for are no reason for anything.
const NOTABLE: f64 = 0.1;
/// Whoever is refused in so many percent of the cases does not get what was asked for, whether or not a threshold says so.
const REFUSED: f64 = 1.0;
/// So much of a load is really to be made, in percent.
const MADE: f64 = 95.0;

/// What a step showed.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Why it did not keep the thresholds, in a word and in words with figures; `None` if it did.
    pub broken: Option<(CapacityCause, String)>,
    /// The load that was really made.
    pub achieved: Option<f64>,
    /// Of the kind of request that the hub refused most of as too many, the percentage that it refused.
    pub throttled_pct: Option<f64>,
}

/// Judges the `result` of a `step` with so much `load`, which `probe` has watched.
///
/// # Errors
/// It cannot be judged, and neither can any other of this plan.
pub fn judge(step: &StepPlan, load: f64, result: &RunResult, probe: &Probe) -> Result<Judgement, String> {
    let achieved = achieved(step, result, probe);
    let throttled_pct = throttled(result).map(|(percent, _)| percent);
    let judged = |broken| Ok(Judgement { broken, achieved, throttled_pct });
    let rules: Vec<Threshold> = step.plan.thresholds.iter().map(|rule| rule.threshold.clone()).collect();
    let faults = generator_faults(&rules, result);
    if !faults.is_empty() {
        return judged(Some((CapacityCause::Generator, faults.join("; "))));
    }
    let Some(what) = what_broke(step, load, result, probe, achieved)? else { return judged(None) };
    let (cause, why) = blame(step, result, probe);
    judged(Some((cause, [what, why].iter().filter(|words| !words.is_empty()).cloned().collect::<Vec<_>>().join("; "))))
}

/// What was not as it is to be, with figures.
fn what_broke(
    step: &StepPlan,
    load: f64,
    result: &RunResult,
    probe: &Probe,
    achieved: Option<f64>,
) -> Result<Option<String>, String> {
    let of = step.plan.capacity.of;
    if let Some(broken) = result.thresholds.iter().find(|threshold| threshold.ok == Some(false)) {
        return Ok(Some(was(broken)));
    }
    if let Some(abort) = &result.abort {
        let observed = in_its_unit(&abort.expr, abort.observed);
        return Ok(Some(format!("{} was {observed} {:.0} s into the run", abort.expr, abort.at_s)));
    }
    if probe.gave_up() {
        let unfinished = result.census.count(Outcome::Aborted);
        let drain = step.plan.capacity.drain.as_secs();
        return Ok(Some(format!("{unfinished} updates had not ended {drain} s after they were to")));
    }
    if let Some(unmeasured) = result.thresholds.iter().find(|threshold| threshold.ok.is_none()) {
        let why = "nothing of it was measured in a step; measure for longer (capacity.measure), or leave it out";
        return Err(format!("`{}` cannot be judged: {why}", unmeasured.expr));
    }
    if let Some(reason) = result.invalid_reasons.first() {
        return Ok(Some(reason.clone()));
    }
    if of == CapacityOf::ConnectRate
        && let Some((percent, _)) = throttled(result).filter(|(percent, _)| *percent >= REFUSED)
    {
        return Ok(Some(format!("{percent:.1} % of the connections were refused as too many")));
    }
    if let Some(why) = unsent(step, result) {
        return Ok(Some(why));
    }
    if of == CapacityOf::Devices
        && let Some(connected) = probe.least_connected().map(f64::from).filter(|connected| *connected < load)
    {
        return Ok(Some(format!("only {connected} of {load} devices were connected")));
    }
    let short = achieved.filter(|achieved| *achieved < load * MADE / 100.0);
    Ok(short.map(|achieved| format!("only {achieved:.1} of {load} {} came about", of.unit())))
}

/// Calls that could not be sent: the hub was too slow for as many to be under way.
fn unsent(step: &StepPlan, result: &RunResult) -> Option<String> {
    let unsent = result.census.count(Outcome::NotSent);
    let busy = result.census.details.get(&Outcome::NotSent).and_then(|details| details.get("device_busy"));
    let why = match busy {
        Some(busy) if *busy * 2 > unsent => format!("{} devices were busy with earlier ones", step.plan.fleet.devices),
        _ => format!("{} were in flight (load.max_in_flight)", step.plan.driver.max_in_flight),
    };
    (unsent > 0).then(|| format!("{unsent} calls were not sent, as {why}"))
}

fn was(threshold: &ThresholdResult) -> String {
    let observed = threshold.observed.map(|observed| in_its_unit(&threshold.expr, observed));
    format!("{} was {}", threshold.expr, observed.unwrap_or_else(|| "not measured".to_owned()))
}

/// A value as the unit of its condition has it.
fn in_its_unit(expr: &str, observed: f64) -> String {
    let unit = expr.parse::<Threshold>().map_or(Unit::Count, |threshold| threshold.metric.unit());
    human_value(unit, observed)
}

/// Who is to blame for what broke.
fn blame(step: &StepPlan, result: &RunResult, probe: &Probe) -> (CapacityCause, String) {
    if let Some((percent, what)) = throttled(result).filter(|(percent, _)| *percent >= NOTABLE) {
        return (CapacityCause::Throttled, format!("the hub refused {percent:.1} % of the {what}"));
    }
    if let Some(why) = machine(step, probe) {
        return (CapacityCause::Generator, why);
    }
    if let Some(why) = held_back(result) {
        return (CapacityCause::Throttled, why);
    }
    if let Some(why) = errors(result) {
        return (CapacityCause::Errors, why);
    }
    (CapacityCause::Slo, String::new())
}

/// The kind of request of which the hub refused most as too many, and how much that was, in percent.
fn throttled(result: &RunResult) -> Option<(f64, &'static str)> {
    let share = |rows: &[&RetryRow]| {
        let sum = |of: fn(&RetryRow) -> u64| rows.iter().map(|row| of(row)).sum::<u64>() as f64;
        let attempts = sum(|row| row.attempts);
        (attempts > 0.0).then(|| sum(|row| row.throttled) * 100.0 / attempts)
    };
    let retries = &result.retries;
    let connects: Vec<&RetryRow> = retries.connect.iter().collect();
    let kinds =
        [(share(&[&retries.method]), "calls"), (share(&[&retries.twin]), "reports"), (share(&connects), "connections")];
    kinds.into_iter().filter_map(|(share, what)| Some((share?, what))).max_by(|a, b| a.0.total_cmp(&b.0))
}

/// Whether the machine that an embedded hub shares with the generator is used up.
fn machine(step: &StepPlan, probe: &Probe) -> Option<String> {
    let hub = &step.plan.hub;
    if matches!(hub, HubPlan::Null { .. }) {
        return Some("the hub only acknowledges, so that this is the generator's own limit".to_owned());
    }
    if !hub.is_ours() {
        return None;
    }
    let limit = if step.plan.hub.is_ideal() { BUSY } else { SATURATED };
    let cores = crate::measure::cores() as f64;
    if let Some(used) = probe.cpu_percent().filter(|used| *used >= limit) {
        return Some(format!("generator and embedded hub used {used:.0} % of this machine's {cores} cores"));
    }
    // A hub's threads may be used up while other cores are idle.
    let threads = (hub.workers() * hub.instances().unwrap_or(1) as usize) as f64;
    let used = probe.hub_cpu_percent()? * cores / threads;
    (used >= limit).then(|| format!("the embedded hub used {used:.0} % of its {threads} threads"))
}

/// What the limits of an embedded hub delayed.
fn held_back(result: &RunResult) -> Option<String> {
    let rows = result.hub.iter().flat_map(|hub| &hub.throttled);
    let share = |delayed: u64, refused: u64, admitted: u64| {
        (delayed + refused) as f64 * 100.0 / (admitted + refused).max(1) as f64
    };
    let worst = rows.map(|row| (share(row.delayed, row.refused, row.admitted), row)).max_by(|a, b| a.0.total_cmp(&b.0));
    let (percent, row) = worst.filter(|(percent, _)| *percent >= 1.0)?;
    Some(format!("the hub's limit on {} held back or refused {percent:.0} % of them", row.operation))
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

/// The load that was really made.
fn achieved(step: &StepPlan, result: &RunResult, probe: &Probe) -> Option<f64> {
    match step.plan.capacity.of {
        CapacityOf::Calls => result.rate.achieved_per_s,
        CapacityOf::Devices => probe.least_connected().map(f64::from),
        CapacityOf::ConnectRate => {
            let tried = result.intervals.iter().filter(|second| second.connect_attempts > 0);
            let tried: Vec<(u64, f64)> = tried.map(|second| (second.connect_attempts, second.length_s)).collect();
            // The first and the last second are parts of one.
            let whole = tried.get(1..tried.len().saturating_sub(1)).filter(|whole| !whole.is_empty())?;
            let (sum, seconds) =
                whole.iter().fold((0, 0.0), |(sum, seconds), (more, length)| (sum + more, seconds + length));
            Some(sum as f64 / seconds)
        }
    }
}

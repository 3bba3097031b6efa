//! Whether a step kept its thresholds, and what was to blame if it did not.

use super::probe::Probe;
use super::step::StepPlan;
use crate::measure::{CapacityCause, RetryRow, RunResult, ThresholdResult};
use crate::policy::{CapacityOf, Outcome, Threshold, Unit, units};
use crate::profile::HubPlan;
use crate::report::human_value;
use crate::verdict::{NOTHING_MEASURED, generator_faults};

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
    if let Some(reason) = other_fault(result) {
        return judged(Some((CapacityCause::Errors, reason)));
    }
    let Some(what) = what_broke(step, load, result, probe, achieved)? else { return judged(None) };
    let (cause, why) = blame(step, result, probe);
    judged(Some((cause, if why.is_empty() { what } else { format!("{what}; {why}") })))
}

/// Why the figures do not count, other than by the generator's fault or for want of samples: something died, or the census
/// does not add up.
fn other_fault(result: &RunResult) -> Option<String> {
    let unmeasured = |reason: &&String| !reason.starts_with(NOTHING_MEASURED);
    result.invalid_reasons.iter().find(unmeasured).cloned()
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
        let drain = units::format_duration(step.plan.capacity.drain);
        let what = if of == CapacityOf::ConnectRate { "connections" } else { "updates" };
        let count = if unfinished == 0 { "some".to_owned() } else { unfinished.to_string() };
        return Ok(Some(format!(
            "{count} {what} were unfinished {drain} after they should have ended (capacity.drain)"
        )));
    }
    if let Some(unmeasured) = result.thresholds.iter().find(|threshold| threshold.ok.is_none()) {
        let why = "nothing of it was measured in a step; measure for longer (capacity.measure), or leave it out";
        return Err(format!("`{}` cannot be judged: {why}", unmeasured.expr));
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::capacity::probe::Window;
    use crate::measure::{HubHealth, ThrottleCount};
    use crate::policy::Series;
    use crate::profile::{self, Override};
    use crate::run::{Health, Status, StopHandle};
    use crate::verdict;

    const LOAD: f64 = 100.0;

    fn step(sets: &[&str]) -> StepPlan {
        let sets: Vec<Override> = sets.iter().map(|set| Override::set(set).unwrap()).collect();
        StepPlan::new(&profile::load("capacity", &sets).unwrap(), LOAD, true)
    }

    /// A probe that saw a machine in use by so many percent, a fifth of it by the hub.
    fn probe(step: &StepPlan, used: f64) -> Probe {
        let probe = Probe::new(Window { lead: Duration::ZERO, ..step.window }, StopHandle::new());
        for second in 0..5 {
            let health = Health { generator_cpu: Some(used * 0.8), hub_cpu: Some(used * 0.2), ..Health::default() };
            let elapsed = Duration::from_secs(second);
            probe.look(&Status { phase: "running", elapsed, health, ..Status::default() });
        }
        probe
    }

    /// Judges a run in which 1,000 updates completed but for what `change` does to it.
    fn judged(sets: &[&str], used: f64, change: impl FnOnce(&mut RunResult)) -> Option<(CapacityCause, String)> {
        let step = step(sets);
        let mut result = RunResult::default();
        result.census.planned = 1_000;
        result.census.add(Outcome::Completed, "", 1_000);
        for series in [Series::UpdateOverhead, Series::MethodResponse] {
            let data = result.series.entry(series).or_default();
            (0..2_000).for_each(|_| data.record(Duration::from_millis(5)));
        }
        (result.rate.achieved_per_s, result.retries.method.attempts) = (Some(LOAD), 1_000);
        change(&mut result);
        let rules: Vec<Threshold> = step.plan.thresholds.iter().map(|rule| rule.threshold.clone()).collect();
        result.thresholds = verdict::judge(&rules, &result);
        result.invalid_reasons = verdict::validity(&rules, &result.thresholds, &result);
        judge(&step, LOAD, &result, &probe(&step, used)).unwrap().broken
    }

    fn end_otherwise(result: &mut RunResult, outcome: Outcome, detail: &str, count: u64) {
        result.census.outcomes.insert(Outcome::Completed, 1_000 - count);
        result.census.add(outcome, detail, count);
    }

    fn slow(result: &mut RunResult) {
        let data = result.series.entry(Series::MethodResponse).or_default();
        (0..2_000).for_each(|_| data.record(Duration::from_secs(3)));
    }

    #[test]
    fn what_holds_is_kept() {
        assert_eq!(judged(&[], 20.0, |_| {}), None);
        assert_eq!(judged(&[], 99.0, |_| {}), None, "whatever it takes");
    }

    #[test]
    fn refusals_are_the_hub_s_limit_and_the_machine_s_is_none_of_it() {
        let refused = |result: &mut RunResult| {
            end_otherwise(result, Outcome::Throttled, "", 50);
            result.retries.method.throttled = 50;
        };
        let (cause, why) = judged(&[], 99.0, refused).unwrap();
        assert_eq!(
            (cause, why.as_str()),
            (CapacityCause::Throttled, "census.throttled.pct < 1 was 5.0 %; the hub refused 5.0 % of the calls")
        );
        let held_back = |result: &mut RunResult| {
            slow(result);
            let row =
                ThrottleCount { operation: "twin_update".to_owned(), admitted: 90, delayed: 60, ..Default::default() };
            result.hub = Some(HubHealth { throttled: vec![row], ..HubHealth::default() });
        };
        let (cause, why) = judged(&["hub.tier=S1"], 20.0, held_back).unwrap();
        assert!(
            cause == CapacityCause::Throttled && why.contains("limit on twin_update held back or refused 67 %"),
            "{why}"
        );
    }

    #[test]
    fn a_machine_that_is_used_up_is_never_the_hub_s_capacity() {
        let cause = |sets: &[&str], used| judged(sets, used, slow).unwrap().0;
        assert_eq!(cause(&[], 95.0), CapacityCause::Generator);
        // A hub without limits has no other capacity than the machine's; one with limits may have.
        let limits = &["hub.service={ methods = \"exp 5ms\" }"];
        assert_eq!((cause(&[], 70.0), cause(limits, 70.0)), (CapacityCause::Generator, CapacityCause::Slo));
        assert_eq!((cause(&[], 20.0), cause(limits, 90.0)), (CapacityCause::Slo, CapacityCause::Generator));
        assert_eq!(cause(&["hub.kind=null"], 1.0), CapacityCause::Generator);
        assert_eq!(cause(&["hub.kind=azure"], 99.0), CapacityCause::Slo, "a hub elsewhere uses another machine");
    }

    #[test]
    fn a_generator_that_was_late_or_left_calls_out_is_to_blame_whatever_else_broke() {
        let (cause, why) = judged(&[], 20.0, |result| {
            result.generator.dropped = 3;
            end_otherwise(result, Outcome::NotSent, "generator_late", 3);
            result.retries.method.throttled = 500;
        })
        .unwrap();
        assert!(cause == CapacityCause::Generator && why.contains("too late for 3 calls"), "{why}");
    }

    #[test]
    fn errors_are_told_by_the_outcome_that_most_had() {
        let (cause, why) = judged(&[], 20.0, |result| end_otherwise(result, Outcome::HubError, "503", 40)).unwrap();
        assert_eq!(
            (cause, why.as_str()),
            (
                CapacityCause::Errors,
                "census.completed.pct >= 99 was 96.0 %; 40 of 1000 updates ended as hub_error (503)"
            )
        );
        let (cause, why) = judged(&[], 20.0, |result| result.census.planned = 1_001).unwrap();
        assert!(cause == CapacityCause::Errors && why.starts_with("the census does not add up"), "{why}");
    }

    #[test]
    fn what_was_not_sent_or_did_not_come_about_breaks_a_step_that_keeps_every_threshold() {
        let unsent = |result: &mut RunResult| end_otherwise(result, Outcome::NotSent, "max_in_flight", 5);
        let (cause, why) = judged(&[], 20.0, unsent).unwrap();
        assert!(cause == CapacityCause::Slo && why.contains("5 calls were not sent, as 1000 were in flight"), "{why}");
        let (_, why) = judged(&[], 20.0, |result| result.rate.achieved_per_s = Some(80.0)).unwrap();
        assert!(why.starts_with("only 80.0 of 100 calls/s came about"), "{why}");
    }

    #[test]
    fn a_threshold_that_no_step_can_be_judged_by_ends_the_search() {
        let step = step(&["threshold.+.expr=reconnect.p99 < 1s"]);
        let mut result = RunResult::default();
        result.thresholds = verdict::judge(&["reconnect.p99 < 1s".parse().unwrap()], &result);
        let error = judge(&step, LOAD, &result, &probe(&step, 1.0)).unwrap_err();
        assert!(error.starts_with("`reconnect.p99 < 1s` cannot be judged: nothing of it was measured"), "{error}");
    }
}

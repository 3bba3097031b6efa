//! Whether a step kept its thresholds, and what was to blame if it did not.

use super::backlog::falls_behind;
use super::blame::{blame, throttled};
use super::probe::Probe;
use super::step::StepPlan;
use crate::measure::{CapacityCause, RunResult, ThresholdResult};
use crate::policy::{CapacityOf, Outcome, Threshold, Unit, units};
use crate::report::human_value;
use crate::verdict::{NOTHING_MEASURED, generator_faults};

/// Whoever is refused in so many percent of the cases does not get what was asked for, whether or not a threshold says so.
const REFUSED: f64 = 1.0;
/// With more than so many percent of the calls missing that let a hub settle it has not settled.
const UNSETTLED: f64 = 20.0;
/// A generator that, together with an embedded hub, uses less of all cores, in percent, is late for other reasons than its load;
/// or for want of a single core, which a second try tells.
const HARDLY_USED: f64 = 60.0;
/// So much of a load is really to be made, in percent.
const MADE: f64 = 95.0;

/// What a step showed.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Why it did not keep the thresholds, in a word and in words with figures; `None` if it did.
    pub broken: Option<(CapacityCause, String)>,
    /// What came of the load: of the calls that were made each second those whose updates completed, devices that were connected
    /// all the time, connections that were accepted each second.
    pub achieved: Option<f64>,
    /// Of the kind of request that the hub refused most of as too many, the percentage that it refused.
    pub throttled_pct: Option<f64>,
    /// Whether the generator was late though it and the hub hardly used the machine: something else may have.
    pub is_disturbed: bool,
}

/// Judges the `result` of a `step` with so much `load`, which `probe` has watched.
///
/// # Errors
/// It cannot be judged, and neither can any other of this plan.
pub fn judge(step: &StepPlan, load: f64, result: &RunResult, probe: &Probe) -> Result<Judgement, String> {
    let made = made(step, result, probe);
    let achieved = made.and_then(|made| served(step, result, made));
    let throttled_pct = throttled(step, result).map(|(percent, _)| percent);
    let judged = |broken| Ok(Judgement { broken, achieved, throttled_pct, is_disturbed: false });
    let rules: Vec<Threshold> = step.plan.thresholds.iter().map(|rule| rule.threshold.clone()).collect();
    let faults = generator_faults(&rules, result);
    if !faults.is_empty() {
        let is_disturbed = probe.cpu_percent().is_none_or(|used| used < HARDLY_USED);
        let broken = Some((CapacityCause::Generator, faults.join("; ")));
        return Ok(Judgement { broken, achieved, throttled_pct, is_disturbed });
    }
    if let Some(fault) = other_fault(result) {
        return judged(Some(fault));
    }
    let Some(what) = what_broke(step, load, result, probe, made)? else { return judged(unsettled(step, result)) };
    let (cause, why) = blame(step, load, result, probe);
    judged(Some((cause, if why.is_empty() { what } else { format!("{what}; {why}") })))
}

/// Why the figures do not count, other than by the generator's lateness or for want of samples: something died, or the books
/// do not add up.
fn other_fault(result: &RunResult) -> Option<(CapacityCause, String)> {
    let unmeasured = |reason: &&String| !reason.starts_with(NOTHING_MEASURED);
    let reason = result.invalid_reasons.iter().find(unmeasured)?;
    let settled = result.settled.as_ref().is_some_and(|settled| settled.unaccounted != 0);
    let ours = settled || result.census.unaccounted() != 0 || result.shards.iter().any(|shard| shard.lost);
    Some((if ours { CapacityCause::Generator } else { CapacityCause::Errors }, reason.clone()))
}

/// A step that kept everything, but whose hub was not brought into the state in which it is to be judged.
fn unsettled(step: &StepPlan, result: &RunResult) -> Option<(CapacityCause, String)> {
    let settled = result.settled.as_ref().filter(|_| step.plan.hub.limits().is_some())?;
    let unsent = settled.outcomes.get(&Outcome::NotSent).copied().unwrap_or_default();
    let percent = unsent as f64 * 100.0 / settled.planned.max(1) as f64;
    (percent > UNSETTLED).then(|| {
        let why = format!("{percent:.0} % of the calls before it, which are to use up bursts, could not be sent");
        (CapacityCause::Generator, why)
    })
}

/// What was not as it is to be, with figures.
fn what_broke(
    step: &StepPlan,
    load: f64,
    result: &RunResult,
    probe: &Probe,
    made: Option<f64>,
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
        let expr = &unmeasured.expr;
        if result.census.ended() > result.census.count(Outcome::Completed) {
            return Ok(Some(format!("nothing was left to judge {expr} by")));
        }
        let why = "nothing of it was measured in a step; measure for longer (capacity.measure), or leave it out";
        return Err(format!("`{expr}` cannot be judged: {why}"));
    }
    if of == CapacityOf::ConnectRate
        && let Some((percent, _)) = throttled(step, result).filter(|(percent, _)| *percent >= REFUSED)
    {
        return Ok(Some(format!("{percent:.1} % of the connections were refused as too many")));
    }
    if let Some(why) = unsent(step, result) {
        return Ok(Some(why));
    }
    if of == CapacityOf::Devices {
        let Some(connected) = probe.least_connected().map(f64::from) else {
            return Err("no whole second of it was watched; measure for longer (capacity.measure)".to_owned());
        };
        if connected < load {
            return Ok(Some(format!("only {connected} of {load} devices were connected")));
        }
    }
    if of == CapacityOf::ConnectRate && made.is_none() {
        return Err("no whole second of it was watched; measure for longer (capacity.measure)".to_owned());
    }
    // Calls that come by chance are a little more or less than their rate says.
    let offered = result.rate.offered_per_s.filter(|_| of == CapacityOf::Calls).unwrap_or(load);
    if let Some(made) = made.filter(|made| *made < offered * MADE / 100.0) {
        return Ok(Some(format!("only {made:.1} of {load} {} came about", of.unit())));
    }
    let sustains = of != CapacityOf::Calls;
    Ok(if sustains { None } else { falls_behind(&result.intervals, step.plan.capacity.precision) })
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
    // A percentile that has too few samples is judged by the extreme of them.
    let by = threshold.judged_by.as_ref().map_or(String::new(), |by| format!(" ({by}: too few samples)"));
    format!("{} was {}{by}", threshold.expr, observed.unwrap_or_else(|| "not measured".to_owned()))
}

/// A value as the unit of its condition has it.
fn in_its_unit(expr: &str, observed: f64) -> String {
    let unit = expr.parse::<Threshold>().map_or(Unit::Count, |threshold| threshold.metric.unit());
    human_value(unit, observed)
}

/// What came of the load that was `made`.
fn served(step: &StepPlan, result: &RunResult, made: f64) -> Option<f64> {
    let census = &result.census;
    let share = match step.plan.capacity.of {
        CapacityOf::Calls => {
            let sent = census.planned.saturating_sub(census.count(Outcome::NotSent));
            (sent > 0).then(|| census.count(Outcome::Completed) as f64 / sent as f64)?
        }
        CapacityOf::Devices => 1.0,
        CapacityOf::ConnectRate => 1.0 - throttled(step, result).map_or(0.0, |(percent, _)| percent / 100.0),
    };
    Some(made * share)
}

/// The load that was really made.
fn made(step: &StepPlan, result: &RunResult, probe: &Probe) -> Option<f64> {
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
    use crate::measure::{HubHealth, RetryRow, ThrottleCount};
    use crate::policy::Series;
    use crate::profile::{self, Override};
    use crate::run::{Health, Status, StopHandle};
    use crate::verdict;

    const LOAD: f64 = 100.0;

    fn step(sets: &[&str]) -> StepPlan {
        let sets: Vec<Override> = sets.iter().map(|set| Override::set(set).unwrap()).collect();
        StepPlan::new(&profile::load("capacity", &sets).unwrap(), 1, LOAD, true)
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

    /// A step at a hub of others, which may have limits.
    fn elsewhere(name: &str) -> StepPlan {
        let sets = ["hub.kind=mqtt", "hub.url=mqtt://127.0.0.1:1883"].map(|set| Override::set(set).unwrap());
        StepPlan::new(&profile::load(name, &sets).unwrap(), 1, LOAD, true)
    }

    /// Judges a step of 100 devices of which so many were seen connected, by a generator whose event loop was 50 ms late.
    fn judged_devices(connected: Option<u32>, refused: u64) -> Result<Judgement, String> {
        let step = elsewhere("capacity-devices");
        let probe = Probe::new(Window { lead: Duration::ZERO, ..step.window }, StopHandle::new());
        for second in 0..3 {
            let elapsed = Duration::from_secs(second);
            if let Some(connected) = connected {
                let mut status = Status { phase: "running", elapsed, ..Status::default() };
                status.gauges.connected = connected;
                probe.look(&status);
            }
        }
        let mut result = RunResult::default();
        result.generator.loop_lag_p99_us.insert("fleet-0".to_owned(), 50_000);
        result.retries.connect = vec![RetryRow { attempts: 100 + refused, give_ups: refused, ..RetryRow::default() }];
        judge(&step, LOAD, &result, &probe)
    }

    #[test]
    fn a_step_of_devices_holds_all_of_them_and_a_late_generator_turns_none_away() {
        assert_eq!(judged_devices(Some(100), 0).unwrap().broken, None);
        let (cause, why) = judged_devices(Some(90), 10).unwrap().broken.unwrap();
        let words = "only 90 of 100 devices were connected; 10 attempts to connect failed";
        assert_eq!((cause, why.as_str()), (CapacityCause::Errors, words));
        let (cause, why) = judged_devices(Some(90), 2).unwrap().broken.unwrap();
        assert_eq!(cause, CapacityCause::Generator, "{why}");
        assert!(judged_devices(None, 0).is_err(), "nobody has looked");
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
            result.hub = Some(HubHealth { throttled: vec![row], instances: 1, ..HubHealth::default() });
        };
        let (cause, why) = judged(&["hub.tier=S1"], 20.0, held_back).unwrap();
        assert!(cause == CapacityCause::Throttled && why.contains("asks for 300.0/s, and 50.0/s are allowed"), "{why}");
        // What the settling before the load met is none of a load far below the limit.
        let far = judged(&["hub.throttle.twin_writes={ rate = 900 }"], 20.0, held_back).unwrap().0;
        assert_eq!(far, CapacityCause::Slo);
    }

    #[test]
    fn a_machine_that_is_used_up_is_never_the_hub_s_capacity() {
        let cause = |sets: &[&str], used| judged(sets, used, slow).unwrap().0;
        // A hub without limits has no other capacity than the machine's; one with limits, or with delays of its own, may have.
        let (limits, slow_hub) = (&["hub.service={ methods = \"exp 5ms\" }"], &["hub.slow.method_request=2s"]);
        assert_eq!((cause(&[], 20.0), cause(limits, 70.0)), (CapacityCause::Generator, CapacityCause::Slo));
        assert_eq!((cause(slow_hub, 20.0), cause(limits, 90.0)), (CapacityCause::Slo, CapacityCause::Generator));
        assert_eq!(cause(&["hub.kind=null"], 1.0), CapacityCause::Generator);
        // A generator that is used up measures itself, whosever hub it is.
        let azure = &["hub.kind=azure"];
        assert_eq!((cause(azure, 60.0), cause(azure, 99.0)), (CapacityCause::Slo, CapacityCause::Generator));
        let late = |lag_us| {
            move |result: &mut RunResult| {
                slow(result);
                result.generator.loop_lag_p99_us.insert("fleet-0".to_owned(), lag_us);
            }
        };
        let (cause, why) = judged(azure, 20.0, late(400_000)).unwrap();
        assert!(cause == CapacityCause::Generator && why.contains("event loop fleet-0 was 400 ms late"), "{why}");
        // Some milliseconds are no reason for two seconds.
        assert_eq!(judged(azure, 20.0, late(40_000)).unwrap().0, CapacityCause::Slo);
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
    fn a_generator_that_is_late_on_an_idle_machine_may_have_been_disturbed() {
        let disturbed = |used| {
            let step = step(&[]);
            let mut result = RunResult::default();
            result.generator.dropped = 3;
            judge(&step, LOAD, &result, &probe(&step, used)).unwrap().is_disturbed
        };
        assert_eq!([10.0, 50.0, 95.0].map(disturbed), [true, true, false]);
        let step = step(&[]);
        assert!(
            !judge(&step, LOAD, &RunResult::default(), &probe(&step, 10.0))
                .unwrap_or_else(|why| panic!("{why}"))
                .is_disturbed
        );
    }

    #[test]
    fn errors_are_told_by_the_outcome_that_most_had() {
        let service = &["hub.service={ methods = \"exp 5ms\" }"];
        let (cause, why) = judged(service, 20.0, |result| end_otherwise(result, Outcome::HubError, "503", 40)).unwrap();
        assert_eq!(
            (cause, why.as_str()),
            (
                CapacityCause::Errors,
                "census.completed.pct >= 99 was 96.0 %; 40 of 1000 updates ended as hub_error (503)"
            )
        );
        let (cause, why) = judged(&[], 20.0, |result| result.census.planned = 1_001).unwrap();
        assert!(cause == CapacityCause::Generator && why.starts_with("the census does not add up"), "{why}");
    }

    #[test]
    fn what_is_achieved_is_what_came_of_the_load() {
        let step = step(&[]);
        let achieved = |change: fn(&mut RunResult)| {
            let mut result = RunResult::default();
            result.census.planned = 1_000;
            result.census.add(Outcome::Completed, "", 1_000);
            result.rate.achieved_per_s = Some(LOAD);
            change(&mut result);
            judge(&step, LOAD, &result, &probe(&step, 20.0)).map(|judgement| judgement.achieved)
        };
        assert_eq!(achieved(|_| {}), Ok(Some(LOAD)));
        assert_eq!(achieved(|result| end_otherwise(result, Outcome::Throttled, "", 250)), Ok(Some(75.0)));
        // What was never sent is no part of what was made.
        let unsent = achieved(|result| {
            end_otherwise(result, Outcome::NotSent, "max_in_flight", 500);
            result.rate.achieved_per_s = Some(50.0);
        });
        assert_eq!(unsent, Ok(Some(50.0)));
    }

    #[test]
    fn what_was_not_sent_or_did_not_come_about_breaks_a_step_that_keeps_every_threshold() {
        let unsent = |result: &mut RunResult| end_otherwise(result, Outcome::NotSent, "max_in_flight", 5);
        let (cause, why) = judged(&["hub.kind=azure"], 20.0, unsent).unwrap();
        assert!(cause == CapacityCause::Slo && why.contains("5 calls were not sent, as 1000 were in flight"), "{why}");
        let (_, why) = judged(&[], 20.0, |result| result.rate.achieved_per_s = Some(80.0)).unwrap();
        assert!(why.starts_with("only 80.0 of 100 calls/s came about"), "{why}");
    }

    #[test]
    fn a_threshold_that_no_step_can_be_judged_by_ends_the_search() {
        let step = step(&["threshold.+.expr=reconnect.p99 < 1s"]);
        let mut result = RunResult::default();
        result.thresholds = verdict::judge(&["reconnect.p99 < 1s".parse().unwrap()], &result);
        let failed = {
            let mut failed = result.clone();
            failed.census.planned = 3;
            failed.census.add(Outcome::HubError, "503", 3);
            judge(&step, LOAD, &failed, &probe(&step, 1.0)).unwrap().broken.unwrap().1
        };
        assert!(failed.starts_with("nothing was left to judge reconnect.p99 < 1s by"), "{failed}");
        let error = judge(&step, LOAD, &result, &probe(&step, 1.0)).unwrap_err();
        assert!(error.starts_with("`reconnect.p99 < 1s` cannot be judged: nothing of it was measured"), "{error}");
    }
}

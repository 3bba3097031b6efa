//! A capacity in words, for every format.

mod p99;

pub(super) use p99::{P99, legend};

use std::fmt::Write as _;

use super::human::{human_duration, percent, three_digits};
use crate::measure::{CapacityCause, CapacityCeiling, CapacityResult, CapacityStep};
use crate::policy::CapacityOf;

/// A load without its unit: whole where it is, else to three digits.
pub(super) fn load(value: f64) -> String {
    if value >= 99.95 || (value - value.round()).abs() < 0.005 {
        return format!("{value:.0}");
    }
    three_digits(value)
}

/// A load with its unit.
fn amount(capacity: &CapacityResult, value: f64) -> String {
    // The name that the result has for it, unless there is but one.
    let unit = capacity.of.unit_of(value);
    format!("{} {}", load(value), if unit == capacity.of.unit() { &capacity.unit } else { unit })
}

/// The interval alone: `40 to 41.8 calls/s`.
pub(super) fn interval(capacity: &CapacityResult) -> String {
    between(capacity.low, capacity.high, |value| amount(capacity, value))
}

/// The same of other ends than those of a result.
pub(super) fn interval_of(of: CapacityOf, low: Option<f64>, high: Option<f64>) -> String {
    between(low, high, |value| format!("{} {}", load(value), of.unit_of(value)))
}

fn between(low: Option<f64>, high: Option<f64>, amount: impl Fn(f64) -> String) -> String {
    match (low, high) {
        (Some(low), Some(high)) => format!("{} to {}", load(low), amount(high)),
        (Some(low), None) => format!("at least {}", amount(low)),
        (None, Some(high)) => format!("less than {}", amount(high)),
        (None, None) => "not known".to_owned(),
    }
}

/// How wide it is: `4.5 % wide`; `None` without both ends.
pub(super) fn width(capacity: &CapacityResult) -> Option<String> {
    capacity.width.map(|width| format!("{} % wide", percent(width * 100.0)))
}

/// Whether the generator ended before the hub did, so that nothing of this is a hub's capacity.
pub(super) fn is_generators(capacity: &CapacityResult) -> bool {
    capacity.cause == Some(CapacityCause::Generator)
}

/// What was found, in a sentence without its point.
pub(super) fn headline(capacity: &CapacityResult) -> String {
    let detail = if capacity.cause_detail.is_empty() { String::new() } else { format!(": {}", capacity.cause_detail) };
    let amount = |value| amount(capacity, value);
    if is_generators(capacity) {
        let end = match (capacity.low, capacity.high) {
            (Some(low), Some(high)) => format!("between {} and {}", load(low), amount(high)),
            (Some(end), None) => format!("at {}", amount(end)),
            (None, Some(high)) => format!("below {}", amount(high)),
            (None, None) => "before the first step's load".to_owned(),
        };
        return format!("no limit of the hub was found: this machine's generator ends {end}{detail}");
    }
    let mut words = interval(capacity);
    if let Some(width) = width(capacity) {
        let _ = write!(words, " ({width})");
    }
    let more = match capacity.cause {
        Some(CapacityCause::Throttled) => "is throttled",
        Some(CapacityCause::Errors) => "ends in errors",
        Some(CapacityCause::Slo | CapacityCause::Generator) | None => "breaks a threshold",
    };
    match (capacity.low, capacity.high) {
        (Some(_), Some(_)) => format!("{words}; more {more}{detail}"),
        (Some(_), None) if capacity.steps.iter().any(|step| !step.kept && !step.left_out) => {
            format!("{words}; above it steps contradicted one another: what broke was kept once more")
        }
        (Some(_), None) => format!("{words}; no load that was tried was too much"),
        (None, Some(_)) => format!("{words}; even the least load that was tried {more}{detail}"),
        (None, None) => format!("{words}; no step came to an end"),
    }
}

/// How many steps it took: `10 steps`.
pub(super) fn steps(capacity: &CapacityResult) -> String {
    match capacity.steps.len() {
        1 => "1 step".to_owned(),
        steps => format!("{steps} steps"),
    }
}

/// How the search ended, in a sentence without its point.
pub(super) fn standing(capacity: &CapacityResult) -> String {
    let steps = steps(capacity);
    let word = if capacity.finished { "finished" } else { "not finished" };
    let precision = load(capacity.precision * 100.0);
    format!("{word}: {steps} in {}; wanted: {precision} % wide at most", human_duration(capacity.took_s))
}

/// What was found, and what makes it worth less, for those who are told nothing else: in a sentence without its point.
pub(super) fn brief(capacity: &CapacityResult) -> String {
    let unfinished = (!capacity.finished).then(|| standing(capacity));
    // The first of them says why.
    let why = capacity.notes.first().filter(|_| !capacity.finished).map(|note| note.trim_end_matches('.').to_owned());
    let near = ceiling(capacity).filter(|_| capacity.ceiling.as_ref().is_some_and(|ceiling| ceiling.near));
    [Some(headline(capacity)), unfinished, why, near].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// What this machine's generator can do, and whether that is near, in a sentence without its point.
fn ceiling(capacity: &CapacityResult) -> Option<String> {
    let CapacityCeiling { load, measured_at, near } = capacity.ceiling.as_ref()?;
    let words = format!(
        "against a hub that only acknowledges this machine's generator made {} ({measured_at:.0})",
        amount(capacity, *load)
    );
    let near = near.then_some(": this is within a fifth of it, and may be its limit rather than the hub's");
    Some(format!("{words}{}", near.unwrap_or_default()))
}

/// The step that all figures but these are of, and why it is that one; `None` if it is not known.
pub(super) fn shown(capacity: &CapacityResult) -> Option<String> {
    let step = capacity.steps.iter().find(|step| Some(step.number) == capacity.of_step)?;
    let why = match (capacity.low, capacity.finished) {
        (Some(_), true) => "which the lower end was confirmed by",
        (Some(_), false) => "the last that kept the thresholds at the lower end",
        (None, _) => "the least load that came to a result",
    };
    Some(format!("step {}, {}, {why}", step.number, amount(capacity, step.load)))
}

/// What else is to be known of the interval, in sentences without their points.
pub(super) fn notes(capacity: &CapacityResult) -> Vec<String> {
    ceiling(capacity)
        .into_iter()
        .chain(capacity.notes.iter().map(|note| note.trim_end_matches('.').to_owned()))
        .collect()
}

/// The steps by their load, those of one load as they were made.
pub(super) fn by_load(capacity: &CapacityResult) -> Vec<&CapacityStep> {
    let mut steps: Vec<&CapacityStep> = capacity.steps.iter().collect();
    steps.sort_by(|one, other| one.load.total_cmp(&other.load).then(one.number.cmp(&other.number)));
    steps
}

/// The series whose percentiles tell of such a capacity, the most telling first.
const fn wanted(of: CapacityOf) -> &'static [&'static str] {
    match of {
        CapacityOf::Calls => &["method.response", "update.overhead"],
        CapacityOf::Devices => &["connect", "ping", "method.response"],
        CapacityOf::ConnectRate => &["connect", "method.response"],
    }
}

/// Those of them that any of the steps has. No other stands in for them: it would be taken for what was looked for.
pub(super) fn telling<'a>(
    of: CapacityOf,
    steps: impl IntoIterator<Item = &'a CapacityStep> + Clone,
) -> Vec<&'static str> {
    let has = |step: &CapacityStep, series: &str| {
        [&step.p50_us, &step.p99_us, &step.max_us].iter().any(|of| of.contains_key(series))
    };
    let measured = |series: &&&str| steps.clone().into_iter().any(|step| has(step, series));
    wanted(of).iter().filter(measured).copied().collect()
}

/// Whether a step kept the thresholds; `void` if it says nothing of its load.
pub(super) const fn verdict(step: &CapacityStep) -> &'static str {
    match (step.left_out, step.kept) {
        (true, _) => "void",
        (false, true) => "kept",
        (false, false) => "broken",
    }
}

/// Why it did not, with the kind of cause; empty if it did.
pub(super) fn why(step: &CapacityStep) -> String {
    match step.cause {
        Some(cause) if step.cause_detail.is_empty() => cause.name().to_owned(),
        // The column of what was throttled tells that.
        Some(CapacityCause::Slo | CapacityCause::Throttled) | None => step.cause_detail.clone(),
        Some(cause) => format!("{}: {}", cause.name(), step.cause_detail),
    }
}

/// A percentile of a step, in microseconds, for people.
pub(super) fn micros(value: Option<&u64>) -> String {
    value.map_or_else(|| "-".to_owned(), |micros| human_duration(*micros as f64 / 1e6))
}

/// A share in percent that may not be known.
pub(super) fn share(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{} %", percent(value)))
}

/// One step of a search as a line: what is printed when it has ended.
#[must_use]
pub fn capacity_step(of: CapacityOf, step: &CapacityStep) -> String {
    let mut line = format!("step {:02}  {} {}  {}", step.number, load(step.load), of.unit_of(step.load), verdict(step));
    if let Some(throttled) = step.throttled_pct {
        let _ = write!(line, "  throttled {} %", percent(throttled));
    }
    if let Some(series) = telling(of, [step]).first() {
        let p50 = step.p50_us.get(*series).map(|p50| format!("p50 {}", micros(Some(p50))));
        let p99 = P99::of(step, series).map(|p99| format!("p99 {}", p99.told("<=", human_duration)));
        let told: Vec<String> = p50.into_iter().chain(p99).collect();
        // Whoever reads expects the first of those that are wanted.
        let name = if wanted(of).first() == Some(series) { String::new() } else { format!("{series} ") };
        let _ = write!(line, "  {name}{}", told.join("  "));
    }
    let why = why(step);
    if !why.is_empty() {
        let _ = write!(line, "  {why}");
    }
    let _ = write!(line, "  {}", human_duration(step.took_s));
    line
}

#[cfg(test)]
mod tests {
    use super::super::sample::capacity as samples;
    use super::*;

    #[test]
    fn what_was_found_is_told_in_a_sentence() {
        for (capacity, words) in [
            (
                samples::capacity(),
                "40 to 41.8 calls/s (4.5 % wide); more is throttled: census.throttled.pct < 1 was 4.31 at 41.8 calls/s",
            ),
            (
                samples::by_generator(),
                "no limit of the hub was found: this machine's generator ends between 40 and 41.8 calls/s: schedule.lag \
                 p99 was 43.1 ms, allowed are 10.0 ms",
            ),
            (
                samples::nothing_kept(),
                "less than 47.6 calls/s; even the least load that was tried is throttled: census.throttled.pct < 1 was \
                 16 at 47.6 calls/s",
            ),
            (samples::nothing_broken(), "at least 40 calls/s; no load that was tried was too much"),
            (
                CapacityResult { high: None, width: None, ..samples::capacity() },
                "at least 40 calls/s; above it steps contradicted one another: what broke was kept once more",
            ),
            (CapacityResult::default(), "not known; no step came to an end"),
        ] {
            assert_eq!(headline(&capacity), words);
        }
    }

    #[test]
    fn a_generators_end_is_never_called_a_hubs_capacity() {
        for (low, high) in [(Some(1.0), Some(2.0)), (Some(1.0), None), (None, Some(2.0)), (None, None)] {
            let words = headline(&CapacityResult { low, high, ..samples::by_generator() });
            assert!(words.starts_with("no limit of the hub was found: this machine's generator ends "), "{words}");
        }
        let notes = notes(&samples::by_generator());
        assert!(notes[0].ends_with("this is within a fifth of it, and may be its limit rather than the hub's"));
    }

    #[test]
    fn it_is_said_whether_the_search_has_finished() {
        for (capacity, words) in [
            (samples::capacity(), "finished: 10 steps in 96.4 s; wanted: 5 % wide at most"),
            (samples::unfinished(), "not finished: 6 steps in 60.0 s; wanted: 5 % wide at most"),
        ] {
            assert_eq!(standing(&capacity), words);
        }
    }

    #[test]
    fn the_step_that_all_else_is_of_is_named() {
        for (capacity, words) in [
            (samples::capacity(), "step 9, 40 calls/s, which the lower end was confirmed by"),
            (samples::unfinished(), "step 3, 40 calls/s, the last that kept the thresholds at the lower end"),
            (samples::nothing_kept(), "step 3, 47.6 calls/s, the least load that came to a result"),
        ] {
            assert_eq!(shown(&capacity).as_deref(), Some(words));
        }
        assert_eq!(shown(&CapacityResult::default()), None);
    }

    #[test]
    fn a_step_is_a_line() {
        let capacity = samples::capacity();
        let line = |number: usize| capacity_step(capacity.of, &capacity.steps[number - 1]);
        assert_eq!(line(1), "step 01  10 calls/s  kept  throttled 0 %  p50 1.08 ms  p99 <= 1.46 ms  8.50 s");
        assert_eq!(
            line(10),
            "step 10  41.8 calls/s  broken  throttled 4.3 %  p50 1.09 ms  p99 3.51 ms  census.throttled.pct < 1 was \
             4.31  14.2 s"
        );
        let mut bare = CapacityStep { throttled_pct: None, ..capacity.steps[0].clone() };
        (bare.p50_us, bare.p99_us, bare.max_us) = Default::default();
        (bare.kept, bare.cause, bare.load) = (false, Some(CapacityCause::Errors), 1234.0);
        assert_eq!(capacity_step(CapacityOf::Devices, &bare), "step 01  1234 devices  broken  errors  8.50 s");
        bare.left_out = true;
        assert_eq!(capacity_step(CapacityOf::Devices, &bare), "step 01  1234 devices  void  errors  8.50 s");
    }

    #[test]
    fn the_series_follow_what_is_looked_for() {
        let mut steps = samples::capacity().steps;
        assert_eq!(telling(CapacityOf::Calls, &steps), ["method.response", "update.overhead"]);
        assert_eq!(telling(CapacityOf::Devices, &steps), ["method.response"]);
        // What connecting took says nothing of calls, and who finds no figure of calls must not take it for one.
        for step in &mut steps {
            step.p50_us = [("connect".to_owned(), 20_627)].into();
            (step.p99_us, step.max_us) = Default::default();
        }
        assert!(telling(CapacityOf::Calls, &steps).is_empty());
        assert_eq!(telling(CapacityOf::Devices, &steps), ["connect"]);
        let line = capacity_step(CapacityOf::Calls, &steps[0]);
        assert_eq!(line, "step 01  10 calls/s  kept  throttled 0 %  8.50 s");
    }

    #[test]
    fn a_line_names_its_series_where_it_is_another_than_the_usual() {
        let mut step = samples::capacity().steps.remove(0);
        let line = |of, step: &CapacityStep| capacity_step(of, step);
        let usual = line(CapacityOf::Calls, &step);
        assert!(usual.contains("  p50 1.08 ms  p99 <= 1.46 ms  "), "{usual}");
        let others = line(CapacityOf::Devices, &step);
        assert!(others.contains("  method.response p50 1.08 ms  p99 <= 1.46 ms  "), "{others}");
        for of in [&mut step.p50_us, &mut step.max_us] {
            of.remove("method.response");
        }
        let others = line(CapacityOf::Calls, &step);
        assert!(others.contains("  update.overhead p50 131 ms  p99 <= 263 ms  "), "{others}");
    }

    #[test]
    fn a_single_device_is_no_devices() {
        let mut capacity = CapacityResult {
            of: CapacityOf::Devices,
            unit: "devices".to_owned(),
            low: Some(1.0),
            high: None,
            ..samples::nothing_broken()
        };
        assert_eq!(interval(&capacity), "at least 1 device");
        capacity.high = Some(2.0);
        assert_eq!(interval(&capacity), "1 to 2 devices");
        capacity.steps[0].load = 1.0;
        assert!(capacity_step(CapacityOf::Devices, &capacity.steps[0]).starts_with("step 01  1 device  kept"));
        assert!(capacity_step(CapacityOf::Calls, &capacity.steps[0]).starts_with("step 01  1 calls/s  kept"));
    }

    #[test]
    fn loads_have_no_needless_digits() {
        for (value, text) in [(40.0, "40"), (41.8, "41.8"), (2.5, "2.50"), (1234.4, "1234"), (0.25, "0.25")] {
            assert_eq!(load(value), text);
        }
    }
}

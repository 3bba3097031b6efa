//! Capacities made by hand.

use std::collections::BTreeMap;

use super::sample;
use crate::measure::{
    CapacityCause, CapacityCeiling, CapacityResult, CapacityStep, MachineDescription, RunResult, StepPurpose, Verdict,
};
use crate::policy::CapacityOf;

use StepPurpose::{Bisect, Confirm, Double};

/// What each step offered and for what, the percent of its calls that was refused, and the 99th percentile of their answers.
const STEPS: [(f64, StepPurpose, f64, u64); 10] = [
    (10.0, Double, 0.0, 1_460),
    (20.0, Double, 0.0, 1_510),
    (40.0, Double, 0.0, 1_730),
    (80.0, Double, 50.02, 505_000),
    (56.6, Bisect, 29.3, 502_000),
    (47.6, Bisect, 16.0, 498_000),
    (43.6, Bisect, 8.26, 61_300),
    (41.8, Bisect, 4.29, 3_420),
    (40.0, Confirm, 0.0, 1_690),
    (41.8, Confirm, 4.31, 3_510),
];

/// The run that a capacity's lower end was confirmed by.
pub(in crate::report) fn with(capacity: CapacityResult) -> RunResult {
    let mut result = sample();
    (result.verdict, result.exit_code) = (Verdict::Pass, 0);
    (result.drill, result.rollout, result.abort, result.matrix) = (None, None, None, Vec::new());
    (result.faults, result.off_diagonal, result.off_diagonal_total) = (Vec::new(), Vec::new(), 0);
    result.thresholds.retain(|judged| judged.ok == Some(true));
    result.plan["report"] = serde_json::json!({ "formats": ["json", "html"] });
    result.capacity = Some(capacity);
    result
}

/// One that was stopped.
pub(in crate::report) fn stopped() -> RunResult {
    let mut result = with(unfinished());
    (result.verdict, result.exit_code) = (Verdict::Aborted, 97);
    result
}

/// The method throttle of a hub, found in ten steps.
pub(in crate::report) fn capacity() -> CapacityResult {
    CapacityResult {
        of: CapacityOf::Calls,
        low: Some(40.0),
        high: Some(41.8),
        unit: "calls/s".to_owned(),
        cause: Some(CapacityCause::Throttled),
        cause_detail: "census.throttled.pct < 1 was 4.31 at 41.8 calls/s".to_owned(),
        finished: true,
        notes: Vec::new(),
        precision: 0.05,
        width: Some(0.045),
        ceiling: None,
        machine: MachineDescription::default(),
        of_step: Some(9),
        started_at: "2026-11-03T10:19:30Z".parse().unwrap(),
        took_s: 96.4,
        steps: (1..).zip(STEPS).map(|(number, step)| self::step(number, step)).collect(),
    }
}

/// The time ran out before its ends were confirmed.
pub(in crate::report) fn unfinished() -> CapacityResult {
    let mut capacity = capacity();
    capacity.steps.truncate(6);
    CapacityResult {
        high: Some(47.6),
        width: Some(0.19),
        cause_detail: "census.throttled.pct < 1 was 16 at 47.6 calls/s".to_owned(),
        finished: false,
        of_step: Some(3),
        notes: vec!["the budget of 60 s was used up before the interval was as narrow as 5 %".to_owned()],
        took_s: 60.0,
        ..capacity
    }
}

/// What had kept the thresholds broke them the second time.
pub(in crate::report) fn widened() -> CapacityResult {
    let mut capacity = capacity();
    let flipped = &mut capacity.steps[8];
    (flipped.kept, flipped.cause) = (false, Some(CapacityCause::Slo));
    flipped.cause_detail = "method.response.p99 < 1s was 1.31 s".to_owned();
    for percentiles in [&mut flipped.p99_us, &mut flipped.max_us] {
        percentiles.insert("method.response".to_owned(), 1_310_000);
    }
    capacity.steps.push(step(11, (36.4, StepPurpose::Widen, 0.0, 1_600)));
    CapacityResult {
        low: Some(36.4),
        width: Some(0.148),
        of_step: Some(11),
        notes: vec![
            "40 calls/s kept the thresholds in step 3 and broke them in step 9: the interval holds all that is uncertain"
                .to_owned(),
        ],
        ..capacity
    }
}

/// The generator could do no more.
pub(in crate::report) fn by_generator() -> CapacityResult {
    let mut capacity = capacity();
    for step in &mut capacity.steps {
        step.throttled_pct = Some(0.0);
        if !step.kept {
            step.cause = Some(CapacityCause::Generator);
            step.cause_detail = "schedule.lag p99 was 43.1 ms, allowed are 10.0 ms".to_owned();
            step.achieved = Some(40.4);
        }
    }
    CapacityResult {
        cause: Some(CapacityCause::Generator),
        cause_detail: "schedule.lag p99 was 43.1 ms, allowed are 10.0 ms".to_owned(),
        ceiling: Some(CapacityCeiling { load: 42.5, measured_at: "2026-11-03T09:00:00Z".parse().unwrap(), near: true }),
        ..capacity
    }
}

/// Even the least load was too much.
pub(in crate::report) fn nothing_kept() -> CapacityResult {
    let mut capacity = capacity();
    capacity.steps = vec![
        step(1, (80.0, Double, 50.02, 505_000)),
        step(2, (56.6, StepPurpose::Halve, 29.3, 502_000)),
        step(3, (47.6, StepPurpose::Halve, 16.0, 498_000)),
    ];
    let cause_detail = "census.throttled.pct < 1 was 16 at 47.6 calls/s".to_owned();
    CapacityResult {
        low: None,
        high: Some(47.6),
        width: None,
        finished: false,
        of_step: Some(3),
        cause_detail,
        ..capacity
    }
}

/// No load was too much.
pub(in crate::report) fn nothing_broken() -> CapacityResult {
    let mut capacity = capacity();
    capacity.steps.truncate(3);
    let (cause, cause_detail) = (None, String::new());
    CapacityResult { high: None, width: None, cause, cause_detail, finished: false, of_step: Some(3), ..capacity }
}

fn step(number: u32, (load, purpose, throttled, p99): (f64, StepPurpose, f64, u64)) -> CapacityStep {
    let kept = throttled < 1.0;
    let served = load * (1.0 - throttled / 100.0);
    let long = purpose == Confirm;
    let percentiles = |method: u64, overhead: u64| {
        BTreeMap::from([("method.response".to_owned(), method), ("update.overhead".to_owned(), overhead)])
    };
    let max = percentiles(p99, 262_000 + p99 / 2);
    // The first are too short for it, and one that broke, so that there is such a one too.
    let p99 = if load < 40.0 || load == 43.6 { BTreeMap::new() } else { max.clone() };
    CapacityStep {
        number,
        load,
        purpose,
        measured_s: if long { 10.0 } else { 5.0 },
        kept,
        cause: (!kept).then_some(CapacityCause::Throttled),
        cause_detail: if kept { String::new() } else { format!("census.throttled.pct < 1 was {throttled}") },
        achieved: Some((served * 10.0).round() / 10.0),
        throttled_pct: Some(throttled),
        p50_us: percentiles(1_080 + u64::from(number), 131_000),
        p99_us: p99,
        max_us: max,
        cpu_percent: long.then_some(load / 4.0),
        took_s: if long { 14.2 } else { 8.5 },
        left_out: false,
    }
}

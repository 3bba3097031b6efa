//! What was tried again, what was injected, and what was broken.

use super::to_micros;
use crate::measure::{MetricsText, RetryRow, RunResult};

/// A family of retries: name, unit, help, and its value in a row.
type Family = (&'static str, &'static str, &'static str, fn(&RetryRow) -> String);

const COUNTERS: [Family; 4] = [
    ("twinstorm_attempts", "", "Attempts, the first ones included.", |row| row.attempts.to_string()),
    ("twinstorm_retries", "", "How often a policy said to try again.", |row| row.retries.to_string()),
    ("twinstorm_give_ups", "", "How often nothing more was tried after a failure.", |row| row.give_ups.to_string()),
    ("twinstorm_retry_wait_seconds", "seconds", "Waits before retries, added up.", |row| to_micros(row.waited_s)),
];

/// Attempts by what was tried and by policy.
pub(super) fn retries(text: &mut MetricsText, result: &RunResult) {
    let retries = &result.retries;
    let connects = retries.connect.iter().map(|row| ("connect", row));
    let rows: Vec<(&str, &RetryRow)> = connects.chain([("method", &retries.method), ("twin", &retries.twin)]).collect();
    let put = |text: &mut MetricsText, value: fn(&RetryRow) -> String| {
        for (of, row) in &rows {
            text.sample(&[("of", of), ("policy", &row.policy)], value(row));
        }
    };
    for (name, unit, help, value) in COUNTERS {
        text.counter(name, unit, help);
        put(text, value);
    }
    text.gauge("twinstorm_attempts_peak", "", "Attempts in the second of the load that had most.");
    put(text, |row| row.peak_per_s.to_string());
    text.counter("twinstorm_connections_lost", "", "Connections lost, neither renewed nor taken away on purpose.");
    for row in &retries.connect {
        text.sample(&[("policy", &row.policy)], row.lost);
    }
    text.counter("twinstorm_connections_lost_unexplained", "", "Connections lost while no fault explains it.")
        .sample(&[], result.losses_unexplained);
}

/// Injected faults: truth against observation.
pub(super) fn faults(text: &mut MetricsText, result: &RunResult) {
    if result.faults.is_empty() {
        return;
    }
    text.counter("twinstorm_fault_strikes", "", "Times that a fault was done to an update, a device or a hub.");
    for row in &result.faults {
        text.sample(&[("fault", &row.name), ("kind", &row.kind)], row.strikes);
    }
    text.counter("twinstorm_fault_updates", "", "Updates that a fault hit, by how they ended.");
    for row in &result.faults {
        for (outcome, count) in &row.observed {
            text.sample(&[("fault", &row.name), ("kind", &row.kind), ("outcome", outcome.as_str())], count);
        }
    }
    text.counter(
        "twinstorm_fault_off_diagonal",
        "",
        "Updates that a fault hit and that ended as it does not let them.",
    );
    for row in &result.faults {
        text.sample(&[("fault", &row.name), ("kind", &row.kind)], row.off_diagonal);
    }
}

/// What must hold on every run.
pub(super) fn invariants(text: &mut MetricsText, result: &RunResult) {
    if result.invariants.is_empty() {
        return;
    }
    text.counter(
        "twinstorm_invariant_violations",
        "",
        "How often an invariant was broken though nobody injected that.",
    );
    for row in &result.invariants {
        text.sample(&[("invariant", row.name.as_str())], row.violations);
    }
}

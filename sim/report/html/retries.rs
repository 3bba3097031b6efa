//! What was tried again, by policy.

use super::blocks::{Cell, Part, Section, Table};
use super::text;
use crate::measure::{RetryRow, RunResult};

/// The section; none where nothing was tried again or given up.
pub(super) fn retries(result: &RunResult) -> Option<Section> {
    let retries = &result.retries;
    let (method, twin) = (std::slice::from_ref(&retries.method), std::slice::from_ref(&retries.twin));
    let kinds = [("connect", &retries.connect[..]), ("method", method), ("twin", twin)];
    let eventful = |row: &RetryRow| row.retries > 0 || row.give_ups > 0;
    let columns = [
        "what",
        "policy",
        "#devices",
        "#attempts",
        "#retries",
        "#peak/s",
        "#gave up",
        "#waited",
        "#lost",
        "#50 % back",
        "#99 %",
        "#all",
    ];
    let mut table = Table::new(
        "Attempts, the first ones included. Back: within so long so many of the lost connections were there again.",
        &columns,
    );
    for (kind, policies) in kinds.into_iter().filter(|(_, policies)| policies.iter().any(eventful)) {
        policies.iter().for_each(|row| table.row(cells(kind, row)));
    }
    if table.rows.is_empty() {
        return None;
    }
    let peak = retries.connect_peak_per_s;
    let mut parts = vec![Part::Table(table)];
    if peak > 0 && retries.connect.iter().any(eventful) {
        parts.push(Part::text(format!("The busiest second of the load saw {} connections tried.", text::count(peak))));
    }
    Some(Section::new("retries", "Retries", parts))
}

fn cells(kind: &str, row: &RetryRow) -> Vec<Cell> {
    let waited = Some(row.waited_s).filter(|waited| *waited > 0.0);
    // Of those that were lost: whoever never came back counts too.
    let back = row
        .back
        .as_ref()
        .map_or([None; 3], |back| [back.at_rank(row.lost.div_ceil(2)), row.back_99_s, back.at_rank(row.lost)]);
    let counts = [u64::from(row.devices), row.attempts, row.retries, row.peak_per_s, row.give_ups];
    let mut cells = vec![Cell::from(kind), Cell::code(row.policy.as_str())];
    cells.extend(counts.map(|count| text::count(count).into()));
    cells.push(text::maybe_duration(waited).into());
    cells.push(if row.back.is_some() { text::count(row.lost).into() } else { text::NONE.into() });
    cells.extend(back.map(|seconds| text::maybe_duration(seconds).into()));
    cells
}

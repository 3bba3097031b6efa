//! What was tried again, for people.

use super::human::human_duration;
use super::table::{Align, columns};
use crate::measure::{RetryRow, RunResult};

const HEADS: [&str; 8] = ["devices", "attempts", "peak/s", "gave up", "waited", "back 50 %", "99 %", "all"];

/// The rows as a table.
pub(super) fn retries(result: &RunResult) -> Vec<String> {
    let rows = retry_rows(result);
    if rows.is_empty() {
        return Vec::new();
    }
    let mut align = [Align::Right; 1 + HEADS.len()];
    align[0] = Align::Left;
    [vec!["Retries".to_owned()], columns(&align, &rows)].concat()
}

/// Rows for each kind of thing of which anything was tried again or given up, one for each policy, so that several
/// can be compared. Those of a kind come after one with its name, of which the first names the columns too.
pub(super) fn retry_rows(result: &RunResult) -> Vec<Vec<String>> {
    let retries = &result.retries;
    let (method, twin) = (std::slice::from_ref(&retries.method), std::slice::from_ref(&retries.twin));
    let kinds = [("connect by", &retries.connect[..]), ("method by", method), ("twin by", twin)];
    let eventful = |row: &RetryRow| row.retries > 0 || row.give_ups > 0;
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (kind, policies) in kinds.into_iter().filter(|(_, policies)| policies.iter().any(eventful)) {
        let heads: &[&str] = if rows.is_empty() { &HEADS } else { &[] };
        rows.push([kind].iter().chain(heads).map(|head| (*head).to_owned()).collect());
        rows.extend(policies.iter().map(cells));
    }
    rows
}

fn cells(row: &RetryRow) -> Vec<String> {
    let counts = [row.devices.into(), row.attempts, row.peak_per_s, row.give_ups].map(|count| count.to_string());
    let seconds = |seconds: Option<f64>| seconds.map_or_else(|| "-".to_owned(), human_duration);
    let waited = seconds(Some(row.waited_s).filter(|waited| *waited > 0.0));
    let back = row.back.iter().flat_map(|back| {
        // Of those that were lost: whoever never came back counts too.
        [back.at_rank(row.lost.div_ceil(2)), row.back_99_s, back.at_rank(row.lost)].map(seconds)
    });
    [row.policy.clone()].into_iter().chain(counts).chain([waited]).chain(back).collect()
}

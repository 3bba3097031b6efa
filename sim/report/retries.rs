//! What was tried again, for people.

use super::human::human_duration;
use super::table::{Align, columns};
use crate::measure::{RetryRow, RunResult};
use crate::policy::Statistic;

const HEADS: [&str; 8] = ["devices", "attempts", "peak/s", "gave up", "waited", "back p50", "p99", "max"];

/// Rows for each kind of thing of which anything was tried again or given up, one for each policy, so that several
/// can be compared.
pub(super) fn retries(result: &RunResult) -> Vec<String> {
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
    if rows.is_empty() {
        return Vec::new();
    }
    let mut align = [Align::Right; 1 + HEADS.len()];
    align[0] = Align::Left;
    [vec!["Retries".to_owned()], columns(&align, &rows)].concat()
}

fn cells(row: &RetryRow) -> Vec<String> {
    let back = |statistic| {
        let data = row.back.as_ref()?;
        Some(data.statistic(statistic).map_or_else(|| "-".to_owned(), human_duration))
    };
    let counts = [row.devices.into(), row.attempts, row.peak_per_s, row.give_ups].map(|count| count.to_string());
    let back = [Statistic::Percentile(5000), Statistic::Percentile(9900), Statistic::Max].map(back);
    let cells = [row.policy.clone()].into_iter().chain(counts).chain([human_duration(row.waited_s)]);
    cells.chain(back.into_iter().flatten()).collect()
}

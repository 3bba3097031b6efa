//! Truth against observation, for people: faults, the matrix, what lies off its diagonal, and invariants.

use super::human_duration;
use super::table::{Align, WIDTH, columns, paragraph};
use super::terminal::{Terminal, Tone, titled};
use crate::measure::{Distribution, FaultRow, MatrixRow, OffDiagonal, RunResult};
use crate::policy::{Outcome, Statistic};

/// So many updates off the diagonal are shown, and so many examples of a broken invariant.
const SHOWN: usize = 10;

impl Terminal {
    pub(super) fn faults(self, result: &RunResult) -> Vec<String> {
        if result.faults.is_empty() {
            return Vec::new();
        }
        let rows = self.fault_rows(result);
        let mut align = [Align::Right; 8];
        (align[0], align[7]) = (Align::Left, Align::Left);
        titled("Faults", columns(&align, &rows))
    }

    /// A row for each fault, after one that names the columns.
    pub(super) fn fault_rows(self, result: &RunResult) -> Vec<Vec<String>> {
        let heads = ["fault", "strikes", "updates", "peak/s", "back p50", "back max", "found max", ""];
        let heads = heads.map(str::to_owned).to_vec();
        std::iter::once(heads).chain(result.faults.iter().map(|row| self.fault(row))).collect()
    }

    fn fault(self, row: &FaultRow) -> Vec<String> {
        let time = |data: &Option<Distribution>, statistic| {
            let seconds = data.as_ref().and_then(|data| data.statistic(statistic));
            seconds.map_or_else(|| "-".to_owned(), human_duration)
        };
        let word = match (row.off_diagonal, row.lost()) {
            (0, 0) if row.strikes == 0 => self.paint(Tone::Doubtful, "struck nothing"),
            (0, 0) => self.paint(Tone::Good, "as expected"),
            (0, lost) => self.paint(Tone::Bad, &format!("{lost} lost")),
            (off, _) => self.paint(Tone::Bad, &format!("{off} off the diagonal")),
        };
        vec![
            row.name.clone(),
            row.strikes.to_string(),
            row.injected.to_string(),
            format!("{:.0}", row.peak_per_s),
            time(&row.recovery, Statistic::Percentile(5_000)),
            time(&row.recovery, Statistic::Max),
            time(&row.found, Statistic::Max),
            word,
        ]
    }

    pub(super) fn invariants(self, result: &RunResult) -> Vec<String> {
        let broken: Vec<_> = result.invariants.iter().filter(|row| row.violations + row.injected > 0).collect();
        if broken.is_empty() {
            let (count, checks) =
                (result.invariants.len(), result.invariants.iter().map(|row| row.checked).sum::<u64>());
            let line = format!("Invariants: all {count} held in {checks} checks");
            return if count == 0 { Vec::new() } else { vec![line] };
        }
        let heads = ["broken", "checks", "injected", "violations", ""];
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        for row in &broken {
            let word = if row.violations > 0 { self.paint(Tone::Bad, "violated") } else { String::new() };
            let counts = [row.checked, row.injected, row.violations].map(|count| count.to_string());
            rows.push([vec![row.name.to_string()], counts.to_vec(), vec![word]].concat());
        }
        let align = [Align::Left, Align::Right, Align::Right, Align::Right, Align::Left];
        let mut lines = titled("Invariants", columns(&align, &rows));
        for example in broken.iter().flat_map(|row| &row.examples).take(SHOWN) {
            lines.push(format!("  {} {}: {}", example.device, example.update, example.transition));
        }
        lines
    }
}

/// The matrix, in as many blocks of columns as fit the width.
pub(super) fn matrix(result: &RunResult) -> Vec<String> {
    let rows = &result.matrix;
    let outcomes: Vec<Outcome> =
        Outcome::ALL.into_iter().filter(|outcome| rows.iter().any(|row| row.outcomes.contains_key(outcome))).collect();
    let mut lines = Vec::new();
    let mut left = &outcomes[..];
    while !left.is_empty() {
        // One column at least, however wide.
        let fits = |count: &usize| block(rows, &left[..*count]).iter().all(|line| line.chars().count() <= WIDTH);
        let count = (1..=left.len()).rev().find(fits).unwrap_or(1);
        lines.extend(block(rows, &left[..count]));
        left = &left[count..];
    }
    titled("Injected against observed", lines)
}

fn block(rows: &[MatrixRow], outcomes: &[Outcome]) -> Vec<String> {
    // Names of two words stand in two lines.
    let parts = |outcome: &Outcome| outcome.as_str().split_once('_').unwrap_or(("", outcome.as_str()));
    let first = [String::new()].into_iter().chain(outcomes.iter().map(|outcome| parts(outcome).0.to_owned()));
    let second = ["hit by".to_owned()].into_iter().chain(outcomes.iter().map(|outcome| parts(outcome).1.to_owned()));
    let mut cells: Vec<Vec<String>> = vec![first.collect(), second.collect()];
    if cells[0].iter().all(String::is_empty) {
        cells.remove(0);
    }
    let cell = |row: &MatrixRow, outcome| row.outcomes.get(outcome).map_or_else(|| ".".to_owned(), u64::to_string);
    // A row in which nothing stands is told by the table of faults.
    for row in rows.iter().filter(|row| outcomes.iter().any(|outcome| row.outcomes.contains_key(outcome))) {
        cells.push([row.hit_by.clone()].into_iter().chain(outcomes.iter().map(|outcome| cell(row, outcome))).collect());
    }
    let mut align = vec![Align::Right; outcomes.len() + 1];
    align[0] = Align::Left;
    columns(&align, &cells)
}

/// The first updates that ended as their faults do not let them.
pub(super) fn off_diagonal(result: &RunResult) -> Vec<String> {
    let entry =
        |row: &OffDiagonal| paragraph(&format!("  {} {}  ", row.device, row.update), off_diagonal_in_words(row), ", ");
    let mut lines: Vec<String> = result.off_diagonal.iter().take(SHOWN).flat_map(entry).collect();
    let more = result.off_diagonal_total.saturating_sub(SHOWN as u64);
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    titled("Off the diagonal", lines)
}

/// What hit an update, how it might have ended, and how it did.
pub(super) fn off_diagonal_in_words(row: &OffDiagonal) -> [String; 3] {
    let hit = if row.injected.is_empty() { "no fault".to_owned() } else { row.injected.join(" and ") };
    let of = if row.detail.is_empty() { "" } else { ":" };
    [
        format!("hit by {hit}"),
        format!("expected {}", row.expected.join(" or ")),
        format!("ended {}{of}{}", row.observed, row.detail),
    ]
}

//! The parts of a summary that tell what went wrong on purpose, what was tried again, and how everybody fared.

use super::super::health::facts;
use super::super::messages::{MEANING, message_rows, omitted};
use super::super::retries::retry_rows;
use super::super::table::Align;
use super::super::terminal::Terminal;
use super::super::truth::off_diagonal_in_words;
use super::escape::{code, text};
use super::sections::titled;
use super::table::table;
use crate::measure::{MatrixRow, RunResult};
use crate::policy::Outcome;

/// So many examples are shown.
const EXAMPLES: usize = 10;

/// Rows of plain text as Markdown.
fn escaped(rows: &[Vec<String>]) -> Vec<Vec<String>> {
    rows.iter().map(|row| row.iter().map(|cell| text(cell)).collect()).collect()
}

/// The first column to the left, `count` others to the right.
fn figures(count: usize) -> Vec<Align> {
    std::iter::once(Align::Left).chain(std::iter::repeat_n(Align::Right, count)).collect()
}

pub(super) fn faults(result: &RunResult) -> String {
    let mut align = figures(7);
    align[0] = Align::Left;
    align[7] = Align::Left;
    titled("Faults", &table(&align, &escaped(&Terminal::default().fault_rows(result))))
}

pub(super) fn matrix(result: &RunResult) -> String {
    let rows = &result.matrix;
    let outcomes: Vec<Outcome> =
        Outcome::ALL.into_iter().filter(|outcome| rows.iter().any(|row| row.outcomes.contains_key(outcome))).collect();
    let heads = std::iter::once("hit by".to_owned()).chain(outcomes.iter().map(ToString::to_string)).collect();
    let cells = |row: &MatrixRow| -> Vec<String> {
        let count = |outcome| row.outcomes.get(outcome).map_or_else(|| ".".to_owned(), u64::to_string);
        std::iter::once(text(&row.hit_by)).chain(outcomes.iter().map(count)).collect()
    };
    // A row in which nothing stands is told by the table of faults.
    let rows = rows.iter().filter(|row| !row.outcomes.is_empty()).map(cells);
    let rows: Vec<Vec<String>> = std::iter::once(heads).chain(rows).collect();
    titled("Injected against observed", &table(&figures(outcomes.len()), &rows))
}

pub(super) fn off_diagonal(result: &RunResult) -> String {
    let mut lines = String::new();
    for row in result.off_diagonal.iter().take(EXAMPLES) {
        let words = off_diagonal_in_words(row).map(|words| text(&words)).join(", ");
        lines.push_str(&format!("- {} {}: {words}\n", code(&row.device), code(&row.update)));
    }
    let more = result.off_diagonal_total.saturating_sub(EXAMPLES as u64);
    if more > 0 {
        lines.push_str(&format!("- and {more} more\n"));
    }
    titled("Off the diagonal", &lines)
}

pub(super) fn invariants(result: &RunResult) -> String {
    let rows = &result.invariants;
    let broken: Vec<_> = rows.iter().filter(|row| row.violations + row.injected > 0).collect();
    if broken.is_empty() {
        let checks: u64 = rows.iter().map(|row| row.checked).sum();
        let body =
            if rows.is_empty() { String::new() } else { format!("All {} held in {checks} checks.\n", rows.len()) };
        return titled("Invariants", &body);
    }
    let mut cells = vec![["broken", "checks", "injected", "violations"].map(str::to_owned).to_vec()];
    cells.extend(broken.iter().map(|row| {
        let counts = [row.checked, row.injected, row.violations].map(|count| count.to_string());
        [vec![row.name.to_string()], counts.to_vec()].concat()
    }));
    let mut body = table(&figures(3), &cells);
    for (at, example) in broken.iter().flat_map(|row| &row.examples).take(EXAMPLES).enumerate() {
        let (device, update, seen) = (code(&example.device), code(&example.update), text(&example.transition));
        let gap = if at == 0 { "\n" } else { "" };
        body.push_str(&format!("{gap}- {device} {update}: {seen}\n"));
    }
    titled("Invariants", &body)
}

pub(super) fn messages(result: &RunResult) -> String {
    let rows = message_rows(result);
    let columns = rows.first().map_or(0, Vec::len);
    let body = table(&figures(columns.saturating_sub(1)), &rows);
    let omitted = omitted(result).map(|text| format!(" {text}")).unwrap_or_default();
    if rows.is_empty() { String::new() } else { titled("Messages", &format!("{body}\n{MEANING}{omitted}\n")) }
}

pub(super) fn retries(result: &RunResult) -> String {
    let rows = escaped(&retry_rows(result));
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    titled("Retries", &table(&figures(columns.saturating_sub(1)), &rows))
}

pub(super) fn health(result: &RunResult) -> String {
    let mut rows = vec![vec!["part".to_owned(), String::new()]];
    for (head, items) in facts(result) {
        rows.push(vec![head.to_owned(), items.iter().map(|item| text(item)).collect::<Vec<_>>().join(", ")]);
    }
    titled("How generator, hub and observer fared", &table(&[Align::Left; 2], &rows))
}

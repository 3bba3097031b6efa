//! What must hold on every run.

use super::blocks::{Cell, Part, Section, Table, Tone};
use super::text;
use crate::measure::RunResult;

/// The section; none where nothing was driven.
pub(super) fn invariants(result: &RunResult) -> Option<Section> {
    if result.invariants.is_empty() {
        return None;
    }
    let columns = ["invariant", "result", "#checks", "#broken by a fault", "#violations"];
    let mut table = Table::new("What must hold of every update and of every twin, whatever is injected.", &columns);
    let mut examples = Table::new("The first violations.", &["invariant", "device", "update", "seen"]);
    for row in &result.invariants {
        let word = match row.violations {
            0 => Cell::toned(Tone::Good, "✓ held"),
            _ => Cell::toned(Tone::Bad, "✗ violated"),
        };
        let counts = [row.checked, row.injected, row.violations].map(|count| text::count(count).into());
        table.row([Cell::code(row.name.as_str()), word].into_iter().chain(counts).collect());
        for example in &row.examples {
            let seen = [&example.device, &example.update, &example.transition].map(|text| Cell::code(text.as_str()));
            examples.row([Cell::code(row.name.as_str())].into_iter().chain(seen).collect());
        }
    }
    let mut parts = vec![Part::Table(table)];
    if !examples.rows.is_empty() {
        parts.push(Part::Table(examples));
    }
    Some(Section::new("invariants", "Invariants", parts))
}

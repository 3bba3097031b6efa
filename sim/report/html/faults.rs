//! Faults: what was injected, what was observed, and whether the two agree.

use super::blocks::{Cell, Part, Section, Table, Tone};
use super::text;
use crate::measure::{Distribution, FaultRow, MatrixRow, RunResult};
use crate::policy::{Outcome, Statistic};

/// So many updates off the diagonal are shown.
const SHOWN: usize = 20;

/// The section; none where no fault was planned.
pub(super) fn faults(result: &RunResult) -> Option<Section> {
    let mut parts = Vec::new();
    if !result.faults.is_empty() {
        parts.push(Part::Table(injected(result)));
    }
    parts.extend(on_the_hub(result));
    if !result.matrix.is_empty() {
        parts.push(Part::Heading("Injected against observed".to_owned()));
        parts.push(Part::Table(matrix(result)));
        let off = result.off_diagonal_total;
        parts.push(if off == 0 {
            Part::text("Nothing lies off the diagonal: every update ended as the faults that hit it let it.")
        } else {
            let words = text::counted(off, "update lies off the diagonal:", "updates lie off the diagonal:");
            Part::Note(Tone::Bad, format!("{words} ended as the faults that hit them do not let them."))
        });
    }
    parts.extend(off_diagonal(result));
    if result.losses_unexplained > 0 {
        let words = text::counted(result.losses_unexplained, "connection was lost", "connections were lost");
        parts.push(Part::Note(Tone::Doubt, format!("{words} while no fault explains it.")));
    }
    (!parts.is_empty()).then(|| Section::new("faults", "Faults", parts))
}

fn injected(result: &RunResult) -> Table {
    let columns = [
        "fault",
        "kind",
        "#strikes",
        "#updates hit",
        "#peak/s",
        "#back, p50",
        "#back, max",
        "#noticed, max",
        "observed",
    ];
    let mut table = Table::new(
        "What was injected. Back: from a strike until the device was well again; noticed: until it knew.",
        &columns,
    );
    for row in &result.faults {
        let time = |data: &Option<Distribution>, statistic| {
            text::maybe_duration(data.as_ref().and_then(|data| data.statistic(statistic)))
        };
        let word = match (row.off_diagonal, row.lost()) {
            (0, 0) if row.strikes == 0 => Cell::toned(Tone::Doubt, "? struck nothing"),
            (0, 0) => Cell::toned(Tone::Good, "✓ as expected"),
            (0, lost) => Cell::toned(Tone::Bad, format!("✗ {} lost", text::count(lost))),
            (off, _) => Cell::toned(Tone::Bad, format!("✗ {} off the diagonal", text::count(off))),
        };
        table.row(vec![
            Cell::code(row.name.as_str()),
            row.kind.as_str().into(),
            text::count(row.strikes).into(),
            text::count(row.injected).into(),
            format!("{:.0}", row.peak_per_s).into(),
            time(&row.recovery, Statistic::Percentile(5_000)).into(),
            time(&row.recovery, Statistic::Max).into(),
            time(&row.found, Statistic::Max).into(),
            word,
        ]);
    }
    table
}

/// What was really done to the embedded hubs.
fn on_the_hub(result: &RunResult) -> Option<Part> {
    let rows = result.hub.as_ref().map(|hub| hub.faults.as_slice()).unwrap_or_default();
    if rows.is_empty() {
        return None;
    }
    let mut table = Table::new(
        "What was done to the embedded hub, in seconds from the start of the load.",
        &["fault", "kind", "#hubs", "#began", "#ended"],
    );
    for row in rows {
        let at = |seconds: Option<f64>, none: &str| seconds.map_or_else(|| none.to_owned(), text::moment);
        table.row(vec![
            Cell::code(row.name.as_str()),
            row.kind.as_str().into(),
            text::count(row.strikes).into(),
            at(row.began_s, "never").into(),
            at(row.ended_s, text::NONE).into(),
        ]);
    }
    Some(Part::Table(table))
}

/// Truth against observation.
fn matrix(result: &RunResult) -> Table {
    let seen = |outcome: &Outcome| result.matrix.iter().any(|row| row.outcomes.contains_key(outcome));
    let outcomes: Vec<Outcome> = Outcome::ALL.into_iter().filter(seen).collect();
    let mut columns = vec!["hit by".to_owned()];
    columns.extend(outcomes.iter().map(|outcome| format!("#{}", outcome.as_str().replace('_', " "))));
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new(
        "Updates by what hit them (truth) and how they were seen to end (observation). Shaded: what a fault leads to by \
         itself; what is not may come of the hub, or of a fault of an earlier update. Framed, with a cross: off the diagonal.",
        &columns,
    );
    // A row in which nothing stands is told by the table of faults.
    for row in result.matrix.iter().filter(|row| !row.outcomes.is_empty()) {
        let fault = result.faults.iter().find(|fault| fault.name == row.hit_by);
        let cells = outcomes.iter().map(|outcome| cell(row, fault, *outcome));
        table.row([Cell::code(row.hit_by.as_str())].into_iter().chain(cells).collect());
    }
    table
}

fn cell(row: &MatrixRow, fault: Option<&FaultRow>, outcome: Outcome) -> Cell {
    let count = row.outcomes.get(&outcome).copied();
    let is_own = match fault {
        Some(fault) => fault.expected.contains(&outcome),
        None => row.hit_by == "none" && outcome == Outcome::Completed,
    };
    let text = count.map_or_else(|| "·".to_owned(), text::count);
    match (is_own, count, fault) {
        (true, _, _) => Cell::toned(Tone::Expected, text),
        (false, Some(_), Some(fault)) if fault.off_diagonal > 0 => Cell::toned(Tone::Off, format!("✗\u{a0}{text}")),
        _ => text.into(),
    }
}

/// The first updates that ended as their faults do not let them.
fn off_diagonal(result: &RunResult) -> Option<Part> {
    if result.off_diagonal.is_empty() {
        return None;
    }
    let shown = result.off_diagonal.len().min(SHOWN);
    let caption = format!("The first {shown} of {} off the diagonal.", text::count(result.off_diagonal_total));
    let mut table = Table::new(caption, &["device", "update", "hit by", "expected", "ended"]);
    for row in result.off_diagonal.iter().take(SHOWN) {
        let hit = if row.injected.is_empty() { "no fault".to_owned() } else { row.injected.join(" and ") };
        let of = if row.detail.is_empty() { "" } else { ":" };
        table.row(vec![
            Cell::code(row.device.as_str()),
            Cell::code(row.update.as_str()),
            hit.into(),
            row.expected.join(" or ").into(),
            format!("{}{of}{}", row.observed, row.detail).into(),
        ]);
    }
    Some(Part::Table(table))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::sample;

    #[test]
    fn what_lies_off_the_diagonal_is_framed_and_what_belongs_on_it_is_shaded() {
        let result = sample();
        let table = matrix(&result);
        let tones = |name: &str| -> Vec<(String, Tone)> {
            let row = table.rows.iter().find(|row| row[0].text == name).unwrap();
            row[1..].iter().map(|cell| (cell.text.clone(), cell.tone)).collect()
        };
        // Completed, failed, rejected.
        assert_eq!(tones("none")[0], ("956".to_owned(), Tone::Expected));
        assert_eq!(tones("reject-2")[0], ("✗\u{a0}1".to_owned(), Tone::Off));
        assert_eq!(tones("reject-2")[2], ("18".to_owned(), Tone::Expected));
        assert_eq!(tones("several")[0], ("1".to_owned(), Tone::Plain));
    }

    #[test]
    fn a_run_without_faults_has_no_such_section() {
        assert!(faults(&RunResult::default()).is_none());
        let mut result = sample();
        (result.off_diagonal_total, result.faults[1].off_diagonal) = (0, 0);
        result.off_diagonal.clear();
        let html = faults(&result).unwrap().to_string();
        assert!(html.contains("Nothing lies off the diagonal") && !html.contains("class=\"n off\""), "{html}");
    }
}

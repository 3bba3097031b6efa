//! A comparison for terminals, no wider than 100 columns.

use super::super::table::{Align, columns, paragraph};
use super::super::terminal::{Terminal, Tone, titled};
use super::capacity::{Found, found};
use super::cells::{self, change, figures, hubs, inconclusive, interval, method, p_value, sides, value};
use super::{ComparisonReporter, ReportError};
use crate::policy::Statistic;
use crate::verdict::compare::{CapacityChange, Change, ComparisonResult, MetricRow, SeriesRow};

/// The readable table.
#[derive(Debug, Clone, Copy, Default)]
pub struct ComparisonTerminal {
    /// Whether the words that matter are coloured (ANSI codes).
    pub color: bool,
}

impl ComparisonReporter for ComparisonTerminal {
    fn render(&self, comparison: &ComparisonResult) -> Result<Vec<u8>, ReportError> {
        let painter = Terminal { color: self.color };
        let judged = match &comparison.capacity {
            Some(change) => capacity(painter, comparison, change),
            None => metrics(painter, comparison),
        };
        let sections = [head(painter, comparison), judged, series(comparison)];
        let sections = sections.into_iter().filter(|lines| !lines.is_empty()).map(|lines| lines.join("\n") + "\n");
        Ok(sections.collect::<Vec<_>>().join("\n").into_bytes())
    }
}

pub(super) const fn tone(change: Change) -> Tone {
    match change {
        Change::Regressed => Tone::Bad,
        Change::Improved | Change::Equivalent => Tone::Good,
        Change::Inconclusive => Tone::Doubtful,
    }
}

fn head(painter: Terminal, comparison: &ComparisonResult) -> Vec<String> {
    let word = painter.paint(tone(comparison.verdict), &comparison.verdict.name().to_uppercase());
    let margin_only = if comparison.margin_only { ", by the margin alone" } else { "" };
    let mut lines = vec![format!("{word} (exit code {}{margin_only})", comparison.exit_code)];
    let mut say = |head: &str, text: &str| lines.extend(paragraph(&format!("{head:<9}"), text.split(' '), " "));
    let [base, new] = sides(comparison);
    for (head, side, rows) in [("base", base, &comparison.base), ("new", new, &comparison.new)] {
        let ends = match &rows[..] {
            [] => String::new(),
            [only] => only.path.clone(),
            [first, .., last] => format!("{} to {}", first.path, last.path),
        };
        say(head, &format!("{side}: {ends}"));
    }
    say("hub", &hubs(comparison));
    for forced in &comparison.forced {
        say(&format!("{:<9}", "FORCED"), forced);
    }
    for warning in &comparison.warnings {
        say("warning", warning);
    }
    if comparison.verdict == Change::Inconclusive {
        say("note", inconclusive(comparison));
    }
    lines
}

fn capacity(painter: Terminal, comparison: &ComparisonResult, change: &CapacityChange) -> Vec<String> {
    let found = found(change);
    let rows: Vec<Vec<String>> = found.iter().map(|found| vec![found.side.clone(), found.interval.clone()]).collect();
    let table = columns(&[Align::Left, Align::Left], &rows);
    let width = table.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let row = |(line, found): (&String, &Found)| paragraph(&format!("{line:<width$}  "), found.why.split(' '), " ");
    let mut lines: Vec<String> = table.iter().zip(&found).flat_map(row).collect();
    let name = change.verdict.name();
    let mut told = paragraph("  ", format!("{name}: {}", change.reason).split(' '), " ");
    // Painted afterwards, as what paints takes no room.
    if let Some(first) = told.first_mut() {
        *first = first.replacen(name, &painter.paint(tone(change.verdict), name), 1);
    }
    lines.extend(told);
    lines.extend(paragraph("  ", method(comparison).split(' '), " "));
    titled("Capacity, by the intervals that were found", lines)
}

fn metrics(painter: Terminal, comparison: &ComparisonResult) -> Vec<String> {
    let heads = ["metric", "base", "new", "change", "95 % interval", "p (Holm)", "verdict"];
    // Colours would count as width; they are put in when all is aligned.
    let row = |row: &MetricRow| {
        vec![
            row.metric.to_string(),
            value(&row.metric, row.base_median),
            value(&row.metric, row.new_median),
            change(row.change_pct),
            interval(row.interval),
            p_value(row.p_holm),
            row.verdict.name().to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> =
        std::iter::once(heads.map(str::to_owned).to_vec()).chain(comparison.metrics.iter().map(row)).collect();
    let mut align = [Align::Right; 7];
    (align[0], align[6]) = (Align::Left, Align::Left);
    let mut lines = columns(&align, &rows);
    for (line, row) in lines[1..].iter_mut().zip(&comparison.metrics) {
        if let Some(rest) = line.strip_suffix(row.verdict.name()) {
            *line = format!("{rest}{}", painter.paint(tone(row.verdict), row.verdict.name()));
        }
    }
    let first = comparison.metrics.first();
    if let Some(first) = first.filter(|first| comparison.metrics.iter().all(|row| row.reason == first.reason)) {
        lines.extend(paragraph("  ", first.reason.split(' '), " "));
    } else {
        for row in &comparison.metrics {
            lines.extend(paragraph(&format!("  {}: ", row.metric), row.reason.split(' '), " "));
        }
    }
    lines.extend(paragraph("  ", method(comparison).split(' '), " "));
    titled("Judged (medians over runs)", lines)
}

fn series(comparison: &ComparisonResult) -> Vec<String> {
    let heads = ["", "count base", "new", "p50 base", "new", "change", "p90", "p99", "max"];
    let row = |row: &SeriesRow| {
        let mut cells = vec![row.series.to_string(), row.base.count().to_string(), row.new.count().to_string()];
        let median = Statistic::Percentile(5_000);
        cells.extend([&row.base, &row.new].map(|data| cells::duration(data, median)));
        cells.extend(figures().map(|(_, statistic)| change(cells::change_of(row, statistic))));
        cells
    };
    let rows: Vec<Vec<String>> =
        std::iter::once(heads.map(str::to_owned).to_vec()).chain(comparison.series.iter().map(row)).collect();
    let mut align = [Align::Right; 9];
    align[0] = Align::Left;
    let lines = if rows.len() > 1 { columns(&align, &rows) } else { Vec::new() };
    titled("Every series, its samples of all runs together (shown, never judged)", lines)
}

#[cfg(test)]
mod tests {
    use super::super::super::table::WIDTH;
    use super::super::sample::{sample, searches};
    use super::*;

    fn render(comparison: &ComparisonResult) -> String {
        let text = String::from_utf8(ComparisonTerminal { color: false }.render(comparison).unwrap()).unwrap();
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH && !line.ends_with(' '), "{line}|");
        }
        text
    }

    #[test]
    fn a_regression_reads_well() {
        insta::assert_snapshot!("regressed", render(&sample()));
    }

    #[test]
    fn searches_are_told_by_what_they_found() {
        insta::assert_snapshot!("searches", render(&searches()));
    }

    #[test]
    fn what_was_forced_and_what_has_no_statistics_says_so() {
        let mut comparison = sample();
        comparison.margin_only = true;
        comparison.forced = vec!["base/run-02/results.json is not valid: the embedded hub died".to_owned()];
        comparison.verdict = Change::Inconclusive;
        comparison.exit_code = 0;
        let text = render(&comparison);
        for says in [
            "INCONCLUSIVE (exit code 0, by the margin alone)\n",
            "FORCED   base/run-02/results.json is not valid: the embedded hub died\n",
            "inconclusive proves nothing: that this passes was asked for (--inconclusive pass)",
            "no statistics stand behind these verdicts",
        ] {
            assert!(text.contains(says), "{says}: {text}");
        }
    }

    #[test]
    fn colour_changes_no_word() {
        let comparison = sample();
        let mut colored = String::from_utf8(ComparisonTerminal { color: true }.render(&comparison).unwrap()).unwrap();
        assert!(colored.starts_with("\u{1b}[1;31mREGRESSED\u{1b}[0m"), "{colored}");
        for code in ["\u{1b}[1;31m", "\u{1b}[1;32m", "\u{1b}[1;33m", "\u{1b}[0m"] {
            colored = colored.replace(code, "");
        }
        assert_eq!(colored, render(&comparison));
        let colored = String::from_utf8(ComparisonTerminal { color: true }.render(&searches()).unwrap()).unwrap();
        assert!(colored.contains("\n  \u{1b}[1;31mregressed\u{1b}[0m: whatever lies"), "{colored}");
    }
}

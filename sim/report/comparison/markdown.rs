//! A comparison for job summaries and pull requests: tables first.

use std::fmt::Write as _;

use super::capacity::found;
use super::cells::{self, change, figures, hubs, inconclusive, interval, method, p_value, sides, value};
use super::{ComparisonReporter, ReportError};
use crate::verdict::compare::{CapacityChange, Change, ComparisonResult, RunRow};

/// `comparison.md`.
#[derive(Debug, Clone, Copy)]
pub struct ComparisonMarkdown;

impl ComparisonReporter for ComparisonMarkdown {
    fn render(&self, comparison: &ComparisonResult) -> Result<Vec<u8>, ReportError> {
        let mut text = head(comparison);
        if let Some(change) = &comparison.capacity {
            text.push_str(&capacity(comparison, change));
        } else {
            text.push_str(&metrics(comparison));
            text.push_str(&series(comparison));
        }
        text.push_str(&sources(comparison));
        Ok(text.into_bytes())
    }
}

const fn mark(change: Change) -> &'static str {
    match change {
        Change::Regressed => "\u{274c}",
        Change::Improved | Change::Equivalent => "\u{2705}",
        Change::Inconclusive => "\u{2754}",
    }
}

/// Text from outside, as a cell or a line that it cannot break out of.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\n' | '\r' => escaped.push(' '),
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    escaped
}

fn table(text: &mut String, heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let _ = writeln!(text, "| {} |\n|{}", heads.join(" | "), "---|".repeat(heads.len()));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
}

fn head(comparison: &ComparisonResult) -> String {
    let (mark, word) = (mark(comparison.verdict), comparison.verdict.name());
    let [base, new] = sides(comparison);
    let mut text = format!("## {mark} {word}: {new} against {base}\n\n");
    let _ = writeln!(text, "Hub: {}. Exit code {}.\n", escaped(&hubs(comparison)), comparison.exit_code);
    for forced in &comparison.forced {
        let _ = writeln!(text, "**Forced:** {}\n", escaped(forced));
    }
    for warning in &comparison.warnings {
        let _ = writeln!(text, "**Warning:** {}\n", escaped(warning));
    }
    if comparison.verdict == Change::Inconclusive {
        let _ = writeln!(text, "**{}**\n", inconclusive(comparison));
    }
    text
}

fn capacity(comparison: &ComparisonResult, change: &CapacityChange) -> String {
    let mut text = String::new();
    let rows = found(change).into_iter().map(|found| vec![found.side, found.interval, escaped(&found.why)]);
    table(&mut text, &["side", &format!("capacity of {}", change.of), "why no more"], rows);
    let _ = writeln!(text, "\n{} {}: {}\n", mark(change.verdict), change.verdict.name(), escaped(&change.reason));
    let _ = writeln!(text, "{}\n", method(comparison));
    text
}

fn metrics(comparison: &ComparisonResult) -> String {
    let mut text = String::new();
    let rows = comparison.metrics.iter().map(|row| {
        vec![
            format!("`{}`", row.metric),
            value(&row.metric, row.base_median),
            value(&row.metric, row.new_median),
            change(row.change_pct),
            interval(row.interval),
            p_value(row.p_holm),
            format!("{} {}", mark(row.verdict), row.verdict.name()),
            escaped(&row.reason),
        ]
    });
    table(
        &mut text,
        &["metric (median over runs)", "base", "new", "change", "95 % interval", "p (Holm)", "verdict", "why"],
        rows,
    );
    let _ = writeln!(text, "\n{}\n", method(comparison));
    text
}

fn series(comparison: &ComparisonResult) -> String {
    let mut text =
        "<details><summary>Every series, its samples of all runs together (shown, never judged)</summary>\n\n"
            .to_owned();
    let rows = comparison.series.iter().map(|row| {
        let mut cells = vec![format!("`{}`", row.series), row.base.count().to_string(), row.new.count().to_string()];
        for (_, statistic) in figures() {
            let [base, new] = [&row.base, &row.new].map(|data| cells::duration(data, statistic));
            cells.push(format!("{base} \u{2192} {new} ({})", change(cells::change_of(row, statistic))));
        }
        cells
    });
    table(&mut text, &["series", "count, base", "count, new", "p50", "p90", "p99", "max"], rows);
    text.push_str("\n</details>\n\n");
    text
}

fn sources(comparison: &ComparisonResult) -> String {
    let mut text = "<details><summary>Runs, and their values</summary>\n\n".to_owned();
    let names: Vec<String> = comparison.metrics.iter().map(|row| format!("`{}`", row.metric)).collect();
    let heads = ["side", "run", "started", "twinstorm", "cores"];
    let heads: Vec<&str> = heads.into_iter().chain(names.iter().map(String::as_str)).collect();
    let of_side = |side: &'static str, rows: &'_ [RunRow]| -> Vec<Vec<String>> {
        let row = |(at, row): (usize, &RunRow)| {
            let values = comparison.metrics.iter().map(|metric| {
                let values = if side == "base" { &metric.base } else { &metric.new };
                value(&metric.metric, values.get(at).copied().flatten())
            });
            let mut cells = vec![side.to_owned(), escaped(&row.path), format!("{:.0}", row.started_at)];
            cells.extend([row.version.clone(), row.cores.to_string()]);
            cells.extend(values);
            cells
        };
        rows.iter().enumerate().map(row).collect()
    };
    let rows = [of_side("base", &comparison.base), of_side("new", &comparison.new)].concat();
    table(&mut text, &heads, rows);
    text.push_str("\n</details>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::super::sample::{sample, searches};
    use super::*;

    #[test]
    fn a_regression_reads_well() {
        let text = String::from_utf8(ComparisonMarkdown.render(&sample()).unwrap()).unwrap();
        insta::assert_snapshot!("markdown", text);
    }

    #[test]
    fn searches_read_well_too() {
        let text = String::from_utf8(ComparisonMarkdown.render(&searches()).unwrap()).unwrap();
        insta::assert_snapshot!("searches_in_markdown", text);
    }

    #[test]
    fn what_comes_from_outside_stays_in_its_place() {
        assert_eq!(escaped("a|b\n<script> `c` **d** [e](f)"), "a\\|b &lt;script> \\`c\\` \\*\\*d\\*\\* \\[e\\](f)");
    }
}

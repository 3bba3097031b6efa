//! `comparison.html`: one file that needs nothing else, on the same base as a run's page.

use askama::Template;

use super::super::chart::{ChangeChart, ChangeRow, CurveGroup, PercentileChart, curve_of};
use super::super::html::blocks::{Cell, Figure, Part, Section, Table, Tone};
use super::super::html::text;
use super::capacity;
use super::cells::{self, change, figures, hubs, inconclusive, interval, method, p_value};
use super::{ComparisonReporter, ReportError};
use crate::policy::{Metric, Series};
use crate::verdict::compare::{CapacityChange, Change, ComparisonResult, MetricRow, RunRow, SeriesRow};

/// `comparison.html`.
#[derive(Debug, Clone, Copy)]
pub struct ComparisonHtml;

#[derive(Template)]
#[template(path = "comparison.html")]
struct Page {
    word: String,
    tone: Tone,
    exit_code: u8,
    name: String,
    sides: String,
    meta: String,
    sentence: String,
    method: String,
    forced: Vec<String>,
    warnings: Vec<String>,
    sections: Vec<Section>,
    footer: String,
}

impl ComparisonReporter for ComparisonHtml {
    fn render(&self, comparison: &ComparisonResult) -> Result<Vec<u8>, ReportError> {
        let mut warnings = comparison.warnings.clone();
        if comparison.verdict == Change::Inconclusive {
            warnings.push(inconclusive(comparison).to_owned());
        }
        let [base, new] = cells::sides(comparison);
        let page = Page {
            word: comparison.verdict.name().to_uppercase(),
            tone: tone(comparison.verdict),
            exit_code: comparison.exit_code,
            name: comparison.new.first().map(|run| run.name.clone()).unwrap_or_default(),
            sides: format!("{new} against {base}"),
            meta: format!("Hub: {}", hubs(comparison)),
            sentence: sentence(comparison),
            method: method(comparison),
            forced: comparison.forced.clone(),
            warnings,
            sections: [
                Some(comparison.capacity.as_ref().map_or_else(|| judged(comparison), capacity)),
                curves(comparison),
                series(comparison),
                Some(sources(comparison)),
            ]
            .into_iter()
            .flatten()
            .collect(),
            footer: format!("Made by twinstorm {} from results alone.", comparison.version),
        };
        Ok(page.render()?.into_bytes())
    }
}

const fn tone(change: Change) -> Tone {
    match change {
        Change::Regressed => Tone::Bad,
        Change::Improved | Change::Equivalent => Tone::Good,
        Change::Inconclusive => Tone::Doubt,
    }
}

/// How many metrics came out how.
fn sentence(comparison: &ComparisonResult) -> String {
    if let Some(change) = &comparison.capacity {
        return format!("{}: {}.", capitalised(change.verdict.name()), capacity::sentence(change));
    }
    let all = [Change::Regressed, Change::Improved, Change::Equivalent, Change::Inconclusive];
    let named = |change: &Change| {
        let rows = comparison.metrics.iter().filter(|row| row.verdict == *change);
        let names: Vec<String> = rows.map(|row| row.metric.to_string()).collect();
        (!names.is_empty()).then(|| format!("{}: {}", change.name(), text::listed(&names)))
    };
    let text = all.iter().filter_map(named).collect::<Vec<_>>().join("; ");
    if text.is_empty() { text } else { format!("{}.", capitalised(&text)) }
}

fn capitalised(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), chars.as_str()))
}

/// What searches found.
fn capacity(change: &CapacityChange) -> Section {
    let mut table = Table::new("What each search found.", &["side", "capacity", "why no more"]);
    for found in capacity::found(change) {
        table.row(vec![found.side.into(), found.interval.into(), found.why.into()]);
    }
    let told = format!("{}: {}.", change.verdict.name(), change.reason);
    Section::new("capacity", "Capacity", vec![Part::Note(tone(change.verdict), capitalised(&told)), Part::Table(table)])
}

fn judged(comparison: &ComparisonResult) -> Section {
    let mut table = Table::new(
        "Medians over runs, and what is made of them.",
        &["metric", "verdict", "#base", "#new", "#change", "#95 % interval", "#p (Holm)"],
    );
    for row in &comparison.metrics {
        table.row(vec![
            Cell::code(row.metric.to_string()),
            Cell::toned(tone(row.verdict), row.verdict.name()),
            cells::value(&row.metric, row.base_median).into(),
            cells::value(&row.metric, row.new_median).into(),
            change(row.change_pct).into(),
            interval(row.interval).into(),
            p_value(row.p_holm).into(),
        ]);
    }
    let why = comparison.metrics.iter().map(|row| format!("{}: {}", row.metric, row.reason)).collect();
    let mut parts = vec![Part::Table(table), Part::List(why)];
    parts.extend(changes(comparison).map(Part::figure));
    Section::new("judged", "Judged", parts)
}

/// Each run's value, and where the change lies.
fn changes(comparison: &ComparisonResult) -> Option<Figure> {
    let row = |row: &MetricRow| {
        let pct = |values: &[Option<f64>]| match row.base_median {
            Some(median) if median > 0.0 => {
                values.iter().flatten().map(|value| (value / median - 1.0) * 100.0).collect()
            }
            _ => Vec::new(),
        };
        ChangeRow {
            label: row.metric.to_string(),
            base: pct(&row.base),
            new: pct(&row.new),
            change: row.change_pct,
            interval: row.interval.map(|interval| (interval.low_pct, interval.high_pct)),
            note: row.verdict.name().to_owned(),
        }
    };
    let told: Vec<String> = comparison
        .metrics
        .iter()
        .map(|row| {
            format!("{}: {} ({}), {}", row.metric, change(row.change_pct), interval(row.interval), row.verdict.name())
        })
        .collect();
    let chart = ChangeChart {
        id: "changes".to_owned(),
        title: "Runs and changes".to_owned(),
        description: format!("Change of each metric. {}.", told.join("; ")),
        margin_pct: comparison.margin_pct,
        rows: comparison.metrics.iter().map(row).collect(),
    };
    Some(Figure {
        title: chart.title.clone(),
        caption:
            "Each run is a mark: the base's above, the new ones below, as far as they lie from the base's median. The \
                  line below them is the 95 % interval of the change, with the change itself across it."
                .to_owned(),
        picture: chart.draw()?,
        is_wide: true,
        table: Some(values(comparison)),
    })
}

/// Every run's value of every metric.
fn values(comparison: &ComparisonResult) -> Table {
    let mut columns = vec!["run".to_owned()];
    columns.extend(comparison.metrics.iter().map(|row| format!("#{}", row.metric)));
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new("The value of each metric in each run.", &columns);
    for (side, count) in [("base", comparison.base.len()), ("new", comparison.new.len())] {
        for at in 0..count {
            let value = |row: &MetricRow| {
                let values = if side == "base" { &row.base } else { &row.new };
                Cell::from(cells::value(&row.metric, values.get(at).copied().flatten()))
            };
            let head = Cell::from(format!("{side} {}", at + 1));
            table.row(std::iter::once(head).chain(comparison.metrics.iter().map(value)).collect());
        }
    }
    table
}

/// The curves of the series that verdicts were given on.
fn curves(comparison: &ComparisonResult) -> Option<Section> {
    let mut named: Vec<Series> = Vec::new();
    for row in &comparison.metrics {
        if let Metric::Series(series, _) = row.metric
            && !named.contains(&series)
        {
            named.push(series);
        }
    }
    let rows: Vec<&SeriesRow> =
        named.iter().filter_map(|series| comparison.series.iter().find(|row| row.series == *series)).collect();
    // Two side by side; a single one has the whole width.
    let width = if rows.len() == 1 { 880.0 } else { 440.0 };
    let figures: Vec<Figure> = rows.into_iter().filter_map(|row| curve(row, width)).collect();
    if figures.is_empty() {
        return None;
    }
    let words = "How long it took for so many of all, the samples of each side's runs together: each step to the right is ten \
                 times rarer. The base's curve is solid, the new one dashed.";
    Some(Section::new("curves", "Percentile curves", vec![Part::text(words), Part::Figures(figures)]))
}

fn curve(row: &SeriesRow, width: f64) -> Option<Figure> {
    let group = |label: &str, look, data| CurveGroup { label: label.to_owned(), look, curves: vec![curve_of(data)] };
    let mut table = Table::new(row.series.name(), &["percentile", "#base", "#new", "#change"]);
    let mut told = Vec::new();
    for (name, statistic) in figures() {
        let [base, new] = [&row.base, &row.new].map(|data| text::statistic(Some(data), statistic));
        told.push(format!("{name} {base} and {new}"));
        table.row(vec![name.into(), base.into(), new.into(), change(cells::change_of(row, statistic)).into()]);
    }
    let chart = PercentileChart {
        id: format!("curve-{}", row.series.name().replace('.', "-")),
        title: row.series.name().to_owned(),
        description: format!("Percentile curves of base and new: {}.", told.join("; ")),
        width,
        height: 290.0,
        groups: vec![group("base", ChangeChart::BASE, &row.base), group("new", ChangeChart::NEW, &row.new)],
    };
    Some(Figure {
        title: chart.title.clone(),
        caption: "Solid: base. Dashed: new.".to_owned(),
        picture: chart.draw()?,
        is_wide: false,
        table: Some(table),
    })
}

fn series(comparison: &ComparisonResult) -> Option<Section> {
    if comparison.series.is_empty() {
        return None;
    }
    let mut columns = vec!["series".to_owned(), "#count, base".to_owned(), "#new".to_owned()];
    for (name, _) in figures() {
        columns.extend([format!("#{name}, base"), "#new".to_owned(), "#change".to_owned()]);
    }
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new("Samples of all runs of a side together: shown, never judged.", &columns);
    for row in &comparison.series {
        let counts = [&row.base, &row.new].map(|data| Cell::from(text::count(data.count())));
        let mut cells = vec![Cell::code(row.series.name())];
        cells.extend(counts);
        for (_, statistic) in figures() {
            cells.extend([&row.base, &row.new].map(|data| Cell::from(text::statistic(Some(data), statistic))));
            cells.push(change(cells::change_of(row, statistic)).into());
        }
        table.row(cells);
    }
    Some(Section::new("series", "Every series", vec![Part::Table(table)]))
}

fn sources(comparison: &ComparisonResult) -> Section {
    let columns = ["run", "result", "started", "#took", "verdict", "twinstorm", "#cores", "#seed"];
    let mut table = Table::new("The results that were compared.", &columns);
    for (side, rows) in [("base", &comparison.base), ("new", &comparison.new)] {
        for (at, row) in rows.iter().enumerate() {
            let RunRow { path, started_at, duration_s, version, seed, cores, valid, verdict, .. } = row;
            let verdict = format!("{verdict:?}").to_lowercase();
            table.row(vec![
                format!("{side} {}", at + 1).into(),
                Cell::code(path.clone()),
                format!("{started_at:.0}").into(),
                text::span(*duration_s).into(),
                if *valid { verdict.into() } else { Cell::toned(Tone::Bad, format!("{verdict}, not valid")) },
                version.clone().into(),
                cores.to_string().into(),
                seed.to_string().into(),
            ]);
        }
    }
    Section::new("runs", "Runs", vec![Part::Table(table)])
}

#[cfg(test)]
mod tests {
    use super::super::sample::{sample, searches};
    use super::*;

    fn render(comparison: &ComparisonResult) -> String {
        String::from_utf8(ComparisonHtml.render(comparison).unwrap()).unwrap()
    }

    #[test]
    fn everything_is_on_the_page_and_nothing_comes_from_elsewhere() {
        let html = render(&sample());
        for says in [
            "<span class=\"word\">REGRESSED</span> <span class=\"code\">exit code 98</span>",
            "Regressed: update.overhead.p50; equivalent: method.response.p50; inconclusive: method.response.p99.",
            "hub.slow.method_request: 50ms and 60ms",
            "versions of twinstorm differ",
            "<code>base/run-05/results.json</code>",
            "id=\"curve-method-response\"",
        ] {
            let says = says.replace("id=\"curve-method-response\"", "curve-method-response-t");
            assert!(html.contains(&says), "{says}\n{html}");
        }
        assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("<script"));
        // Both curves, told apart by more than their colours.
        assert!(html.contains("class=\"ln c0\"") && html.contains("class=\"ln c2\""));
    }

    #[test]
    fn searches_are_told_by_what_they_found() {
        let html = render(&searches());
        for says in [
            "\"proven\">Regressed: the capacity of calls is 30 to 31.3 calls/s, and was 40 to 41.8 calls/s.</p>",
            "1 search of capacity against 2 searches of capacity",
            "<h2 id=\"capacity\">",
            "base, all",
            "throttled: census.throttled.pct &#60; 1 was 3.6 %",
        ] {
            assert!(html.contains(says), "{says}\n{html}");
        }
        assert!(!html.contains("id=\"judged\"") && !html.contains("id=\"series\""));
    }

    #[test]
    fn what_was_forced_stays_in_sight_and_what_is_foreign_is_escaped() {
        let mut comparison = sample();
        comparison.forced = vec!["<b>run</b> is not valid".to_owned()];
        comparison.verdict = Change::Inconclusive;
        let html = render(&comparison);
        assert!(html.contains("class=\"banner\"") && html.contains("Compared by force"));
        assert!(html.contains("&#60;b&#62;run&#60;/b&#62; is not valid") && !html.contains("<b>run"));
        assert!(html.contains("inconclusive proves nothing"));
        assert!(!render(&sample()).contains("class=\"banner\""));
    }

    /// To look at a page with a browser: `TWINSTORM_PAGE=comparison.html cargo test --lib look_at_a_comparison`.
    #[test]
    fn look_at_a_comparison() {
        let Ok(to) = std::env::var("TWINSTORM_PAGE") else { return };
        std::fs::write(to, render(&sample())).unwrap();
    }
}

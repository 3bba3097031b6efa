//! What was asked of the hub and what it let through: calls, attempts, and its limits, over time.

use super::blocks::{Cell, Figure, Part, Section, Table};
use super::text;
use super::timeline::{Timeline, row_name};
use crate::measure::{Interval, RunResult, ThrottleCount};
use crate::report::chart::{Line, Look, TimeChart, Unit};

/// A line: its name, its look, and what of each second it counts.
struct Kind<'a> {
    label: String,
    look: Look,
    of: Box<dyn Fn(&Interval) -> u64 + 'a>,
}

fn kind<'a>(label: &str, look: Look, of: impl Fn(&Interval) -> u64 + 'a) -> Kind<'a> {
    Kind { label: label.to_owned(), look, of: Box::new(of) }
}

/// The section; none where nothing was tried.
pub(super) fn attempts(result: &RunResult, timeline: &Timeline<'_>, load: &Timeline<'_>) -> Option<Section> {
    let calls = [
        kind("offered", Look::back(), |interval| interval.offered),
        kind("sent", Look::nth(0), |interval| interval.achieved),
    ];
    let tries = [
        kind("connects", Look::nth(1), |interval| interval.connect_attempts),
        kind("calls", Look::nth(0), |interval| interval.call_attempts),
        kind("reports", Look::nth(2), |interval| interval.report_attempts),
    ];
    let names = result.retries.connect.iter().map(|row| row.policy.clone());
    let cohorts: Vec<Kind<'_>> = names
        .enumerate()
        .map(|(index, name)| {
            kind(&name, Look::nth(index), move |interval| {
                interval.cohort_attempts.get(index).copied().unwrap_or_default()
            })
        })
        .collect();
    let mut parts = Vec::new();
    parts.extend(rates("calls", "Calls", "Calls that were due, and those really sent.", &calls, load));
    let words = "Everything tried, retries included: connections, method calls, reports.";
    parts.extend(rates("attempts", "Attempts by kind", words, &tries, timeline));
    if timeline.intervals.iter().any(|interval| !interval.cohort_attempts.is_empty()) {
        let words = "Connections tried, by the retry policy of the device.";
        parts.extend(rates("cohorts", "Connections tried by policy", words, &cohorts, timeline));
    }
    parts.extend(limits(result));
    (!parts.is_empty()).then(|| Section::new("attempts", "Attempts and limits", parts))
}

/// A picture of rates with its table; none where nothing was counted.
fn rates(id: &str, title: &str, words: &str, kinds: &[Kind<'_>], timeline: &Timeline<'_>) -> Option<Part> {
    let totals: Vec<u64> = kinds.iter().map(|kind| timeline.intervals.iter().map(&kind.of).sum()).collect();
    if totals.iter().all(|total| *total == 0) {
        return None;
    }
    let lines: Vec<Line> = kinds
        .iter()
        .zip(&totals)
        .filter(|(_, total)| **total > 0)
        .map(|(kind, _)| Line {
            label: kind.label.clone(),
            look: kind.look,
            values: timeline.line(|step| Some(timeline.rate(step, &kind.of))),
        })
        .collect();
    let mut columns = vec!["until".to_owned()];
    columns.extend(kinds.iter().map(|kind| format!("#{}", kind.label)));
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new(format!("{title}, counts; {}.", timeline.row_words("added up")), &columns);
    for row in &timeline.rows {
        let counts = kinds.iter().map(|kind| text::count(timeline.sum(row, &kind.of)).into());
        table.row([Cell::from(row_name(row))].into_iter().chain(counts).collect());
    }
    table
        .row([Cell::from("in all")].into_iter().chain(totals.iter().map(|total| text::count(*total).into())).collect());
    let sums: Vec<String> =
        kinds.iter().zip(&totals).map(|(kind, total)| format!("{} {}", text::count(*total), kind.label)).collect();
    let chart = TimeChart {
        id: id.to_owned(),
        title: title.to_owned(),
        description: format!("Per second over time; in all: {}.", sums.join(", ")),
        height: 210.0,
        span_s: timeline.span_s,
        unit: Unit::Rate,
        name: "per second".to_owned(),
        bands: Vec::new(),
        lines,
        marks: timeline.marks.clone(),
    };
    Some(Part::figure(Figure {
        title: chart.title.clone(),
        caption: format!(
            "{words} Steps of {}.{}{}",
            timeline.step_words("on average"),
            timeline.part_words(),
            timeline.mark_words()
        ),
        picture: chart.draw()?,
        is_wide: true,
        table: Some(table),
    }))
}

/// What the limits of the hub did, where it has any.
fn limits(result: &RunResult) -> Option<Part> {
    let throttled = result.hub.as_ref().map(|hub| hub.throttled.as_slice()).unwrap_or_default();
    if throttled.is_empty() {
        return None;
    }
    let columns =
        ["operation", "put on by", "#let through", "#of them delayed", "#mean delay", "#refused", "#of the limit used"];
    let mut table = Table::new("What the limits of the embedded hub did, by operation.", &columns);
    for count in throttled {
        table.row(limit(count));
    }
    Some(Part::Table(table))
}

fn limit(count: &ThrottleCount) -> Vec<Cell> {
    let mean = (count.delayed > 0).then(|| count.wait_ms_total as f64 / 1e3 / count.delayed as f64);
    let used = count.busy.as_ref().and_then(|busy| busy.goodput_pct());
    vec![
        Cell::code(count.operation.as_str()),
        count.fault.as_ref().map_or_else(|| "the hub itself".to_owned(), |fault| format!("fault {fault}")).into(),
        text::count(count.admitted).into(),
        text::count(count.delayed).into(),
        text::maybe_duration(mean).into(),
        text::count(count.refused).into(),
        text::share(used).into(),
    ]
}

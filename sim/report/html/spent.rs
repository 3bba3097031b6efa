//! How an update's time is spent: its stages one after another.

use super::blocks::{Cell, Figure, Part, Section, Table};
use super::text;
use crate::measure::{RunResult, SeriesData};
use crate::policy::FirmwareStatus::{Applying, Completed, Downloading, Failed, RolledBack};
use crate::policy::{Series, Statistic};
use crate::report::chart::{Span, SpanChart, SpanRow};

/// The way of an update that completes.
const STAGES: [(Series, &str, &str); 4] = [
    (Series::MethodResponse, "call answered", "c6"),
    (Series::Transition(Downloading), "downloading", "c1"),
    (Series::Transition(Applying), "applying", "c1"),
    (Series::Transition(Completed), "completed", "c3"),
];
/// How others end.
const OTHERS: [Series; 2] = [Series::Transition(Failed), Series::Transition(RolledBack)];
const P50: Statistic = Statistic::Percentile(5_000);
const P90: Statistic = Statistic::Percentile(9_000);

/// The section; none where no transition has a median.
pub(super) fn spent(result: &RunResult) -> Option<Section> {
    let data = |series: Series| result.series.get(&series).filter(|data| data.statistic(P50).is_some());
    if !STAGES.iter().skip(1).any(|(series, _, _)| data(*series).is_some()) {
        return None;
    }
    let mut table = Table::new(
        "From one stage seen to the next; transition.downloading counts from the method's answer.",
        &["stage", "#count", "#p10", "#p50", "#p90", "#p99", "#max"],
    );
    let mut rows = Vec::new();
    let mut begins = 0.0;
    for (series, label, class) in STAGES {
        let Some(data) = data(series) else { continue };
        table.row(figures(series, data));
        let median = data.statistic(P50).unwrap_or_default();
        let whisker = p10(data).zip(data.statistic(P90)).map(|(low, high)| (begins + low, begins + high));
        rows.push(row(label, class, begins, median, whisker));
        begins += median;
    }
    if let Some(total) = data(Series::UpdateTotal) {
        table.row(figures(Series::UpdateTotal, total));
        let median = total.statistic(P50).unwrap_or_default();
        rows.push(row("whole update", "c0", 0.0, median, p10(total).zip(total.statistic(P90))));
    }
    for series in OTHERS {
        if let Some(data) = result.series.get(&series).filter(|data| data.count() > 0) {
            table.row(figures(series, data));
        }
    }
    let longest = rows.iter().map(|row| row.whisker.map_or(0.0, |whisker| whisker.1).max(end(row))).fold(0.0, f64::max);
    let medians: Vec<String> = rows.iter().map(|row| format!("{} {}", row.label, row.note)).collect();
    let chart = SpanChart {
        id: "spent".to_owned(),
        title: "An update, stage by stage".to_owned(),
        description: format!("Medians: {}.", medians.join(", ")),
        span_s: (0.0, longest * 1.02),
        name: Some("time since the call was due".to_owned()),
        rows,
    };
    let figure = Figure {
        title: chart.title.clone(),
        caption:
            "Bars are medians, each from where the one before ends; the line reaches from p10 to p90. Medians do not \
                  add up: the whole update has a bar of its own."
                .to_owned(),
        picture: chart.draw()?,
        is_wide: true,
        table: Some(table),
    };
    let mut parts = vec![Part::figure(figure)];
    let observer = &result.observer;
    if observer.is_told() {
        parts.push(Part::text("Seen by subscription: each report as the broker delivers it, its way there included."));
    } else if !observer.kind.is_empty() {
        parts.push(Part::text(format!(
            "Seen by {} every {}: each of these times is uncertain by {}.",
            observer.kind,
            text::duration(observer.interval_ms as f64 / 1e3),
            text::micros(observer.resolution_us)
        )));
    }
    Some(Section::new("spent", "How an update's time is spent", parts))
}

fn row(label: &str, class: &'static str, from_s: f64, median: f64, whisker: Option<(f64, f64)>) -> SpanRow {
    let note = format!("p50 {}", text::duration(median));
    let span = Span { from_s, to_s: Some(from_s + median), class, tip: format!("{label}: {note}") };
    SpanRow { label: label.to_owned(), note, spans: vec![span], whisker }
}

fn end(row: &SpanRow) -> f64 {
    row.spans.iter().filter_map(|span| span.to_s).fold(0.0, f64::max)
}

/// The 10th percentile, where 10 samples lie before it as well.
fn p10(data: &SeriesData) -> Option<f64> {
    data.statistic(Statistic::Percentile(1_000)).filter(|_| data.count() >= 100)
}

fn figures(series: Series, data: &SeriesData) -> Vec<Cell> {
    let statistic = |of| text::statistic(Some(data), of).into();
    vec![
        Cell::code(series.name()),
        text::count(data.count()).into(),
        text::maybe_duration(p10(data)).into(),
        statistic(P50),
        statistic(P90),
        statistic(Statistic::Percentile(9_900)),
        statistic(Statistic::Max),
    ]
}

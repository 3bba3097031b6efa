//! Latency over time, sample by sample.

use super::blocks::{Figure, Part, Section, Table};
use super::text;
use super::timeline::{Timeline, row_name};
use crate::measure::SeriesData;
use crate::policy::{Series, Statistic};
use crate::report::chart::{Bucket, HeatChart, HeatColumn, Line, Look};
use crate::report::decode;

/// What is shown so: what an operator sees of a call, and of an update.
const SHOWN: [(Series, &str); 3] = [
    (Series::MethodResponse, "heat-response"),
    (Series::UpdateTotal, "heat-total"),
    (Series::UpdateOverhead, "heat-overhead"),
];

/// The section; none where no second has a histogram of these.
pub(super) fn heat(timeline: &Timeline<'_>) -> Option<Section> {
    let figures: Vec<Part> =
        SHOWN.into_iter().filter_map(|(series, id)| figure(timeline, series, id)).map(Part::figure).collect();
    (!figures.is_empty()).then(|| Section::new("latency", "Latency over time", figures))
}

fn figure(timeline: &Timeline<'_>, series: Series, id: &str) -> Option<Figure> {
    let steps: Vec<SeriesData> = timeline.steps.iter().map(|step| merged(timeline, step, series)).collect();
    let total: u64 = steps.iter().map(SeriesData::count).sum();
    if total == 0 {
        return None;
    }
    let line = |label: &str, look, hundredths| {
        let value = |data: &SeriesData| data.statistic(Statistic::Percentile(hundredths));
        let values =
            timeline.steps.iter().zip(&steps).map(|(step, data)| (step.from_s, step.to_s, value(data))).collect();
        Line { label: label.to_owned(), look, values }
    };
    let lines = vec![line("p50", Look::nth(1), 5_000), line("p99", Look::nth(6), 9_900)];
    let (lowest, highest) = steps
        .iter()
        .filter(|data| data.count() > 0)
        .fold((u64::MAX, 0), |(low, high), data| (low.min(data.histogram.min()), high.max(data.histogram.max())));
    let chart = HeatChart {
        id: id.to_owned(),
        title: format!("{series} over time"),
        description: format!(
            "{} between {} and {}, by the second of their end.",
            text::counted(total, "sample", "samples"),
            text::duration(lowest as f64 / 1e9),
            text::duration(highest as f64 / 1e9)
        ),
        height: 300.0,
        span_s: timeline.span_s,
        columns: timeline.steps.iter().zip(&steps).map(|(step, data)| column(step, data)).collect(),
        lines,
        marks: timeline.marks.clone(),
    };
    Some(Figure {
        title: chart.title.clone(),
        caption: format!(
            "Every sample in the second in which it ended: the darker, the more (by their logarithm). Steps of {}. Percentiles \
             are drawn where 10 samples lie beyond.",
            timeline.step_words("histograms merged")
        ),
        picture: chart.draw()?,
        is_wide: true,
        table: Some(table(timeline, series, &steps)),
    })
}

/// The samples of a bucket's seconds. One that cannot be read was written by none of ours, and is left out.
fn merged(timeline: &Timeline<'_>, bucket: &Bucket, series: Series) -> SeriesData {
    let mut all = SeriesData::default();
    for interval in timeline.seconds(bucket) {
        if let Some(data) = interval.hdr.get(series.name()).and_then(|text| decode(text, 0).ok()) {
            all.merge(&data);
        }
    }
    all
}

fn column(step: &Bucket, data: &SeriesData) -> HeatColumn {
    let counts = data.histogram.iter_recorded().map(|entry| {
        // The middle of what the histogram takes for the same.
        let value = data.histogram.median_equivalent(entry.value_iterated_to());
        (value as f64 / 1e9, entry.count_since_last_iteration())
    });
    HeatColumn { from_s: step.from_s, to_s: step.to_s, counts: counts.collect() }
}

fn table(timeline: &Timeline<'_>, series: Series, steps: &[SeriesData]) -> Table {
    let mut table = Table::new(
        format!("{series}; {}.", timeline.row_words("histograms merged")),
        &["until", "#samples", "#p50", "#p90", "#p99", "#max"],
    );
    // Rows are of whole steps.
    let mut steps = timeline.steps.iter().zip(steps).peekable();
    for row in &timeline.rows {
        let mut all = SeriesData::default();
        while let Some((_, data)) = steps.next_if(|(step, _)| step.intervals.end <= row.intervals.end) {
            all.merge(data);
        }
        let percentile = |hundredths| text::statistic(Some(&all), Statistic::Percentile(hundredths)).into();
        table.row(vec![
            row_name(row).into(),
            text::count(all.count()).into(),
            percentile(5_000),
            percentile(9_000),
            percentile(9_900),
            text::statistic(Some(&all), Statistic::Max).into(),
        ]);
    }
    table
}

//! Durations: a table of every series, and percentile curves, those together that can be compared.

use super::blocks::{Cell, Figure, Part, Section, Table, Tone};
use super::text;
use super::timeline::Timeline;
use crate::measure::{RunResult, SeriesData};
use crate::policy::{Series, Statistic};
use crate::report::chart::{CurveGroup, Look, PercentileChart, Sparkline, Svg, curve_of};

/// What a picture shows together: its title, or none where that is its series' names, how to read it, and which series.
struct Family {
    id: &'static str,
    title: &'static str,
    caption: &'static str,
    has: fn(Series) -> bool,
}

const FAMILIES: [Family; 9] = [
    Family {
        id: "update",
        title: "update.*",
        caption: "The whole update, and what hub and network added to the delays that the device itself chose.",
        has: |series| matches!(series, Series::UpdateTotal | Series::UpdateTotalError | Series::UpdateOverhead),
    },
    Family {
        id: "method",
        title: "method.*",
        caption: "The call: response counts from its due time, service from its sending, delivery until the device has it.",
        has: |series| {
            matches!(
                series,
                Series::MethodResponse
                    | Series::MethodResponseError
                    | Series::MethodService
                    | Series::MethodServiceError
                    | Series::MethodDelivery
            )
        },
    },
    Family {
        id: "visible",
        title: "twin.visible.*",
        caption: "From a device's report until the observer first saw it: propagation, and the observer's interval.",
        has: |series| matches!(series, Series::TwinVisible(_)),
    },
    Family {
        id: "transition",
        title: "transition.*",
        caption: "From one stage seen to the next one seen: what the operator's service sees.",
        has: |series| matches!(series, Series::Transition(_)),
    },
    Family {
        id: "ack",
        title: "twin.ack.*",
        caption: "From a device's report until the hub's answer: the write path.",
        has: |series| matches!(series, Series::TwinAck(_)),
    },
    Family {
        id: "connect",
        title: "",
        caption: "Coming online; a reconnect counts from the loss, with every wait in between.",
        has: |series| matches!(series, Series::Connect | Series::ConnectError | Series::Reconnect),
    },
    Family {
        id: "ping",
        title: "ping",
        caption: "Keep-alive over silent connections: from PINGREQ until PINGRESP.",
        has: |series| series == Series::Ping,
    },
    Family {
        id: "telemetry",
        title: "telemetry.*",
        caption: "From a device's message until the broker's acknowledgement, and until the driver received it.",
        has: |series| matches!(series, Series::TelemetryAck | Series::TelemetryDelivery),
    },
    Family {
        id: "rest",
        title: "",
        caption: "The generator's own lateness, and downloads of images.",
        has: |series| {
            matches!(
                series,
                Series::ScheduleLag | Series::TelemetryLag | Series::ImageDownload | Series::ImageDownloadError
            )
        },
    },
];

/// The section; none where nothing was measured.
pub(super) fn percentiles(result: &RunResult, timeline: &Timeline<'_>) -> Option<Section> {
    if result.series.values().all(|data| data.count() == 0) {
        return None;
    }
    let mut parts = vec![Part::Table(all(result, timeline))];
    for (series, data) in result.series.iter().filter(|(_, data)| data.saturated > 0) {
        let words = format!(
            "{series}: {} longer than one hour, counted as one hour.",
            text::counted(data.saturated, "sample was", "samples were")
        );
        parts.push(Part::Note(Tone::Doubt, words));
    }
    let figures: Vec<Figure> = FAMILIES.iter().filter_map(|family| family.figure(result)).collect();
    if !figures.is_empty() {
        parts.push(Part::Heading("Percentile curves".to_owned()));
        parts.push(Part::text(
            "How long it took for so many of all: each step to the right is ten times rarer. A curve ends where fewer than \
             10 samples lie beyond.",
        ));
        parts.push(Part::Figures(figures));
    }
    if !result.absent.is_empty() {
        let absent: Vec<String> = result.absent.iter().map(ToString::to_string).collect();
        parts.push(Part::text(format!("Not measurable in this run: {}.", text::listed(&absent))));
        if result.plan["driver"]["via"]["kind"] == "job" {
            parts.push(Part::text(
                "A job tells of a call no more than how it ended, not when it was due, sent and answered.",
            ));
        }
    }
    Some(Section::new("durations", "Durations", parts))
}

/// Every series with its statistics; a percentile that none of them has samples for has no column.
fn all(result: &RunResult, timeline: &Timeline<'_>) -> Table {
    const COLUMNS: [(&str, Statistic); 9] = [
        ("#min", Statistic::Min),
        ("#p50", Statistic::Percentile(5_000)),
        ("#p90", Statistic::Percentile(9_000)),
        ("#p95", Statistic::Percentile(9_500)),
        ("#p99", Statistic::Percentile(9_900)),
        ("#p99.9", Statistic::Percentile(9_990)),
        ("#p99.99", Statistic::Percentile(9_999)),
        ("#max", Statistic::Max),
        ("#mean", Statistic::Mean),
    ];
    let series: Vec<(&Series, &SeriesData)> = result.series.iter().filter(|(_, data)| data.count() > 0).collect();
    let is_known = |statistic| series.iter().any(|(_, data)| data.statistic(statistic).is_some());
    let shown: Vec<_> = COLUMNS.iter().filter(|(_, statistic)| is_known(*statistic)).collect();
    let lines: Vec<Option<Svg>> = series.iter().map(|(series, _)| spark(**series, timeline)).collect();
    let has_lines = lines.iter().any(Option::is_some);
    let mut columns = vec!["series", "#count"];
    columns.extend(shown.iter().map(|(title, _)| *title));
    let caption = if has_lines {
        columns.push("p50 over time");
        "Every series. The line is its median over the run, from 0 on, where a second has enough samples for one."
    } else {
        "Every series."
    };
    let mut table = Table::new(caption, &columns);
    for ((series, data), line) in series.iter().zip(lines) {
        let mut row = vec![Cell::code(series.name()), text::count(data.count()).into()];
        row.extend(shown.iter().map(|(_, statistic)| Cell::from(text::statistic(Some(data), *statistic))));
        if has_lines {
            let words = if line.is_some() { "" } else { text::NONE };
            row.push(Cell::from(words).with(line));
        }
        table.row(row);
    }
    table
}

/// The medians of a series over time: the largest of each row's seconds, as medians do not add up. A few of them show
/// nothing that the figures do not.
fn spark(series: Series, timeline: &Timeline<'_>) -> Option<Svg> {
    const FEW: usize = 5;
    let of = |bucket| timeline.seconds(bucket).iter().filter_map(|interval| interval.p50_us.get(series.name())).max();
    let values: Vec<Option<f64>> = timeline.rows.iter().map(|row| of(row).map(|micros| *micros as f64)).collect();
    (values.iter().flatten().count() >= FEW).then(|| Sparkline { values }.draw()).flatten()
}

impl Family {
    fn figure(&self, result: &RunResult) -> Option<Figure> {
        let members: Vec<(Series, &SeriesData)> = result
            .series
            .iter()
            .filter(|(series, data)| (self.has)(**series) && data.count() > 0)
            .map(|(series, data)| (*series, data))
            .collect();
        let groups: Vec<CurveGroup> = members
            .iter()
            .map(|(series, data)| (short(*series), curve_of(data)))
            .filter(|(_, curve)| !curve.is_empty())
            .enumerate()
            .map(|(index, (label, curve))| CurveGroup { label, look: Look::nth(index), curves: vec![curve] })
            .collect();
        let names: Vec<String> = members.iter().map(|(series, _)| series.to_string()).collect();
        let title = if self.title.is_empty() { text::listed(&names) } else { self.title.to_owned() };
        let ends: Vec<String> = members
            .iter()
            .map(|(series, data)| {
                let p50 = text::statistic(Some(data), Statistic::Percentile(5_000));
                let p99 = text::statistic(Some(data), Statistic::Percentile(9_900));
                format!("{series}: p50 {p50}, p99 {p99}")
            })
            .collect();
        let chart = PercentileChart {
            id: format!("curves-{}", self.id),
            title,
            description: format!("Percentile curves. {}.", ends.join("; ")),
            width: 440.0,
            height: 290.0,
            groups,
        };
        Some(Figure {
            title: chart.title.clone(),
            caption: self.caption.to_owned(),
            picture: chart.draw()?,
            is_wide: false,
            table: Some(quantiles(&chart.title, &members)),
        })
    }
}

/// What the curves show, percentile by percentile.
fn quantiles(title: &str, members: &[(Series, &SeriesData)]) -> Table {
    const SHOWN: [(&str, f64); 10] = [
        ("min", 0.0),
        ("p25", 0.25),
        ("p50", 0.5),
        ("p75", 0.75),
        ("p90", 0.9),
        ("p95", 0.95),
        ("p99", 0.99),
        ("p99.9", 0.999),
        ("p99.99", 0.9999),
        ("p99.999", 0.999_99),
    ];
    let mut columns = vec!["percentile".to_owned()];
    columns.extend(members.iter().map(|(series, _)| format!("#{}", short(*series))));
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new(title, &columns);
    for (name, quantile) in SHOWN {
        let values: Vec<Option<f64>> = members.iter().map(|(_, data)| data.quantile(quantile)).collect();
        if values.iter().any(Option::is_some) {
            let cells = values.into_iter().map(|value| text::maybe_duration(value).into());
            table.row([Cell::from(name)].into_iter().chain(cells).collect());
        }
    }
    let counts = members.iter().map(|(_, data)| text::count(data.count()).into());
    table.row([Cell::from("samples")].into_iter().chain(counts).collect());
    table
}

/// A series' name without that of its family.
fn short(series: Series) -> String {
    let name = series.name();
    let families = ["twin.visible.", "twin.ack.", "transition.", "method.", "update.", "telemetry."];
    families.iter().find_map(|family| name.strip_prefix(family)).unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_has_one_picture() {
        for series in Series::ALL {
            assert_eq!(FAMILIES.iter().filter(|family| (family.has)(series)).count(), 1, "{series}");
        }
    }

    #[test]
    fn names_are_short_within_their_family() {
        assert_eq!(short(Series::MethodResponseError), "response.error");
        assert_eq!(short(Series::ScheduleLag), "schedule.lag");
    }
}

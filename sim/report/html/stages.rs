//! The funnel: devices by what they last reported, and how many were connected.

use super::blocks::{Cell, Figure, Part, Section, Table};
use super::text;
use super::timeline::{Timeline, row_name};
use crate::policy::FirmwareStatus;
use crate::report::chart::{Band, Layer, Line, Look, StackChart, TimeChart, Unit};

/// The statuses from the bottom of the stack to its top, with their classes: what is reached stays below.
const LAYERS: [(FirmwareStatus, &str); 6] = [
    (FirmwareStatus::Completed, "s-completed"),
    (FirmwareStatus::RolledBack, "s-rolledBack"),
    (FirmwareStatus::Failed, "s-failed"),
    (FirmwareStatus::Applying, "s-applying"),
    (FirmwareStatus::Downloading, "s-downloading"),
    (FirmwareStatus::StandBy, "s-standBy"),
];

/// The section; none where no second was recorded.
pub(super) fn stages(timeline: &Timeline<'_>) -> Option<Section> {
    let figures: Vec<Part> = [stack(timeline), connected(timeline)].into_iter().flatten().map(Part::figure).collect();
    (!figures.is_empty()).then(|| Section::new("stages", "Stages over time", figures))
}

/// How many devices had this status last, at the end of a bucket.
fn at_end(timeline: &Timeline<'_>, bucket: &crate::report::chart::Bucket, status: FirmwareStatus) -> u32 {
    let last = timeline.seconds(bucket).last();
    last.and_then(|interval| interval.stages.get(status.as_str())).copied().unwrap_or_default()
}

fn stack(timeline: &Timeline<'_>) -> Option<Figure> {
    let values =
        |status| timeline.steps.iter().map(|step| f64::from(at_end(timeline, step, status))).collect::<Vec<_>>();
    let mut layers: Vec<Layer> = LAYERS
        .into_iter()
        .map(|(status, class)| Layer { label: status.to_string(), class, values: values(status) })
        .collect();
    let most = |layers: &[Layer], is_waiting: bool| {
        let of = layers.iter().filter(|layer| (layer.class == "s-standBy") == is_waiting);
        of.flat_map(|layer| layer.values.iter().copied()).fold(0.0, f64::max)
    };
    // Where nearly the whole fleet waits all the time nothing else would be seen.
    let (moving, waiting) = (most(&layers, false), most(&layers, true));
    let is_left_out = moving > 0.0 && moving < waiting / 8.0;
    if is_left_out {
        layers.retain(|layer| layer.class != "s-standBy");
    }
    layers.retain(|layer| layer.values.iter().any(|value| *value > 0.0));
    let mut columns = vec!["until".to_owned()];
    columns.extend(LAYERS.iter().rev().map(|(status, _)| format!("#{status}")));
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let rows = timeline.row_words("as they were at the end");
    let mut table = Table::new(format!("Devices by what they last reported; {rows}."), &columns);
    for row in &timeline.rows {
        let counts = LAYERS.iter().rev().map(|(status, _)| text::count(at_end(timeline, row, *status).into()).into());
        table.row([Cell::from(row_name(row))].into_iter().chain(counts).collect());
    }
    let ends: Vec<String> = layers
        .iter()
        .map(|layer| {
            format!("{} {}", layer.label, text::count(layer.values.last().copied().unwrap_or_default() as u64))
        })
        .collect();
    let chart = StackChart {
        id: "stages-stack".to_owned(),
        title: "Devices by what they last reported".to_owned(),
        description: format!("Stacked by stage over time; at the end: {}.", ends.join(", ")),
        height: 300.0,
        span_s: timeline.span_s,
        name: "devices".to_owned(),
        moments: timeline.steps.iter().map(|step| step.to_s).collect(),
        layers,
        marks: timeline.marks.clone(),
    };
    let left_out = if is_left_out { " Those in standBy, by far the most, are left out." } else { "" };
    Some(Figure {
        title: chart.title.clone(),
        caption: format!(
            "Steps of {}.{left_out}{}",
            timeline.step_words("as they were at the end"),
            timeline.mark_words()
        ),
        picture: chart.draw()?,
        is_wide: true,
        table: Some(table),
    })
}

fn connected(timeline: &Timeline<'_>) -> Option<Figure> {
    let of = |bucket| timeline.seconds(bucket).iter().map(|interval| interval.connected);
    let spans: Vec<(f64, f64, u32, u32)> = timeline
        .steps
        .iter()
        .filter_map(|step| Some((step.from_s, step.to_s, of(step).min()?, of(step).max()?)))
        .collect();
    let most = spans.iter().map(|(_, _, _, most)| *most).max().filter(|most| *most > 0)?;
    let mut table = Table::new(
        format!("Devices connected; {}.", timeline.row_words("the fewest and the most")),
        &["until", "#fewest", "#most"],
    );
    for row in &timeline.rows {
        let (fewest, most) = (of(row).min().unwrap_or_default(), of(row).max().unwrap_or_default());
        table.row(vec![row_name(row).into(), text::count(fewest.into()).into(), text::count(most.into()).into()]);
    }
    let fewest_later =
        spans.iter().skip_while(|(_, _, fewest, _)| *fewest < most).map(|(_, _, fewest, _)| *fewest).min();
    let chart = TimeChart {
        id: "stages-connected".to_owned(),
        title: "Devices connected".to_owned(),
        description: format!(
            "{} at most; from then on never fewer than {}.",
            text::count(most.into()),
            text::count(fewest_later.unwrap_or_default().into())
        ),
        height: 170.0,
        span_s: timeline.span_s,
        unit: Unit::Count,
        name: "devices".to_owned(),
        bands: vec![Band {
            look: Look::nth(0),
            values: spans.iter().map(|(from, to, low, high)| (*from, *to, f64::from(*low), f64::from(*high))).collect(),
        }],
        lines: vec![Line {
            label: "connected".to_owned(),
            look: Look::nth(0),
            values: spans.iter().map(|(from, to, low, _)| (*from, *to, Some(f64::from(*low)))).collect(),
        }],
        marks: timeline.marks.clone(),
    };
    Some(Figure {
        title: chart.title.clone(),
        caption: format!(
            "At the end of each second; steps of {}.{}",
            timeline.step_words("the line at the fewest, a band up to the most"),
            timeline.mark_words()
        ),
        picture: chart.draw()?,
        is_wide: true,
        table: Some(table),
    })
}

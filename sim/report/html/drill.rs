//! A drill: what it claims, when what happened, what was judged, and how the fleet came back.

use super::blocks::{Cell, Figure, Part, Section, Table, Tone};
use super::judged;
use super::text;
use super::timeline::Timeline;
use crate::measure::{DrillResult, HealResult, RunResult};
use crate::policy::{Outcome, Series, Statistic};
use crate::report::chart::{Span, SpanChart, SpanRow};

/// The section; none of a run that is no drill.
pub(super) fn drill(result: &RunResult, timeline: &Timeline<'_>) -> Option<Section> {
    let drill = result.drill.as_ref()?;
    let mut parts = vec![Part::text(format!("Claim: {}.", drill.claim.trim().trim_end_matches('.')))];
    if drill.overran {
        parts.push(Part::Note(Tone::Bad, "It was stopped: it had not ended within its limit.".to_owned()));
    }
    parts.extend(course(drill, result, timeline).map(Part::figure));
    let judged: Vec<_> = drill
        .steady
        .iter()
        .map(|steady| (format!("{}: {}", steady.phase, steady.judged.expr), &steady.judged))
        .chain(drill.assertions.iter().map(|judged| (judged.expr.clone(), judged)))
        .collect();
    if !judged.is_empty() {
        let caption = "The steady state, before the faults and after them, and the assertions.";
        parts.push(Part::Table(judged::table(caption, judged.into_iter())));
    }
    if !drill.phases.is_empty() {
        parts.push(Part::Table(phases(drill)));
    }
    if drill.never_came > 0 {
        let updates = text::counted(drill.never_came, "planned update is", "planned updates are");
        parts.push(Part::text(format!("{updates} in no phase: the run ended before they were due.")));
    }
    parts.extend(drill.heal.as_ref().map(self::heal));
    if drill.replay != result.command && !drill.replay.is_empty() {
        parts.push(Part::text("To run it again:"));
        parts.push(Part::Code(drill.replay.clone()));
    }
    Some(Section::new("drill", "Drill", parts))
}

/// Phases and faults over time.
fn course(drill: &DrillResult, result: &RunResult, timeline: &Timeline<'_>) -> Option<Figure> {
    let end = timeline.span_s.1.max(drill.phases.iter().map(|phase| phase.to_s).fold(0.0, f64::max));
    let mut table = Table::new("When what began and ended, since the run started.", &["what", "#from", "#to"]);
    let mut rows = Vec::new();
    let mut lane = |label: &str, from_s: f64, to_s: Option<f64>, class| {
        let to = to_s.map_or_else(|| "until lifted".to_owned(), text::moment);
        let tip = format!("{label}: {} to {to}", text::moment(from_s));
        table.row(vec![label.into(), text::moment(from_s).into(), to.into()]);
        let span = Span { from_s, to_s, class, tip };
        rows.push(SpanRow { label: label.to_owned(), spans: vec![span], ..SpanRow::default() });
    };
    for phase in &drill.phases {
        lane(phase.name.name(), phase.from_s, Some(phase.to_s), "p-phase");
    }
    for fault in &drill.timeline {
        lane(&fault.name, fault.from_s, fault.to_s, "p-fault");
    }
    if let Some(heal) = &drill.heal {
        lane("healing", heal.began_s, heal.took_s.map(|took| heal.began_s + took), "p-heal");
    }
    let last = rows.iter().flat_map(|row| &row.spans).map(|span| span.to_s.unwrap_or(span.from_s)).fold(end, f64::max);
    let faults = text::counted(drill.timeline.len() as u64, "fault", "faults");
    let chart = SpanChart {
        id: "drill-course".to_owned(),
        title: "Course of the drill".to_owned(),
        description: format!("{} phases and {faults} over {}.", drill.phases.len(), text::span(result.duration_s)),
        span_s: (0.0, last),
        name: None,
        rows,
    };
    Some(Figure {
        title: chart.title.clone(),
        caption: "Phases above, each fault below; a pale end is open: healing alone ended it.".to_owned(),
        picture: chart.draw()?,
        is_wide: true,
        table: Some(table),
    })
}

/// What each phase measured.
fn phases(drill: &DrillResult) -> Table {
    let mut columns = vec!["phase", "#from", "#to", "#updates", "#completed", "ended otherwise"];
    let series: Vec<(Series, Statistic, &str)> = vec![
        (Series::UpdateTotal, Statistic::Percentile(5_000), "#update.total p50"),
        (Series::UpdateTotal, Statistic::Percentile(9_900), "#p99"),
        (Series::MethodResponse, Statistic::Percentile(5_000), "#method.response p50"),
        (Series::MethodResponse, Statistic::Percentile(9_900), "#p99"),
    ];
    columns.extend(series.iter().map(|(_, _, title)| *title));
    let mut table = Table::new("Updates by the phase in which they were due.", &columns);
    for phase in &drill.phases {
        let census = &phase.data.census;
        let others =
            Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Completed && census.count(*outcome) > 0);
        let others: Vec<String> =
            others.map(|outcome| format!("{outcome}\u{a0}{}", text::count(census.count(outcome)))).collect();
        let others = if others.is_empty() { text::NONE.to_owned() } else { others.join(", ") };
        let mut row: Vec<Cell> = vec![
            phase.name.name().into(),
            text::moment(phase.from_s).into(),
            text::moment(phase.to_s).into(),
            text::count(census.planned).into(),
            text::share(census.percent(Outcome::Completed)).into(),
            others.into(),
        ];
        row.extend(
            series
                .iter()
                .map(|(series, statistic, _)| text::statistic(phase.data.series.get(series), *statistic).into()),
        );
        table.row(row);
    }
    table
}

fn heal(heal: &HealResult) -> Part {
    let gone =
        if heal.gone > 0 { format!(" {} gone for good, as a fault has it.", are(heal.gone)) } else { String::new() };
    let began = format!("at {}", text::moment(heal.began_s));
    match heal.took_s {
        Some(took) => {
            let words = format!(
                "Healed: every fault was lifted {began}, and all devices were back after {}.{gone}",
                text::duration(took)
            );
            Part::Note(Tone::Good, words)
        }
        None => {
            let gave_up = if heal.gave_up > 0 {
                format!(" {} given up by their policy.", have(heal.gave_up))
            } else {
                String::new()
            };
            let missing = text::counted(heal.missing.into(), "device", "devices");
            let words =
                format!("Not healed: every fault was lifted {began}, and {missing} did not come back.{gave_up}{gone}");
            Part::Note(Tone::Bad, words)
        }
    }
}

fn are(devices: u32) -> String {
    text::counted(devices.into(), "device is", "devices are")
}

fn have(devices: u32) -> String {
    text::counted(devices.into(), "of them has", "of them have")
}

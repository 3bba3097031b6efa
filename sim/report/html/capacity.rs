//! The capacity that was found: in a sentence, as curves, and step by step.

use super::blocks::{Cell, Figure, Part, Section, Table, Tone};
use super::text;
use crate::measure::{CapacityResult, CapacityStep, RunResult};
use crate::report::capacity::{
    P99, by_load, headline, is_generators, legend, notes, shown, standing, telling, verdict, why,
};
use crate::report::chart::{LoadChart, LoadLine, LoadPoint, Look, Unit};

/// What a column of figures says of a step.
type Told<'a> = &'a dyn Fn(&CapacityStep) -> String;

/// What stands before an upper bound.
const AT_MOST: &str = "≤";

/// The section; none where no capacity was looked for.
pub(super) fn capacity(result: &RunResult) -> Option<Section> {
    let capacity = result.capacity.as_ref()?;
    let tone = match (is_generators(capacity), capacity.finished) {
        (true, _) | (_, false) => Tone::Doubt,
        (false, true) => Tone::Good,
    };
    let mut parts = vec![
        Part::Note(tone, format!("{}.", capitalised(&units(headline(capacity))))),
        Part::text(format!("{}.", capitalised(&units(standing(capacity))))),
    ];
    let notes: Vec<String> =
        notes(capacity).into_iter().map(|note| format!("{}.", capitalised(&units(note)))).collect();
    if !notes.is_empty() {
        parts.push(Part::List(notes));
    }
    let steps = by_load(capacity);
    if !steps.is_empty() {
        let series = telling(capacity.of, steps.iter().copied());
        parts.push(Part::text(
            "In the pictures each step is a mark above the load that it offered: filled where it kept the thresholds, a \
             cross where it broke them, and hollow where the value is no more than an upper bound. The shade is the \
             interval.",
        ));
        let told: Vec<&CapacityStep> = steps.iter().copied().filter(|step| !step.left_out).collect();
        let figures =
            achieved(capacity, &told).into_iter().chain(series.iter().filter_map(|s| durations(capacity, &told, s)));
        parts.push(Part::Figures(figures.chain(throttled(capacity, &told)).collect()));
        parts.push(Part::Table(table(capacity, &steps, series.first().copied(), has_pages(result))));
    }
    if let Some(shown) = shown(capacity) {
        parts.push(Part::text(format!("All that follows is of {shown}.")));
    }
    Some(Section::new("capacity", "Capacity", parts))
}

/// A load without its unit.
fn load(value: f64) -> String {
    if value >= 999.5 { text::count(value.round() as u64) } else { crate::report::capacity::load(value) }
}

/// Whether steps have pages like this one. They are runs of the same plan, and lie beside this page.
fn has_pages(result: &RunResult) -> bool {
    result.plan["report"]["formats"].as_array().is_some_and(|formats| formats.iter().any(|format| format == "html"))
}

/// Words with the units of a page, none of which is parted from its figure.
fn units(words: String) -> String {
    let mut text = String::with_capacity(words.len());
    for word in words.replace(" us", " µs").split(' ') {
        let is_unit = ["µs", "ms", "s", "%"].contains(&word.trim_end_matches([';', ',', '.', ':']));
        if !text.is_empty() {
            text.push(if is_unit && text.ends_with(|c: char| c.is_ascii_digit()) { '\u{a0}' } else { ' ' });
        }
        text.push_str(word);
    }
    text
}

fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A chart of this capacity, without lines.
fn chart(capacity: &CapacityResult, id: &str, title: &str, unit: Unit, name: String) -> LoadChart {
    let interval = (capacity.low.is_some() || capacity.high.is_some()).then_some((capacity.low, capacity.high));
    LoadChart {
        id: format!("capacity-{id}"),
        title: title.to_owned(),
        description: String::new(),
        width: 440.0,
        height: 290.0,
        unit,
        name,
        load: format!("offered, {}", capacity.unit),
        interval,
        diagonal: None,
        lines: Vec::new(),
    }
}

/// A line through what `value` says of each step, and what a mark tells in words.
fn line(
    steps: &[&CapacityStep],
    label: &str,
    look: Look,
    value: impl Fn(&CapacityStep) -> Option<f64>,
    words: impl Fn(f64) -> String,
) -> LoadLine {
    let point = |step: &&CapacityStep| {
        let value = value(step)?;
        Some(LoadPoint {
            load: step.load,
            value,
            kept: step.kept,
            is_bound: false,
            tip: tip(step, label, &words(value)),
        })
    };
    LoadLine { label: label.to_owned(), look, points: steps.iter().filter_map(point).collect() }
}

/// What a mark tells in words.
fn tip(step: &CapacityStep, label: &str, value: &str) -> String {
    format!("step {}: {label} {value} at {}, {}", step.number, load(step.load), verdict(step))
}

/// The 99th percentiles, or what they are at most.
fn upper(steps: &[&CapacityStep], series: &str) -> LoadLine {
    let point = |step: &&CapacityStep| {
        let p99 = P99::of(step, series)?;
        let tip = tip(step, "p99", &p99.told(AT_MOST, text::duration));
        Some(LoadPoint { load: step.load, value: p99.seconds(), kept: step.kept, is_bound: p99.is_bound(), tip })
    };
    let points: Vec<LoadPoint> = steps.iter().filter_map(point).collect();
    let label = if points.iter().any(|point| point.is_bound) { "p99 or max" } else { "p99" };
    LoadLine { label: label.to_owned(), look: Look::second(), points }
}

/// A 99th percentile as it stands in tables.
fn p99(step: &CapacityStep, series: &str) -> String {
    P99::of(step, series).map_or_else(|| text::NONE.to_owned(), |p99| p99.told(AT_MOST, text::duration))
}

/// Sentences of what marks in place of percentiles mean, with a space before each.
fn marks(steps: &[&CapacityStep], series: &str) -> String {
    legend(steps, &[series], AT_MOST).iter().map(|words| format!(" {}.", capitalised(words))).collect()
}

/// The picture with its table of the same values; `None` if there is nothing to show.
fn figure(
    mut chart: LoadChart,
    caption: String,
    steps: &[&CapacityStep],
    columns: &[(&str, Told<'_>)],
) -> Option<Figure> {
    let told = |step: &&CapacityStep| {
        let values: Vec<String> = columns.iter().map(|(name, value)| format!("{name} {}", value(step))).collect();
        format!("{} ({}): {}", load(step.load), verdict(step), values.join(", "))
    };
    chart.description = format!("By load: {}.", steps.iter().map(told).collect::<Vec<_>>().join("; "));
    let picture = chart.draw()?;
    let heads: Vec<String> = columns.iter().map(|(name, _)| format!("#{name}")).collect();
    let heads: Vec<&str> = ["step", "#offered"].into_iter().chain(heads.iter().map(String::as_str)).collect();
    let mut table = Table::new(format!("{}, by load.", chart.title), &heads);
    for step in steps {
        let values = columns.iter().map(|(_, value)| Cell::from(value(step)));
        let head = [Cell::from(format!("{} ({})", step.number, verdict(step))), Cell::from(load(step.load))];
        table.row(head.into_iter().chain(values).collect());
    }
    Some(Figure { title: chart.title, caption, picture, is_wide: false, table: Some(table) })
}

fn achieved(capacity: &CapacityResult, steps: &[&CapacityStep]) -> Option<Figure> {
    let value = |step: &CapacityStep| step.achieved;
    let mut chart = chart(capacity, "achieved", "Offered against achieved", Unit::Rate, capacity.unit.clone());
    chart.diagonal = Some("offered".to_owned());
    chart.lines.push(line(steps, "achieved", Look::nth(0), value, load));
    let caption = "On the thin line all that was offered was achieved.".to_owned();
    figure(chart, caption, steps, &[("achieved", &|step| step.achieved.map_or_else(|| text::NONE.to_owned(), load))])
}

fn durations(capacity: &CapacityResult, steps: &[&CapacityStep], series: &str) -> Option<Figure> {
    let p50 = |step: &CapacityStep| step.p50_us.get(series).copied();
    let seconds = |micros: Option<u64>| micros.map(|micros| micros as f64 / 1e6);
    let mut chart = chart(capacity, &series.replace('.', "-"), series, Unit::Duration, "duration".to_owned());
    chart.lines.push(line(steps, "p50", Look::nth(0), |step| seconds(p50(step)), text::duration));
    chart.lines.push(upper(steps, series));
    chart.lines.retain(|line| !line.points.is_empty());
    let told = |value: Option<u64>| value.map_or_else(|| text::NONE.to_owned(), text::micros);
    let caption = format!("Its percentiles by load.{}", marks(steps, series));
    figure(chart, caption, steps, &[("p50", &|step| told(p50(step))), ("p99", &|step| p99(step, series))])
}

fn throttled(capacity: &CapacityResult, steps: &[&CapacityStep]) -> Option<Figure> {
    let value = |step: &CapacityStep| step.throttled_pct;
    let mut chart = chart(capacity, "throttled", "Throttled", Unit::Rate, "percent".to_owned());
    chart.lines.push(line(steps, "throttled", Look::nth(0), value, |share| text::share(Some(share))));
    let caption = "How much of what it was asked for the hub refused as too much, of the kind that it refused most of.";
    figure(chart, caption.to_owned(), steps, &[("throttled", &|step| text::share(step.throttled_pct))])
}

/// Every step, by load. The pictures have tables of the other series.
fn table(capacity: &CapacityResult, steps: &[&CapacityStep], series: Option<&str>, has_pages: bool) -> Table {
    let offered = format!("#offered, {}", capacity.unit);
    let mut columns = vec!["step", &offered, "for", "#achieved", "#throttled"];
    if series.is_some() {
        columns.extend(["#p50", "#p99"]);
    }
    columns.extend(["thresholds", "why", "#CPU", "#took"]);
    let of = series.map(|series| format!(" p50 and p99 are of {series}.{}", marks(steps, series))).unwrap_or_default();
    let caption = format!("The steps by load.{of} CPU is that of the generator and of embedded hubs, of all cores.");
    let mut table = Table::new(caption, &columns);
    for step in steps {
        let page = has_pages.then(|| format!("steps/{:02}/report.html", step.number));
        let mut row = vec![
            Cell::from(step.number.to_string()).linked(page),
            load(step.load).into(),
            step.purpose.name().into(),
            step.achieved.map_or_else(|| text::NONE.to_owned(), load).into(),
            text::share(step.throttled_pct).into(),
        ];
        if let Some(series) = series {
            let p50 = step.p50_us.get(series).map_or_else(|| text::NONE.to_owned(), |micros| text::micros(*micros));
            row.extend([p50.into(), p99(step, series).into()]);
        }
        let tone = match (step.left_out, step.kept) {
            (true, _) => Tone::Doubt,
            (false, true) => Tone::Good,
            (false, false) => Tone::Bad,
        };
        row.push(Cell::toned(tone, verdict(step)));
        row.push(units(why(step)).into());
        row.push(text::share(step.cpu_percent).into());
        row.push(text::span(step.took_s).into());
        table.row(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_stays_with_its_figure() {
        let words = units("p99 was 12 us, 3 s; 5 % wide, some s".to_owned());
        assert_eq!(words, "p99 was 12\u{a0}µs, 3\u{a0}s; 5\u{a0}% wide, some s");
    }
}

//! The part of a summary that tells a capacity: before all figures, which are of the run that confirmed it.

use super::super::capacity::{
    P99, by_load, headline, is_generators, legend, load, micros, notes, share, shown, standing, telling, verdict, why,
};
use super::super::human_duration;
use super::super::table::Align;
use super::escape::{code, start, text};
use super::sections::titled;
use super::table::table;
use crate::measure::{CapacityResult, CapacityStep, RunResult};

/// What stands before an upper bound.
const AT_MOST: &str = "≤";

/// The interval, how the search for it ended, and its steps by load; empty where none was looked for.
pub(super) fn capacity(result: &RunResult) -> String {
    let Some(capacity) = &result.capacity else { return String::new() };
    let headline = headline(capacity);
    let headline = if is_generators(capacity) {
        format!("⚠️ {}", text(&headline))
    } else {
        // What was looked for is set apart from why there is no more of it.
        match headline.split_once("; ") {
            Some((interval, why)) => format!("**{}**; {}", text(interval), text(why)),
            None => text(&headline),
        }
    };
    let mark = if capacity.finished { "" } else { "⚠️ " };
    let mut body = format!("{headline}\n\n{mark}{}\n", text(&standing(capacity)));
    let notes = notes(capacity);
    if !notes.is_empty() {
        body.push('\n');
        body.extend(notes.iter().map(|note| format!("- {}\n", start(note))));
    }
    let steps = steps(capacity);
    if !steps.is_empty() {
        body.push_str(&format!("\n{steps}"));
    }
    if let Some(shown) = shown(capacity) {
        body.push_str(&format!("\nAll that follows is of {}.\n", text(&shown)));
    }
    titled("Capacity", &body)
}

fn steps(capacity: &CapacityResult) -> String {
    let steps = by_load(capacity);
    let series = telling(capacity.of, steps.iter().copied());
    let mut heads = vec![format!("load, {}", text(&capacity.unit)), "step".to_owned(), "for".to_owned()];
    heads.extend(["achieved".to_owned(), "throttled".to_owned()]);
    heads.extend(series.iter().flat_map(|series| ["p50", "p99"].map(|name| format!("{} {name}", code(series)))));
    heads.extend(["thresholds".to_owned(), "why".to_owned()]);
    let mut align = vec![Align::Right; heads.len()];
    align[2] = Align::Left;
    let ends = align.len() - 2;
    align[ends..].fill(Align::Left);
    let rows: Vec<Vec<String>> = std::iter::once(heads).chain(steps.iter().map(|step| row(step, &series))).collect();
    let legend: String =
        legend(&steps, &series, AT_MOST).iter().map(|words| format!("\n{}.\n", start(words))).collect();
    table(&align, &rows) + &legend
}

fn row(step: &CapacityStep, series: &[&str]) -> Vec<String> {
    let mut cells = vec![
        load(step.load),
        step.number.to_string(),
        step.purpose.name().to_owned(),
        step.achieved.map_or_else(|| "-".to_owned(), load),
        share(step.throttled_pct),
    ];
    for series in series {
        let p99 = P99::of(step, series).map(|p99| p99.told(AT_MOST, human_duration));
        cells.extend([micros(step.p50_us.get(*series)), p99.unwrap_or_else(|| "-".to_owned())]);
    }
    let sign = match (step.left_out, step.kept) {
        (true, _) => "➖",
        (false, true) => "✅",
        (false, false) => "❌",
    };
    cells.push(format!("{sign} {}", verdict(step)));
    cells.push(text(&why(step)));
    cells
}

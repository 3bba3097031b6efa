//! The census: how every planned update ended.

use super::blocks::{Cell, Part, Section, Table, Tone};
use super::text;
use crate::measure::RunResult;
use crate::policy::Outcome;
use crate::report::chart::ShareBar;
use crate::report::health::has_driver;
use crate::report::messages::presence_note;

/// The section; none where nothing was driven.
pub(super) fn census(result: &RunResult) -> Option<Section> {
    if !has_driver(result) {
        return None;
    }
    let census = &result.census;
    let unaccounted = census.unaccounted();
    if census.planned == 0 && unaccounted == 0 {
        return Some(Section::new("census", "Census", vec![Part::text("No update was planned.")]));
    }
    let caption = format!("{} planned updates, each ended in one of these.", text::count(census.planned));
    let mut table = Table::new(caption, &["outcome", "#updates", "share"]);
    let shown = Outcome::ALL.into_iter().filter(|o| *o == Outcome::Completed || census.count(*o) > 0);
    for outcome in shown {
        let percent = census.percent(outcome);
        let bar = percent.map(|percent| ShareBar { share: percent / 100.0 }.draw());
        table.row(vec![
            Cell::code(outcome.as_str()),
            text::count(census.count(outcome)).into(),
            Cell::from(text::share(percent)).with(bar),
        ]);
    }
    let tone = if unaccounted == 0 { Tone::Plain } else { Tone::Bad };
    table.row(vec![Cell::code("unaccounted"), Cell::toned(tone, unaccounted.to_string()), Cell::from(text::NONE)]);
    let mut parts = vec![Part::Table(table)];
    if unaccounted != 0 {
        let words = "The census does not add up: planned updates less all outcomes must be nothing.";
        parts.push(Part::Note(Tone::Bad, words.to_owned()));
    }
    parts.extend(presence_note(result).map(|note| Part::Note(Tone::Doubt, note.to_owned())));
    if !census.details.is_empty() {
        let mut details =
            Table::new("What is known of each outcome beyond its name.", &["outcome", "detail", "#updates"]);
        for (outcome, counts) in &census.details {
            for (detail, count) in counts {
                details.row(vec![
                    Cell::code(outcome.as_str()),
                    Cell::code(detail.as_str()),
                    text::count(*count).into(),
                ]);
            }
        }
        parts.push(Part::Table(details));
    }
    Some(Section::new("census", "Census", parts))
}

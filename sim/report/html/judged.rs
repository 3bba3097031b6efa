//! Conditions and how they were judged: thresholds here, assertions in the section of the drill.

use super::blocks::{Cell, Part, Section, Table, Tone};
use super::text;
use crate::measure::{RunResult, ThresholdResult};
use crate::policy::{Assertion, Comparison};
use crate::report::chart::LimitDot;
use crate::report::terminal::unit_of;

/// The section of the thresholds.
pub(super) fn thresholds(result: &RunResult) -> Option<Section> {
    if result.thresholds.is_empty() {
        return None;
    }
    let judged = result.thresholds.iter().map(|judged| (judged.expr.clone(), judged));
    let caption = "Each threshold with what was observed. The bar is what it allows, the line its limit.";
    Some(Section::new("thresholds", "Thresholds", vec![Part::Table(table(caption, judged))]))
}

/// A table of conditions, each under its name.
pub(super) fn table<'a>(caption: &str, judged: impl Iterator<Item = (String, &'a ThresholdResult)>) -> Table {
    let mut table = Table::new(caption, &["condition", "result", "observed", "against its limit"]);
    for (name, judged) in judged {
        let result = match judged.ok {
            Some(true) => Cell::toned(Tone::Good, "✓\u{a0}held"),
            Some(false) => Cell::toned(Tone::Bad, "✗\u{a0}broken"),
            None => Cell::toned(Tone::Doubt, "?\u{a0}not\u{a0}judged"),
        };
        let dot = dot(judged);
        let limit = if dot.is_some() { "" } else { text::NONE };
        table.row(vec![Cell::code(name), result, observed(judged).into(), Cell::from(limit).with(dot)]);
    }
    table
}

/// The observed value in its unit.
fn observed(judged: &ThresholdResult) -> String {
    let Some(value) = judged.observed else { return "nothing measured".to_owned() };
    let value = text::value(unit_of(&judged.expr), value);
    match &judged.judged_by {
        Some(statistic) => format!("{value} ({statistic}: too few samples)"),
        None => value,
    }
}

/// The value beside its limit; `None` where one of them is not known.
fn dot(judged: &ThresholdResult) -> Option<crate::report::chart::Svg> {
    let threshold = judged.expr.parse::<Assertion>().ok()?.threshold;
    let is_below = match threshold.comparison {
        Comparison::Less | Comparison::LessOrEqual => Some(true),
        Comparison::Greater | Comparison::GreaterOrEqual => Some(false),
        Comparison::Equal | Comparison::NotEqual => None,
    };
    let dot = LimitDot { observed: judged.observed?, limit: threshold.limit, is_below, is_ok: judged.ok? };
    Some(dot.draw())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::sample;

    #[test]
    fn every_threshold_has_its_row_and_nothing_measured_is_no_zero() {
        let html = thresholds(&sample()).unwrap().to_string();
        assert_eq!(html.matches("<tr>").count(), 7);
        for text in [
            "✗\u{a0}broken",
            "95.8\u{a0}%",
            "34.6\u{a0}ms",
            "9.50\u{a0}s (max: too few samples)",
            "nothing measured",
            "?\u{a0}not\u{a0}judged",
        ] {
            assert!(html.contains(text), "{text}: {html}");
        }
        let mut result = sample();
        result.thresholds.clear();
        assert!(thresholds(&result).is_none());
    }
}

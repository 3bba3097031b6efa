//! A capacity, before all that the run has to tell which confirmed it.

use super::{Terminal, Tone};
use crate::measure::{CapacityResult, CapacityStep, RunResult};
use crate::report::capacity::{
    P99, by_load, headline, legend, load, micros, notes, share, shown, standing, telling, verdict, why,
};
use crate::report::human_duration;
use crate::report::table::{Align, columns, paragraph};

/// What stands before each line that is none of the table.
const INDENT: &str = "           ";

impl Terminal {
    /// The interval, how the search for it ended, and its steps; empty where none was looked for.
    pub(super) fn capacity(self, result: &RunResult) -> Vec<String> {
        let Some(capacity) = &result.capacity else { return Vec::new() };
        let mut lines = paragraph("Capacity   ", headline(capacity).split(' '), " ");
        lines.extend(paragraph(INDENT, standing(capacity).split(' '), " "));
        if !capacity.finished
            && let Some(line) = lines.iter_mut().find(|line| line.trim_start().starts_with("not finished"))
        {
            *line = line.replacen("not finished", &self.paint(Tone::Doubtful, "not finished"), 1);
        }
        for note in notes(capacity) {
            lines.extend(paragraph(&format!("{INDENT}- "), note.split(' '), " "));
        }
        lines.extend(self.steps(capacity));
        if let Some(shown) = shown(capacity) {
            lines.extend(paragraph("All that follows is of ", format!("{shown}.").split(' '), " "));
        }
        lines
    }

    /// A row for each step, by load.
    fn steps(self, capacity: &CapacityResult) -> Vec<String> {
        let steps = by_load(capacity);
        if steps.is_empty() {
            return Vec::new();
        }
        let series = telling(capacity.of, steps.iter().copied()).first().copied();
        let heads = ["load", "step", "achieved", "throttled", "p50", "p99"].map(str::to_owned).to_vec();
        let rows: Vec<Vec<String>> = std::iter::once(heads).chain(steps.iter().map(|step| row(step, series))).collect();
        let mut table = columns(&[Align::Right; 6], &rows).into_iter();
        let mut lines: Vec<String> = table.next().into_iter().collect();
        for (step, line) in steps.iter().zip(table) {
            let word = verdict(step);
            let mut told = paragraph(&format!("{line}  {word:<6}  "), why(step).split(' '), " ");
            // Painted afterwards, as what paints takes no room.
            if let Some(first) = told.first_mut() {
                let rest = first.split_off(line.len() + 2);
                let tone = match (step.left_out, step.kept) {
                    (true, _) => Tone::Doubtful,
                    (false, true) => Tone::Good,
                    (false, false) => Tone::Bad,
                };
                first.push_str(&rest.replacen(word, &self.paint(tone, word), 1));
            }
            lines.extend(told);
        }
        for words in legend(&steps, series.as_slice(), "<=") {
            lines.extend(paragraph("  ", words.split(' '), " "));
        }
        let of = series.map(|series| format!("; p50 and p99 are of {series}")).unwrap_or_default();
        lines.insert(0, format!("  steps by load, in {}{of}", capacity.unit));
        lines
    }
}

fn row(step: &CapacityStep, series: Option<&str>) -> Vec<String> {
    let p99 = series.and_then(|series| P99::of(step, series)).map(|p99| p99.told("<=", human_duration));
    vec![
        load(step.load),
        step.number.to_string(),
        step.achieved.map_or_else(|| "-".to_owned(), load),
        share(step.throttled_pct),
        micros(series.and_then(|series| step.p50_us.get(series))),
        p99.unwrap_or_else(|| "-".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Reporter;
    use crate::report::sample::capacity as samples;
    use crate::report::table::WIDTH;

    /// The part of the table that is about the capacity.
    fn told(capacity: CapacityResult) -> String {
        let result = samples::with(capacity);
        let text = String::from_utf8(Terminal { color: false }.render(&result).unwrap()).unwrap();
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH && !line.ends_with(' '), "{line}|");
        }
        let colored = String::from_utf8(Terminal { color: true }.render(&result).unwrap()).unwrap();
        let plain = ["\u{1b}[1;31m", "\u{1b}[1;32m", "\u{1b}[1;33m", "\u{1b}[0m"]
            .iter()
            .fold(colored, |text, code| text.replace(code, ""));
        assert_eq!(plain, text, "colour changes no word");
        let (_, rest) = text.split_once("\nCapacity").unwrap();
        format!("Capacity{}", rest.split_once("\n\n").unwrap().0)
    }

    #[test]
    fn an_interval_stands_above_its_steps() {
        insta::assert_snapshot!("capacity", told(samples::capacity()));
    }

    #[test]
    fn what_is_not_as_it_should_be_is_told() {
        insta::assert_snapshot!("unfinished", told(samples::unfinished()));
        insta::assert_snapshot!("widened", told(samples::widened()));
        insta::assert_snapshot!("by_generator", told(samples::by_generator()));
        insta::assert_snapshot!("nothing_kept", told(samples::nothing_kept()));
        insta::assert_snapshot!("nothing_broken", told(samples::nothing_broken()));
    }

    #[test]
    fn the_head_is_of_the_search_and_all_else_of_a_step() {
        let render = |result: &RunResult| String::from_utf8(Terminal { color: false }.render(result).unwrap()).unwrap();
        let text = render(&samples::with(samples::capacity()));
        assert!(text.contains("\ntook 96.4 s, started 2026-11-03T10:19:30Z, seed 7, "), "{text}");
        assert!(
            text.contains("\nAll that follows is of step 9, 40 calls/s, which the lower end was confirmed by.\n\n")
        );
        let text = render(&samples::stopped());
        assert!(
            text.contains("\nunfinished: the search ended before it was done: the interval is what it had come to\n"),
            "{text}"
        );
        assert!(!text.contains("only what ran"), "the step ran whole: {text}");
    }

    #[test]
    fn a_search_without_a_step_has_no_table() {
        assert_eq!(
            told(CapacityResult::default()),
            "Capacity   not known; no step came to an end\n           not finished: 0 steps in 0.00 us; wanted: 0 % wide at most"
        );
    }
}

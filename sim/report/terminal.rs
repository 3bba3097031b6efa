//! The table at the end of a run, for people.

mod capacity;

use super::bench::{self, Figure};
use super::health::{has_driver, health};
use super::human::{human_value, percent};
use super::messages::{broker_notes, messages};
use super::retries::retries;
use super::rollout::rollout;
use super::table::{Align, columns, paragraph};
use super::truth::{matrix, off_diagonal};
use super::{ReportError, Reporter, human_duration};
use crate::measure::{ObserverHealth, RunResult, ThresholdAbort, ThresholdResult, Verdict};
use crate::policy::{Assertion, Outcome, Statistic, Unit};
use crate::verdict::notes;

/// The readable report.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terminal {
    /// Whether the words that matter are coloured (ANSI codes).
    pub color: bool,
}

/// How a word is meant.
#[derive(Clone, Copy)]
pub(super) enum Tone {
    Good,
    Bad,
    Doubtful,
}

impl Reporter for Terminal {
    fn render(&self, result: &RunResult) -> Result<Vec<u8>, ReportError> {
        let sections = [
            self.verdict(result),
            self.capacity(result),
            self.drill(result),
            self.thresholds(result),
            if has_driver(result) { census(result) } else { Vec::new() },
            series(result),
            self.faults(result),
            messages(result),
            retries(result),
            matrix(result),
            off_diagonal(result),
            self.invariants(result),
            titled("Roll-out", rollout(result.rollout.as_ref())),
            health(result),
        ];
        let text: Vec<String> =
            sections.into_iter().filter(|lines| !lines.is_empty()).map(|lines| lines.join("\n") + "\n").collect();
        Ok(text.join("\n").into_bytes())
    }
}

impl Terminal {
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Doubtful => "33",
        };
        if self.color { format!("\u{1b}[1;{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn verdict(self, result: &RunResult) -> Vec<String> {
        let (word, tone) = verdict_word(result.verdict);
        let mut lines = vec![
            format!("{} {} (exit code {})", self.paint(tone, word), result.name, result.exit_code),
            format!(
                "took {}, started {:.0}, seed {}, twinstorm {}",
                human_duration(result.took_s()),
                result.began_at(),
                result.seed,
                result.version
            ),
        ];
        let (word, tone, meaning) = match (result.verdict, result.valid) {
            (Verdict::Aborted, _) if result.is_partial() => {
                ("stopped", Tone::Doubtful, "before its end: the figures below cover only what ran")
            }
            (Verdict::Aborted, _) => (
                "unfinished:",
                Tone::Doubtful,
                "the search ended before it was done: the interval is what it had come to",
            ),
            (_, true) => ("valid:", Tone::Good, "the figures below count"),
            (_, false) => ("not valid:", Tone::Bad, "the figures below do not count"),
        };
        lines.push(format!("{} {meaning}", self.paint(tone, word)));
        let abort = result.abort.iter().filter(|_| result.is_partial());
        lines.extend(abort.flat_map(ended_by));
        lines.extend(result.invalid_reasons.iter().flat_map(|reason| paragraph("  - ", reason.split(' '), " ")));
        let ObserverHealth { errors, requests, .. } = result.observer;
        if is_half_blind(&result.observer) {
            let word = self.paint(Tone::Doubtful, "warning:");
            lines.push(format!(
                "{word} {errors} of the observer's {requests} requests failed: stages were seen late or not at all"
            ));
        }
        lines.extend(notes(result).iter().flat_map(|note| paragraph("note: ", note.split(' '), " ")));
        lines
    }

    fn thresholds(self, result: &RunResult) -> Vec<String> {
        let rows: Vec<Vec<String>> = result.thresholds.iter().map(|threshold| judgement(self, threshold)).collect();
        titled("Thresholds", columns(&[Align::Left; 3], &rows))
    }
}

/// What ended the run before its time.
fn ended_by(abort: &ThresholdAbort) -> Vec<String> {
    let text = ended_in_words(abort);
    paragraph("  - ", text.split(' '), " ")
}

/// By what a run was ended, and when.
pub(super) fn ended_in_words(abort: &ThresholdAbort) -> String {
    let ThresholdAbort { expr, at_s, observed } = abort;
    format!("ended at {at_s:.1} s by `{expr}`: observed {}", human_value(unit_of(expr), *observed))
}

/// The word that a verdict is told by.
pub(super) const fn verdict_word(verdict: Verdict) -> (&'static str, Tone) {
    match verdict {
        Verdict::Pass => ("PASS", Tone::Good),
        Verdict::Fail => ("FAIL", Tone::Bad),
        Verdict::NotRecovered => ("NOT RECOVERED", Tone::Bad),
        Verdict::Invalid => ("INVALID", Tone::Bad),
        Verdict::Aborted => ("ABORTED", Tone::Doubtful),
    }
}

/// Whether so many of the observer's requests failed that it is to be told near the top.
pub(super) fn is_half_blind(observer: &ObserverHealth) -> bool {
    !observer.is_told() && observer.errors > observer.requests / 10
}

pub(super) fn titled(title: &str, lines: Vec<String>) -> Vec<String> {
    if lines.is_empty() { lines } else { [vec![title.to_owned()], lines].concat() }
}

/// Whether a condition held, the condition, and what was observed.
pub(super) fn judgement(terminal: Terminal, judged: &ThresholdResult) -> Vec<String> {
    let word = match judged.ok {
        Some(true) => terminal.paint(Tone::Good, "ok    "),
        Some(false) => terminal.paint(Tone::Bad, "broken"),
        None => terminal.paint(Tone::Doubtful, "-     "),
    };
    let observed = value(judged).map_or_else(|| "nothing measured".to_owned(), |value| format!("observed {value}"));
    vec![word, judged.expr.clone(), observed]
}

/// The observed value of a threshold in its unit, and what judged if it was no percentile; `None` if nothing was measured.
pub(super) fn value(threshold: &ThresholdResult) -> Option<String> {
    let value = human_value(unit_of(&threshold.expr), threshold.observed?);
    Some(match &threshold.judged_by {
        Some(statistic) => format!("{value} ({statistic}: too few samples)"),
        None => value,
    })
}

/// Expressions were checked when the plan was made; the value of one from elsewhere is shown as a plain number.
pub(super) fn unit_of(expr: &str) -> Unit {
    expr.parse::<Assertion>().map_or(Unit::Count, |judged| judged.threshold.metric.unit())
}

fn census(result: &RunResult) -> Vec<String> {
    let census = &result.census;
    let unaccounted = census.unaccounted();
    if census.planned == 0 && unaccounted == 0 {
        let row = |figure: Figure| vec![figure.name.to_owned(), figure.value, figure.aside];
        let rows: Vec<Vec<String>> = bench::figures(result).into_iter().map(row).collect();
        let lines = columns(&[Align::Left, Align::Right, Align::Left], &rows);
        return [vec!["Updates: none were planned".to_owned()], lines].concat();
    }
    let shown = Outcome::ALL.into_iter().filter(|o| *o == Outcome::Completed || census.count(*o) > 0);
    let row = |outcome: Outcome| {
        let share = census.percent(outcome).map_or_else(|| "-".to_owned(), percent);
        vec![outcome.to_string(), census.count(outcome).to_string(), format!("{share} %")]
    };
    let outcomes: Vec<Outcome> = shown.collect();
    let mut rows = vec![vec!["planned".to_owned(), census.planned.to_string()]];
    rows.extend(outcomes.iter().copied().map(row));
    rows.push(vec!["unaccounted".to_owned(), unaccounted.to_string()]);
    let mut lines = columns(&[Align::Left, Align::Right, Align::Right], &rows);
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    // From the bottom up, so that a detail's further lines move nothing that is yet to come.
    for (index, outcome) in outcomes.iter().enumerate().rev() {
        if let Some(details) = census.details.get(outcome) {
            let details: Vec<String> = details.iter().map(|(detail, count)| format!("{detail} {count}")).collect();
            let head = format!("{:<width$}  ", lines[index + 1]);
            lines.splice(index + 1..=index + 1, paragraph(&head, details, ", "));
        }
    }
    lines.extend(broker_notes(result).iter().flat_map(|note| paragraph("  ", note.split(' '), " ")));
    titled("Updates", lines)
}

fn series(result: &RunResult) -> Vec<String> {
    const SHOWN: [(&str, Statistic); 5] = [
        ("p50", Statistic::Percentile(5000)),
        ("p90", Statistic::Percentile(9000)),
        ("p99", Statistic::Percentile(9900)),
        ("p99.9", Statistic::Percentile(9990)),
        ("max", Statistic::Max),
    ];
    let heads = ["series", "count"].into_iter().chain(SHOWN.map(|(name, _)| name)).map(str::to_owned).collect();
    let mut rows: Vec<Vec<String>> = vec![heads];
    let mut notes = Vec::new();
    for (series, data) in &result.series {
        let cell = |(_, statistic)| data.statistic(statistic).map_or_else(|| "-".to_owned(), human_duration);
        rows.push([series.to_string(), data.count().to_string()].into_iter().chain(SHOWN.map(cell)).collect());
        if data.saturated > 0 {
            notes.push(format!("  {series}: longer than one hour and counted as one hour: {}", data.saturated));
        }
    }
    let mut align = [Align::Right; 7];
    align[0] = Align::Left;
    let mut lines = if result.series.is_empty() { Vec::new() } else { columns(&align, &rows) };
    lines.extend(notes);
    if !result.absent.is_empty() {
        let absent: Vec<&str> = result.absent.iter().map(|series| series.name()).collect();
        lines.extend(paragraph("  not measurable in this run: ", absent, ", "));
        if result.plan["driver"]["via"]["kind"] == "job" {
            let why = "a job tells of a call no more than how it ended, not when it was due, sent and answered";
            lines.push(format!("  {why}"));
        }
    }
    titled("Durations", lines)
}

#[cfg(test)]
mod tests {
    use super::super::sample::sample;
    use super::super::table::WIDTH;
    use super::*;
    use crate::policy::Series;

    fn render(result: &RunResult) -> String {
        let text = String::from_utf8(Terminal { color: false }.render(result).unwrap()).unwrap();
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH && !line.ends_with(' '), "{line}|");
        }
        text
    }

    #[test]
    fn a_full_result_reads_well() {
        insta::assert_snapshot!("full", render(&sample()));
    }

    #[test]
    fn an_invalid_run_says_why_first() {
        let mut result = sample();
        result.verdict = Verdict::Invalid;
        result.valid = false;
        result.exit_code = 96;
        result.invalid_reasons = vec![
            "the generator was too slow: schedule.lag p99 is 12.3 ms, allowed are 10.0 ms".to_owned(),
            format!("the embedded hub died: {}", "a long story ".repeat(10).trim()),
        ];
        result.census.planned += 1;
        result.rate.offered_per_s = None;
        result.plan["driver"]["load"]["kind"] = "closed".into();
        result.hub = None;
        insta::assert_snapshot!("invalid", render(&result));
    }

    #[test]
    fn a_result_with_nothing_in_it_reads_well_too() {
        let result = RunResult { version: "0.1.0".to_owned(), ..RunResult::default() };
        insta::assert_snapshot!("empty", render(&result));
    }

    #[test]
    fn a_run_that_was_stopped_claims_no_more_than_it_saw() {
        let mut result = sample();
        result.verdict = Verdict::Aborted;
        for valid in [true, false] {
            result.valid = valid;
            result.invalid_reasons = if valid { Vec::new() } else { vec!["the embedded hub died".to_owned()] };
            let text = render(&result);
            assert!(text.contains("\nstopped before its end: the figures below cover only what ran\n"), "{text}");
            assert!(text.contains("\n  - ended at 20.0 s by `census.failed < 20`: observed 20\n"), "{text}");
            assert!(!text.contains("valid:"), "{text}");
            assert_eq!(text.contains("  - the embedded hub died\n"), !valid, "{text}");
        }
    }

    #[test]
    fn an_observer_whose_requests_failed_is_warned_of_near_the_top() {
        let mut result = sample();
        for (errors, warns) in [(9, false), (10, true), (93, true)] {
            result.observer.errors = errors;
            let text = render(&result);
            let warning = format!("count\nwarning: {errors} of the observer's 93 requests failed: ");
            assert_eq!(text.contains(&warning), warns, "{text}");
        }
    }

    #[test]
    fn a_fleet_alone_is_not_told_of_what_only_a_driver_does() {
        let mut result = sample();
        result.census = crate::measure::Census::default();
        (result.matrix, result.rollout) = (Vec::new(), None);
        result.absent.push(Series::UpdateTotal);
        result.matrix.clear();
        let text = render(&result);
        for word in ["\nUpdates", "\nRate", "\nObserver", "planned"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }

    #[test]
    fn a_fault_whose_updates_are_missing_or_misclassified_differs() {
        let mut result = sample();
        for (strikes, off_diagonal, word) in
            [(20, 0, "as expected"), (0, 0, "struck nothing"), (21, 0, "1 lost"), (20, 2, "2 off the diagonal")]
        {
            (result.faults[0].strikes, result.faults[0].off_diagonal) = (strikes, off_diagonal);
            let text = render(&result);
            let row = text.lines().find(|line| line.starts_with("  fail  ")).unwrap();
            assert!(row.ends_with(word), "{row}");
        }
    }

    #[test]
    fn a_matrix_of_everything_keeps_to_its_width() {
        let mut result = sample();
        for (number, row) in result.matrix.iter_mut().enumerate() {
            row.outcomes = Outcome::ALL.map(|outcome| (outcome, 10_u64.pow(number as u32 + 1))).into();
            row.hit_by.push_str(" of a rather long name");
        }
        let text = render(&result);
        assert!(text.contains("violation") && text.contains("100000"), "{text}");
    }

    #[test]
    fn a_broken_invariant_is_shown_with_its_device() {
        let mut result = sample();
        assert!(render(&result).contains("\nInvariants: all 5 held"));
        let row = &mut result.invariants[1];
        (row.violations, row.injected) = (7, 20);
        row.examples = vec![crate::measure::Violation {
            device: "sim-0000001".to_owned(),
            update: "run-3".to_owned(),
            transition: "skipped:applying".to_owned(),
        }];
        let text = render(&result);
        assert!(text.contains("  sim-0000001 run-3: skipped:applying\n"), "{text}");
    }

    #[test]
    fn colour_comes_on_demand_and_changes_no_word() {
        let result = sample();
        let mut colored = String::from_utf8(Terminal { color: true }.render(&result).unwrap()).unwrap();
        assert!(colored.starts_with("\u{1b}[1;31mFAIL\u{1b}[0m quickstart"), "{colored}");
        for code in ["\u{1b}[1;31m", "\u{1b}[1;32m", "\u{1b}[1;33m", "\u{1b}[0m"] {
            colored = colored.replace(code, "");
        }
        assert_eq!(colored, render(&result));
    }
}

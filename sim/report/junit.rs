//! `TEST-twinstorm.xml`: everything that was judged as a test, in the form of JUnit that CI services read.

use std::collections::BTreeSet;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::capacity::{brief, headline, shown};
use super::drill::judged;
use super::terminal::{ended_in_words, value};
use super::{ReportError, Reporter, Terminal};
use crate::measure::{CapacityResult, DrillResult, InvariantRow, RunResult, ThresholdResult, Verdict};
use crate::policy::DrillPhase;

/// `TEST-twinstorm.xml`: one suite, and in it a test for whether the figures count, for each threshold, each invariant, and
/// whatever a drill or a search for a capacity was to show. It is green exactly where the run's exit code is 0.
#[derive(Debug, Clone, Copy)]
pub struct Junit;

impl Reporter for Junit {
    fn render(&self, result: &RunResult) -> Result<Vec<u8>, ReportError> {
        let mut report = Report::unnamed();
        report.add_test_suite(suite(result)?);
        let text = report.to_string()?;
        // Two characters that XML forbids get through.
        Ok(without_sums(&text).replace(['\u{fffe}', '\u{ffff}'], "").into_bytes())
    }
}

/// The root without attributes: the published schemas do not agree on any, and the suite has them all.
fn without_sums(text: &str) -> String {
    const ROOT: &str = "<testsuites";
    let tag = text.find(ROOT).and_then(|at| Some((at + ROOT.len(), at + text[at..].find('>')?)));
    match tag {
        Some((from, to)) if from <= to => format!("{}{}", &text[..from], &text[to..]),
        _ => text.to_owned(),
    }
}

fn suite(result: &RunResult) -> Result<TestSuite, ReportError> {
    let name = class(result, "");
    let mut suite = TestSuite::new(name.trim_end_matches('.'));
    suite.set_time(Duration::try_from_secs_f64(result.took_s()).unwrap_or_default());
    // The older of the schemas wants no zone, and readers take what has none for UTC.
    let started = jiff::tz::TimeZone::UTC.to_datetime(result.began_at()).strftime("%Y-%m-%dT%H:%M:%S").to_string();
    for (key, value) in [("id", "0"), ("package", "twinstorm"), ("hostname", "localhost"), ("timestamp", &started)] {
        suite.extra.insert(key.into(), value.into());
    }
    let seed = result.seed.to_string();
    for (name, value) in [("seed", seed.as_str()), ("version", &result.version), ("command", &result.command)] {
        suite.add_property(Property::new(name, value));
    }
    if let Some(capacity) = &result.capacity {
        suite.add_property(Property::new("capacity", brief(capacity)));
        // The tests below are of that one.
        suite.add_property(Property::new("figures_of", shown(capacity).unwrap_or_default()));
    }
    let mut cases = Cases { result, taken: BTreeSet::new(), cases: Vec::new() };
    cases.validity();
    if let Some(capacity) = &result.capacity {
        cases.capacity(capacity);
    }
    result.thresholds.iter().for_each(|threshold| cases.condition("thresholds", threshold, false));
    result.invariants.iter().for_each(|row| cases.invariant(row));
    if let Some(drill) = &result.drill {
        cases.drill(drill);
    }
    suite.add_test_cases(cases.cases);
    suite.set_system_out_lossy(Terminal { color: false }.render(result)?);
    suite.set_system_err("");
    Ok(suite)
}

/// The name of a group of tests. Dots part it, so there is none in the profile's name.
fn class(result: &RunResult, group: &str) -> String {
    let name: String = result.name.chars().map(|c| if c == '.' || c.is_whitespace() { '_' } else { c }).collect();
    format!("twinstorm.{}.{group}", if name.is_empty() { "run" } else { &name })
}

/// The tests as they come.
struct Cases<'a> {
    result: &'a RunResult,
    /// Groups and names that there are already.
    taken: BTreeSet<(&'static str, String)>,
    cases: Vec<TestCase>,
}

impl Cases<'_> {
    fn add(&mut self, group: &'static str, name: &str, status: TestCaseStatus) {
        let name = if name.trim().is_empty() { "unnamed" } else { name };
        let numbered = (2..).map(|number| format!("{name} ({number})"));
        let mut names = std::iter::once(name.to_owned()).chain(numbered);
        let Some(name) = names.find(|name| !self.taken.contains(&(group, name.clone()))) else { return };
        self.taken.insert((group, name.clone()));
        let mut case = TestCase::new(name, status);
        case.set_classname(class(self.result, group));
        // What is judged afterwards takes no time; the run itself is what the first test is about.
        let seconds = if self.cases.is_empty() { self.result.took_s() } else { 0.0 };
        case.set_time(Duration::try_from_secs_f64(seconds).unwrap_or_default());
        self.cases.push(case);
    }

    /// Whether a condition that held says anything of the hub.
    fn counts(&self) -> bool {
        self.result.valid && self.result.verdict != Verdict::Invalid && !self.result.is_partial()
    }

    fn validity(&mut self) {
        let result = self.result;
        let reasons = result.invalid_reasons.join("\n");
        let status = if result.verdict == Verdict::Aborted && !result.is_partial() {
            let message = "the search ended before it was done: the interval is what it had come to";
            not_passed(NonSuccessKind::Error, "aborted", message, &reasons)
        } else if result.is_partial() {
            let body = format!("{}\n{reasons}", "The figures cover only what ran.");
            let words = result.abort.as_ref().map(|abort| format!(": {}", ended_in_words(abort))).unwrap_or_default();
            let message = format!("the run was stopped before its end{words}");
            not_passed(NonSuccessKind::Error, "aborted", &message, body.trim_end())
        } else if self.counts() {
            TestCaseStatus::success()
        } else {
            let first = result.invalid_reasons.first().map_or("it was never judged", String::as_str);
            not_passed(NonSuccessKind::Error, "invalid", &format!("the figures do not count: {first}"), &reasons)
        };
        self.add("validity", "the figures count", status);
    }

    /// Whether the search found a load that keeps the thresholds, whatever the step shows that all else is of.
    fn capacity(&mut self, capacity: &CapacityResult) {
        let status = match capacity.low {
            Some(_) if self.counts() => TestCaseStatus::success(),
            Some(_) => skipped("one was found, but the figures do not count"),
            None => not_passed(NonSuccessKind::Failure, "not_kept", &headline(capacity), &brief(capacity)),
        };
        self.add("capacity", "a load keeps the thresholds", status);
    }

    /// A threshold, or what a drill wanted to see. `is_owed`: that nothing was measured is no excuse.
    fn condition(&mut self, group: &'static str, judged: &ThresholdResult, is_owed: bool) {
        let expr = &judged.expr;
        let observed = value(judged).unwrap_or_else(|| "nothing measured".to_owned());
        let exact = judged.observed.map_or_else(|| "none".to_owned(), |value| value.to_string());
        let body = format!("expected: {expr}\nobserved: {observed}\nvalue: {exact}");
        let status = match judged.ok {
            Some(true) if self.counts() => TestCaseStatus::success(),
            Some(true) if self.result.is_partial() => {
                skipped(&format!("it held of what ran (observed {observed}), but the run was stopped before its end"))
            }
            Some(true) => skipped(&format!("it held (observed {observed}), but the figures do not count")),
            Some(false) => not_passed(NonSuccessKind::Failure, "broken", &format!("observed {observed}"), &body),
            None if is_owed => not_passed(NonSuccessKind::Failure, "not_measured", "nothing was measured", &body),
            None if self.result.verdict == Verdict::Invalid => not_passed(
                NonSuccessKind::Error,
                "not_measured",
                "nothing was measured that it could be judged by",
                &body,
            ),
            None => skipped("nothing was measured that it could be judged by"),
        };
        self.add(group, expr, status);
    }

    fn invariant(&mut self, row: &InvariantRow) {
        let status = if row.violations > 0 {
            let examples = row
                .examples
                .iter()
                .map(|e| format!("\n{} {}: {}", e.device, e.update, e.transition))
                .collect::<String>();
            let body =
                format!("expected: no violation in {} checks\nobserved: {}{examples}", row.checked, row.violations);
            not_passed(NonSuccessKind::Failure, "violated", &format!("violated {} times", row.violations), &body)
        } else if row.checked == 0 {
            skipped("there was nothing to check")
        } else {
            TestCaseStatus::success()
        };
        self.add("invariants", row.name.as_str(), status);
    }

    fn drill(&mut self, drill: &DrillResult) {
        let not_recovered = self.result.verdict == Verdict::NotRecovered;
        let of_after: BTreeSet<String> = drill
            .steady
            .iter()
            .filter(|steady| steady.phase == DrillPhase::After)
            .map(|steady| format!("{}: {}", steady.phase, steady.judged.expr))
            .collect();
        for judged in judged(drill) {
            // No evidence of a recovery is no recovery.
            let is_owed = not_recovered && of_after.contains(&judged.expr);
            self.condition("drill", &judged, is_owed);
        }
        let limit = if drill.overran {
            not_passed(NonSuccessKind::Failure, "overran", "the drill had not ended within its limit", "")
        } else {
            TestCaseStatus::success()
        };
        self.add("drill", "it ended within its limit", limit);
        if let Some(heal) = &drill.heal {
            let start = self.result.load.map_or(0.0, |load| load.from_s);
            let words = Terminal { color: false }.heal(heal, start);
            let status = match heal.whole {
                true => TestCaseStatus::success(),
                false => not_passed(NonSuccessKind::Failure, "not_recovered", "not all devices came back", &words),
            };
            self.add("drill", "all devices came back", status);
        }
    }
}

fn not_passed(kind: NonSuccessKind, ty: &str, message: &str, body: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(ty).set_message(message).set_description(body);
    status
}

fn skipped(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(message);
    status
}

#[cfg(test)]
mod tests;

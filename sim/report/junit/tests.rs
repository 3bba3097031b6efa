use super::super::sample::{aborted, capacity, invalid, sample};
use super::*;
use crate::measure::{HealResult, Violation};
use crate::policy::Outcome;
use crate::verdict::{Ending, conclude};

fn render(result: &RunResult) -> String {
    String::from_utf8(Junit.render(result).unwrap()).unwrap()
}

/// What the file says without the table, which has snapshots of its own.
fn without_table(text: &str) -> String {
    let (head, rest) = text.split_once("<system-out>").unwrap();
    let (_, tail) = rest.split_once("</system-out>").unwrap();
    format!("{head}<system-out/>{tail}")
}

fn is_red(text: &str) -> bool {
    text.contains("<failure") || text.contains("<error")
}

#[test]
fn a_full_result_is_a_suite() {
    let text = render(&sample());
    assert!(text.contains("FAIL quickstart (exit code 99)"), "{text}");
    insta::assert_snapshot!("full", without_table(&text));
}

#[test]
fn a_capacity_is_a_property_of_the_suite() {
    let text = render(&capacity::with(capacity::capacity()));
    assert!(
        text.contains("<property name=\"capacity\" value=\"40 to 41.8 calls/s (4.5 % wide); more is throttled"),
        "{text}"
    );
    assert!(!is_red(&text), "{text}");
    assert!(!render(&sample()).contains("name=\"capacity\""));
    let text = render(&capacity::with(capacity::unfinished()));
    assert!(
        text.contains("16 at 47.6 calls/s; not finished: 6 steps in 60.0 s; wanted: 5 % wide at most; the budget of 60 s was used up before"),
        "{text}"
    );
}

#[test]
fn a_suite_takes_the_time_of_the_search_and_names_the_step_that_its_tests_are_of() {
    let text = render(&capacity::with(capacity::capacity()));
    assert_eq!(text.matches("time=\"96.400\"").count(), 2, "suite and first test: {text}");
    assert!(text.contains("timestamp=\"2026-11-03T10:19:30\""), "{text}");
    let step = "<property name=\"figures_of\" value=\"step 9, 40 calls/s, which the lower end was confirmed by\"/>";
    assert!(text.contains(step), "{text}");
    let text = render(&capacity::stopped());
    assert!(is_red(&text) && !text.contains("<skipped message=\"it held of what ran"), "the step ran whole: {text}");
}

#[test]
fn a_search_in_which_nothing_was_kept_is_red_whatever_broke() {
    let mut result = capacity::with(capacity::nothing_kept());
    (result.verdict, result.exit_code) = (Verdict::Fail, 99);
    assert!(result.thresholds.iter().all(|judged| judged.ok != Some(false)));
    let text = render(&result);
    assert!(is_red(&text) && text.contains("name=\"a load keeps the thresholds\""), "{text}");
    assert!(!render(&sample()).contains("a load keeps the thresholds"));
}

#[test]
fn an_invalid_result_is_an_error() {
    insta::assert_snapshot!("invalid", without_table(&render(&invalid())));
}

#[test]
fn a_run_that_was_stopped_is_not_green() {
    let mut result = aborted();
    result.thresholds.retain(|threshold| threshold.ok != Some(false));
    let text = render(&result);
    assert!(is_red(&text), "{text}");
    insta::assert_snapshot!("aborted", without_table(&text));
}

#[test]
fn a_result_with_nothing_in_it_is_not_green_either() {
    let text = render(&RunResult { version: "0.1.0".to_owned(), ..RunResult::default() });
    assert!(is_red(&text), "{text}");
    insta::assert_snapshot!("empty", without_table(&text));
}

#[test]
fn names_are_unique_and_nothing_breaks_the_file() {
    let mut result = sample();
    result.name = "my.pro file".to_owned();
    let twin = result.thresholds[1].clone();
    result.thresholds.extend([twin.clone(), twin]);
    result.thresholds[3].expr = "a \u{1b}[31m<b> & \"c\" \u{0}\u{8} ]]>\u{fffe}".to_owned();
    result.invariants[0].violations = 1;
    result.invariants[0].examples.push(Violation { device: "\u{7}]]>".to_owned(), ..Violation::default() });
    let text = render(&result);
    for number in ["", " (2)", " (3)"] {
        assert_eq!(text.matches(&format!("name=\"method.response.p99 &lt; 1s{number}\"")).count(), 1, "{text}");
    }
    assert!(text.contains("classname=\"twinstorm.my_pro_file.thresholds\""), "{text}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n' || c == '\u{fffe}'), "{text:?}");
    assert!(!text.contains("]]>"), "{text}");
    assert!(text.contains("<testsuites>\n"), "{text}");
}

#[test]
fn it_is_green_exactly_where_the_exit_code_is_0() {
    let mut seen = BTreeSet::new();
    for number in 0..64_u32 {
        let bit = |at: u32| number & (1 << at) != 0;
        let mut result = RunResult { load: Some(Default::default()), ..RunResult::default() };
        result.census.planned = 10;
        result.census.add(Outcome::Completed, "", if bit(0) { 10 } else { 9 });
        result.census.add(Outcome::Failed, "", u64::from(!bit(0)));
        let thresholds = ["census.completed.pct >= 100", "update.total.p99 < 1s"];
        let thresholds: Vec<_> =
            thresholds.iter().take(if bit(1) { 2 } else { 1 }).map(|expr| expr.parse().unwrap()).collect();
        let mishaps = if bit(2) { vec!["a shard was lost".to_owned()] } else { Vec::new() };
        if bit(4) {
            let heal = HealResult { whole: bit(5), ..HealResult::default() };
            result.drill = Some(DrillResult { heal: Some(heal), overran: bit(1), ..DrillResult::default() });
        }
        let drill = result.drill.is_some().then(|| crate::policy::Drill {
            steady: vec!["census.completed.pct >= 99".parse().unwrap()],
            claim: String::new(),
            assertions: Vec::new(),
            lead: Duration::ZERO,
            recovery: Duration::ZERO,
            heal: Duration::ZERO,
            limit: Duration::ZERO,
        });
        conclude(&mut result, &thresholds, drill.as_ref(), &Ending { aborted: bit(3), mishaps });
        let text = render(&result);
        assert_eq!(is_red(&text), result.exit_code != 0, "{number:b} {:?}\n{text}", result.verdict);
        seen.insert(result.exit_code);
    }
    assert_eq!(seen, BTreeSet::from([0, 96, 97, 99]));
}

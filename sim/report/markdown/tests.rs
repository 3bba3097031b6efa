use std::collections::BTreeMap;

use super::super::sample::{aborted, capacity, invalid, sample};
use super::*;
use crate::measure::{OffDiagonal, ThresholdResult};
use crate::policy::Outcome;

fn whole(result: &RunResult) -> String {
    let text = Markdown::WHOLE.text(result);
    // Every row of a table has as many cells as its heads.
    let cells = |line: &str| line.matches('|').count();
    for pair in text.lines().collect::<Vec<_>>().windows(2) {
        if pair[0].starts_with('|') && pair[1].starts_with('|') {
            assert_eq!(cells(pair[0]), cells(pair[1]), "{}\n{}", pair[0], pair[1]);
        }
    }
    text
}

#[test]
fn a_full_result_reads_well() {
    insta::assert_snapshot!("full", whole(&sample()));
}

#[test]
fn an_invalid_run_says_why_first() {
    insta::assert_snapshot!("invalid", whole(&invalid()));
}

#[test]
fn a_run_that_was_stopped_says_so() {
    insta::assert_snapshot!("aborted", whole(&aborted()));
}

#[test]
fn a_result_with_nothing_in_it_reads_well_too() {
    insta::assert_snapshot!("empty", whole(&RunResult { version: "0.1.0".to_owned(), ..RunResult::default() }));
}

#[test]
fn a_capacity_comes_before_the_figures_of_its_run() {
    let told = |found| {
        let text = whole(&capacity::with(found));
        let (_, rest) = text.split_once("### Capacity\n\n").unwrap();
        rest.split_once("\n| figure").unwrap().0.to_owned()
    };
    insta::assert_snapshot!("capacity", told(capacity::capacity()));
    insta::assert_snapshot!("capacity_by_generator", told(capacity::by_generator()));
    insta::assert_snapshot!("capacity_unfinished", told(capacity::unfinished()));
    assert!(told(crate::measure::CapacityResult::default()).starts_with("**not known**; no step came to an end"));
}

#[test]
fn the_head_of_a_search_is_told_from_the_step_that_all_else_is_of() {
    let text = whole(&capacity::with(capacity::capacity()));
    assert!(text.contains("\nExit code 0, took 96.4 s, started 2026-11-03T10:19:30Z, seed 7, "), "{text}");
    assert!(text.contains("\nAll that follows is of step 9, 40 calls/s, which the lower end was confirmed by.\n"));
    let text = whole(&capacity::stopped());
    assert!(text.contains("\nThe search ended before it was done: the interval is what it had come to.\n"), "{text}");
    assert!(!text.contains("only what ran"), "the step ran whole: {text}");
}

#[test]
fn what_comes_from_a_hub_is_shown_and_not_obeyed() {
    let mut result = sample();
    let nasty = "x|y\n## head <script>alert(1)</script> `z` ![i](http://e)";
    result.census.add(Outcome::HubError, nasty, 1);
    result.faults[0].name = nasty.to_owned();
    result.matrix[1].hit_by = nasty.to_owned();
    result.off_diagonal[0].device = nasty.to_owned();
    result.thresholds[0].expr = nasty.to_owned();
    result.invalid_reasons = vec![nasty.to_owned()];
    result.command = nasty.to_owned();
    let mut found = capacity::widened();
    (found.cause_detail, found.notes, found.unit) = (nasty.to_owned(), vec![nasty.to_owned()], nasty.to_owned());
    found.steps.iter_mut().for_each(|step| step.cause_detail = nasty.to_owned());
    result.capacity = Some(found);
    let text = whole(&result);
    let (page, code) = text.split_once("### Again").unwrap();
    assert!(!page.contains("<script>") && !page.contains("\n## head") && !page.contains("![i]"), "{page}");
    assert_eq!(code.trim_start_matches('\n').lines().count(), 1, "{code}");
}

#[test]
fn a_summary_is_never_longer_than_it_may_be() {
    let mut result = sample();
    let long = "€|".repeat(400);
    result.thresholds = (0..2_000)
        .map(|number| ThresholdResult {
            expr: format!("{number} {long}"),
            observed: None,
            judged_by: None,
            ok: Some(number != 1_999),
        })
        .collect();
    result.invalid_reasons = vec![long.clone(); 2_000];
    result.faults = vec![crate::measure::FaultRow { name: long.clone(), ..result.faults[0].clone() }; 2_000];
    result.off_diagonal = vec![OffDiagonal { device: long.clone(), ..result.off_diagonal[0].clone() }; 2_000];
    let details: BTreeMap<String, u64> = (0..2_000).map(|number| (format!("{number} {long}"), 1)).collect();
    result.census.details = Outcome::ALL.map(|outcome| (outcome, details.clone())).into();
    result.command = long.repeat(100);
    let text = whole(&result);
    assert!(text.len() <= SUMMARY_LIMIT && text.len() > 100_000, "{}", text.len());
    assert!(text.contains("and 1900 more") && text.contains("| ❌ broken | 1999"), "what is broken comes first");
    for limit in [0, 100, 1_000, 10_000, 100_000] {
        let text = Markdown { limit }.text(&sample());
        assert!(text.len() <= limit, "{limit}: {}", text.len());
        let is_cut = text.len() < whole(&sample()).len();
        assert_eq!(is_cut, limit < 7_000, "{limit}");
        assert!(text.is_empty() || !is_cut || text.ends_with("see results.json.\n"), "{limit}: {text}");
    }
}

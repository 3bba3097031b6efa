//! Comparisons of results made by hand.

use std::time::Duration;

use proptest::prelude::*;
use rand::Rng;

use super::*;
use crate::measure::{RunResult, Verdict};
use crate::policy::{Metric, Series};
use crate::random::{Domain, Seed, Stream};

/// A valid run of quickstart whose `method.response` is `ms` throughout and whose `update.overhead` is twice that.
fn run(path: &str, ms: f64) -> Candidate {
    let plan = serde_json::to_value(crate::profile::load("quickstart", &[]).unwrap()).unwrap();
    let mut result =
        RunResult { plan, valid: true, verdict: Verdict::Pass, version: "0.1.0".to_owned(), ..RunResult::default() };
    result.name = path.to_owned();
    for (series, factor) in [(Series::MethodResponse, 1.0), (Series::UpdateOverhead, 2.0)] {
        let data = result.series.entry(series).or_default();
        (0..1000).for_each(|_| data.record(Duration::from_secs_f64(ms * factor / 1000.0)));
    }
    Candidate { path: path.to_owned(), result }
}

fn side(name: &str, values: &[f64]) -> Vec<Candidate> {
    values.iter().enumerate().map(|(at, ms)| run(&format!("{name}/run-{:02}", at + 1), *ms)).collect()
}

const BASE: [f64; 5] = [50.0, 50.5, 51.0, 51.5, 52.0];

fn slower() -> [f64; 5] {
    BASE.map(|ms| ms * 1.19 + 0.1)
}

fn changes(result: &ComparisonResult) -> Vec<Change> {
    result.metrics.iter().map(|row| row.verdict).collect()
}

fn options(change: impl FnOnce(&mut CompareOptions)) -> CompareOptions {
    let mut options = CompareOptions::default();
    change(&mut options);
    options
}

#[test]
fn a_hub_that_became_slower_is_a_regression_and_the_other_way_round_an_improvement() {
    let (base, new) = (side("base", &BASE), side("new", &slower()));
    let found = compare(&base, &new, &CompareOptions::default()).unwrap();
    assert_eq!((found.verdict, found.exit_code), (Change::Regressed, 98));
    assert_eq!(changes(&found), [Change::Regressed; 3]);
    let row = &found.metrics[0];
    assert!((row.p.unwrap() - 2.0 / 252.0).abs() < 1e-12 && (row.p_holm.unwrap() - 6.0 / 252.0).abs() < 1e-12);
    let interval = row.interval.unwrap();
    assert!(interval.low_pct > 10.0 && interval.high_pct < 30.0, "{interval:?}");
    let back = compare(&new, &base, &CompareOptions::default()).unwrap();
    assert_eq!((back.verdict, back.exit_code), (Change::Improved, 0));
    assert_eq!(back.metrics[0].p, row.p);
    let [forth, back] = [row, &back.metrics[0]].map(|row| 1.0 + row.change_pct.unwrap() / 100.0);
    assert!((forth * back - 1.0).abs() < 1e-12);
    // Everything is shown, each side's samples together.
    assert_eq!(found.series.iter().map(|row| row.base.count()).collect::<Vec<_>>(), [5000, 5000]);
}

#[test]
fn the_gravest_verdict_is_that_of_the_whole() {
    let (base, mut new) = (side("base", &BASE), side("new", &BASE.map(|ms| ms + 0.2)));
    let found = compare(&base, &new, &CompareOptions::default()).unwrap();
    assert_eq!((found.verdict, found.exit_code, changes(&found)), (Change::Equivalent, 0, vec![Change::Equivalent; 3]));
    // A percentile that has too few samples in one run.
    new[2].result.series.entry(Series::MethodResponse).or_default().histogram.reset();
    let few = new[2].result.series.entry(Series::MethodResponse).or_default();
    (0..900).for_each(|_| few.record(Duration::from_millis(51)));
    let found = compare(&base, &new, &CompareOptions::default()).unwrap();
    assert_eq!((found.verdict, found.exit_code), (Change::Inconclusive, 96));
    assert_eq!(changes(&found), [Change::Equivalent, Change::Equivalent, Change::Inconclusive]);
    assert_eq!(found.metrics[2].reason, "no evidence in new/run-03: it has 900 samples, and p99 takes 1000");
    let passes = options(|options| options.inconclusive_passes = true);
    let found = compare(&base, &new, &passes).unwrap();
    assert_eq!((found.verdict, found.exit_code), (Change::Inconclusive, 0));
    assert_eq!(Change::of([Change::Improved, Change::Equivalent]), Change::Improved);
    assert_eq!(Change::of([Change::Improved, Change::Inconclusive]), Change::Inconclusive);
    assert_eq!(Change::of([Change::Regressed, Change::Inconclusive]), Change::Regressed);
}

#[test]
fn one_run_a_side_proves_nothing_but_may_be_held_against_the_margin() {
    let (base, new) = (side("base", &BASE[..1]), side("new", &[70.0]));
    let found = compare(&base, &new, &CompareOptions::default()).unwrap();
    assert_eq!((found.verdict, found.exit_code), (Change::Inconclusive, 96));
    assert!(found.metrics[0].reason.starts_with("1 v 1 runs cannot prove a change"), "{}", found.metrics[0].reason);
    assert_eq!(found.metrics[0].interval, None);
    let alone = options(|options| options.margin_only = true);
    let found = compare(&base, &new, &alone).unwrap();
    assert_eq!((found.verdict, found.exit_code, found.margin_only), (Change::Regressed, 98, true));
    assert_eq!((found.metrics[0].p, found.metrics[0].p_holm, found.metrics[0].interval), (None, None, None));
    let wide = options(|options| (options.margin_only, options.margin_pct) = (true, Some(50.0)));
    assert_eq!(compare(&base, &new, &wide).unwrap().verdict, Change::Equivalent);
}

#[test]
fn plans_that_differ_in_more_than_the_hub_are_refused_with_the_keys() {
    let (base, mut new) = (side("base", &BASE), side("new", &slower()));
    for candidate in &mut new {
        candidate.result.plan["hub"]["slow"]["method_request"] = "10ms".into();
        candidate.result.plan["description"] = "another".into();
        candidate.result.plan["report"]["out"] = "elsewhere".into();
    }
    let found = compare(&base, &new, &CompareOptions::default()).unwrap();
    assert_eq!(found.hub.iter().map(ToString::to_string).collect::<Vec<_>>(), ["hub.slow.method_request: 0s and 10ms"]);
    new[3].result.plan["fleet"]["devices"] = 900.into();
    new[3].result.plan["seed"] = 8.into();
    let error = compare(&base, &new, &CompareOptions::default()).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("base/run-01 and new/run-04 come from different plans:"), "{text}");
    assert!(text.contains("\n  fleet.devices: 1000 and 900\n  seed: 7 and 8\n"), "{text}");
    assert_eq!(error.exit_code().code(), 2);
    let forced = compare(&base, &new, &options(|options| options.force = true)).unwrap();
    assert_eq!(forced.forced.len(), 1);
    assert!(forced.forced[0].contains("new/run-04 has another plan than base/run-01:  fleet.devices: 1000 and 900;"));
    // Two hubs on one side are no side.
    let mut mixed = side("new", &slower());
    mixed[1].result.plan["hub"]["workers"] = 2.into();
    assert!(
        compare(&base, &mixed, &CompareOptions::default()).unwrap_err().to_string().contains("hub.workers: 1 and 2")
    );
}

#[test]
fn results_that_do_not_count_are_refused_and_marked_where_they_are_forced() {
    let (mut base, new) = (side("base", &BASE), side("new", &slower()));
    (base[1].result.valid, base[1].result.invalid_reasons) = (false, vec!["the embedded hub died".to_owned()]);
    base[2].result.verdict = Verdict::Aborted;
    let error = compare(&base, &new, &CompareOptions::default()).unwrap_err();
    assert_eq!(error.exit_code().code(), 96);
    let text = error.to_string();
    for says in
        ["base/run-02 is not valid: the embedded hub died\n", "base/run-03 was stopped before its end\n", "--force"]
    {
        assert!(text.contains(says), "{says}: {text}");
    }
    let forced = compare(&base, &new, &options(|options| options.force = true)).unwrap();
    assert_eq!((forced.verdict, forced.forced.len()), (Change::Regressed, 2));
}

#[test]
fn a_run_counts_once_and_a_side_is_not_empty() {
    let base = side("base", &BASE);
    let mut copy = base[1].clone();
    copy.path = "copy".to_owned();
    let error = compare(&base, &[copy], &CompareOptions::default()).unwrap_err().to_string();
    assert!(error.starts_with("base/run-02 and copy are the same run"), "{error}");
    assert_eq!(compare(&base, &[], &CompareOptions::default()), Err(CompareError::Empty("new")));
    assert_eq!(compare(&[], &base, &CompareOptions::default()), Err(CompareError::Empty("base")));
}

#[test]
fn the_plans_name_metrics_and_margin_and_have_to_agree() {
    let (base, mut new) = (side("base", &BASE), side("new", &slower()));
    let asks = serde_json::json!({"metrics": ["method.response.max", "census.completed"], "margin_pct": 10.0});
    new.iter_mut().for_each(|one| one.result.plan["compare"] = asks.clone());
    let error = compare(&base, &new, &CompareOptions::default()).unwrap_err().to_string();
    assert!(error.contains("do not agree on the metrics to judge by") && error.ends_with("say --metric"), "{error}");
    let mut old = base.clone();
    old.iter_mut().for_each(|one| one.result.plan["compare"] = asks.clone());
    let found = compare(&old, &new, &CompareOptions::default()).unwrap();
    assert_eq!(changes(&found), [Change::Regressed, Change::Equivalent], "0 of 0 is no change");
    let metrics: Vec<Metric> = vec!["connect.count".parse().unwrap()];
    let error = compare(&base, &new, &options(|options| options.metrics = metrics)).unwrap_err().to_string();
    assert!(error.contains("`connect.count` gets neither better nor worse"), "{error}");
}

#[test]
fn other_programs_and_machines_are_noted() {
    let (base, mut new) = (side("base", &BASE), side("new", &slower()));
    assert_eq!(compare(&base, &new, &CompareOptions::default()).unwrap().warnings, [""; 0]);
    new[0].result.version = "0.2.0".to_owned();
    new.iter_mut().for_each(|one| one.result.generator.cores = 8);
    assert_eq!(
        compare(&base, &new, &CompareOptions::default()).unwrap().warnings,
        ["versions of twinstorm differ: base 0.1.0, new 0.1.0, 0.2.0", "machines differ in cores: base 0, new 8"]
    );
}

/// Values of a run that scatter as those of real runs do: now and then one is disturbed.
fn scattered(stream: &mut Stream, ms: f64) -> f64 {
    let uniform = |stream: &mut Stream| stream.next_u64() as f64 / u64::MAX as f64;
    let noise: f64 = (0..4).map(|_| uniform(stream) - 0.5).sum::<f64>() * 0.06;
    let disturbed = if uniform(stream) < 0.05 { 1.15 } else { 1.0 };
    ms * (1.0 + noise) * disturbed
}

/// Verdicts on one metric over many comparisons of 5 runs a side.
fn verdicts(of_new: f64, comparisons: u64) -> Vec<Change> {
    let draw = |stream: &mut Stream, ms| (0..5).map(|_| scattered(stream, ms)).collect::<Vec<_>>();
    let asked = super::judge::Asked { margin_pct: 10.0, runs: (5, 5), metrics: 1 };
    (0..comparisons)
        .map(|number| {
            let mut stream = Seed(11).stream(Domain::Bootstrap, number, of_new.to_bits());
            let (base, new) = (draw(&mut stream, 50.0), draw(&mut stream, of_new));
            let ratio = crate::verdict::statistics::ratio_interval(&base, &new).unwrap();
            let p = crate::verdict::statistics::rank_test(&base, &new).unwrap().p;
            let [change_pct, low_pct, high_pct] =
                [ratio.estimate, ratio.low, ratio.high].map(|ratio| (ratio - 1.0) * 100.0);
            let evidence = super::judge::Evidence { change_pct, statistics: Some((Interval { low_pct, high_pct }, p)) };
            super::judge::judge(crate::policy::Better::Smaller, evidence, asked).0
        })
        .collect()
}

#[test]
fn synthetic_hubs_that_are_the_same_are_hardly_ever_called_different_and_slower_ones_are_found() {
    let share = |of_new, change| {
        let verdicts = verdicts(of_new, 200);
        verdicts.iter().filter(|verdict| **verdict == change).count() as f64 / 200.0
    };
    let wrong = share(50.0, Change::Regressed) + share(50.0, Change::Improved);
    assert!(wrong <= 0.05, "A/A: {wrong}");
    let power = share(60.0, Change::Regressed);
    assert!(power >= 0.9, "20 % slower: {power}");
    // At the margin itself a change is real, and hardly ever called none.
    let called_none = share(55.5, Change::Equivalent);
    assert!(called_none <= 0.05, "11 % slower: {called_none}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn the_order_of_runs_does_not_matter(order in Just(vec![0_usize, 1, 2, 3, 4]).prop_shuffle()) {
        let (base, new) = (side("base", &BASE), side("new", &slower()));
        let shuffled: Vec<Candidate> = order.iter().map(|at| new[*at].clone()).collect();
        let [found, other] = [&new, &shuffled].map(|new| compare(&base, new, &CompareOptions::default()).unwrap());
        for (one, other) in found.metrics.iter().zip(&other.metrics) {
            prop_assert_eq!((one.p_holm, one.interval, &one.reason), (other.p_holm, other.interval, &other.reason));
        }
    }
}

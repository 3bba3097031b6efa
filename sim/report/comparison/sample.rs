//! A comparison made by hand, for the tests of every format.

use std::time::Duration;

use crate::measure::CapacityCause;
use crate::measure::{SeriesData, Verdict};
use crate::policy::{Better, CapacityOf, Series};
use crate::verdict::compare::{
    CapacityChange, CapacitySide, Change, ComparisonResult, Difference, FoundCapacity, Interval, MetricRow, RunRow,
    SeriesRow,
};

fn data(samples: u32, longest_ms: f64) -> SeriesData {
    let mut data = SeriesData::default();
    (1..=samples).for_each(|n| data.record(Duration::from_secs_f64(longest_ms / 1e3) * n / samples));
    data
}

fn run(side: &str, number: u32) -> RunRow {
    RunRow {
        path: format!("{side}/run-{number:02}/results.json"),
        name: "quickstart".to_owned(),
        started_at: format!("2026-11-03T10:2{number}:30Z").parse().unwrap(),
        duration_s: 12.25,
        version: if side == "base" { "0.1.0" } else { "0.2.0" }.to_owned(),
        seed: 7,
        cores: 2,
        valid: true,
        verdict: Verdict::Pass,
    }
}

fn metric(name: &str, verdict: Change, ms: Option<f64>, change_pct: f64, reason: &str) -> MetricRow {
    let values = |by: f64| (0..5).map(|n| ms.map(|ms| (ms + f64::from(n - 2) / 10.0) * by / 1e3)).collect();
    MetricRow {
        metric: name.parse().unwrap(),
        better: Better::Smaller,
        base: values(1.0),
        new: values(1.0 + change_pct / 100.0),
        base_median: ms.map(|ms| ms / 1e3),
        new_median: ms.map(|ms| ms / 1e3 * (1.0 + change_pct / 100.0)),
        change_pct: ms.map(|_| change_pct),
        interval: ms.map(|_| Interval { low_pct: change_pct - 2.5, high_pct: change_pct + 2.0 }),
        p: ms.map(|_| 2.0 / 252.0),
        p_holm: ms.map(|_| 6.0 / 252.0),
        verdict,
        reason: reason.to_owned(),
    }
}

/// A comparison of two searches with one that found less.
pub(super) fn searches() -> ComparisonResult {
    let found = |low: f64, high: f64| FoundCapacity {
        low: Some(low),
        high: Some(high),
        cause: Some(CapacityCause::Throttled),
        cause_detail: "census.throttled.pct < 1 was 3.6 %; the hub refused 3.6 % of the calls".to_owned(),
        doubts: Vec::new(),
    };
    let side = |low: f64, high: f64, searches| CapacitySide { low: Some(low), high: Some(high), searches };
    let change = CapacityChange {
        of: CapacityOf::Calls,
        unit: CapacityOf::Calls.unit(),
        base: side(40.0, 41.8, vec![found(40.0, 41.8), found(40.2, 41.6)]),
        new: side(30.0, 31.3, vec![found(30.0, 31.3)]),
        change: Interval { low_pct: -28.23, high_pct: -21.75 },
        verdict: Change::Regressed,
        reason: "whatever lies in the two intervals differs by -28.2 % to -21.8 %: more than 10 %".to_owned(),
    };
    let mut comparison = sample();
    comparison.base.truncate(2);
    comparison.new.truncate(1);
    comparison.base.iter_mut().chain(&mut comparison.new).for_each(|run| run.name = "capacity".to_owned());
    ComparisonResult { capacity: Some(change), metrics: Vec::new(), series: Vec::new(), ..comparison }
}

/// A comparison with everything in it.
pub(super) fn sample() -> ComparisonResult {
    ComparisonResult {
        version: "0.2.0".to_owned(),
        verdict: Change::Regressed,
        exit_code: 98,
        margin_pct: 10.0,
        margin_only: false,
        forced: Vec::new(),
        warnings: vec!["versions of twinstorm differ: base 0.1.0, new 0.2.0".to_owned()],
        hub: vec![Difference { key: "hub.slow.method_request".to_owned(), base: "50ms".into(), new: "60ms".into() }],
        base: (1..=5).map(|number| run("base", number)).collect(),
        new: (1..=5).map(|number| run("new", number)).collect(),
        capacity: None,
        metrics: vec![
            metric(
                "update.overhead.p50",
                Change::Regressed,
                Some(61.0),
                16.5,
                "+16.5 % (95 % interval +14.0 % to +18.5 %) is more than 10 %, and p is 0.024",
            ),
            metric(
                "method.response.p50",
                Change::Equivalent,
                Some(51.0),
                0.5,
                "the whole interval (95 % interval -2.0 % to +2.5 %) lies within 10 % either way",
            ),
            metric(
                "method.response.p99",
                Change::Inconclusive,
                None,
                0.0,
                "no evidence in new/run-03/results.json: it has 900 samples, and p99 takes 1000",
            ),
        ],
        series: vec![
            SeriesRow { series: Series::MethodResponse, base: data(5000, 102.0), new: data(4900, 122.0) },
            SeriesRow { series: Series::UpdateTotal, base: SeriesData::default(), new: data(15, 400.0) },
        ],
    }
}

//! The verdict on one metric.

use super::{Change, Interval};
use crate::policy::Better;
use crate::verdict::statistics::smallest_p;

/// So often at most may a change be told where there is none.
pub(super) const LEVEL: f64 = 0.05;

/// What is known of a metric that has a value in every run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence {
    /// From median to median, in percent.
    pub(super) change_pct: f64,
    /// Where that lies, and the corrected p; `None` if statistics were not asked for.
    pub(super) statistics: Option<(Interval, f64)>,
}

/// What a comparison asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) margin_pct: f64,
    /// Runs of both sides, and metrics that verdicts are given on.
    pub(super) runs: (usize, usize),
    pub(super) metrics: usize,
}

impl Asked {
    /// Whether any outcome of so many runs could be significant.
    pub(super) fn can_tell(self) -> bool {
        self.smallest_p() < LEVEL
    }

    fn smallest_p(self) -> f64 {
        smallest_p(self.runs.0, self.runs.1) * self.metrics as f64
    }
}

/// So many runs a side can show a change on one of so many metrics.
#[must_use]
pub fn runs_needed(metrics: usize) -> usize {
    (1..).find(|runs| smallest_p(*runs, *runs) * (metrics as f64) < LEVEL).unwrap_or(usize::MAX)
}

/// The verdict, and why.
pub(super) fn judge(better: Better, evidence: Evidence, asked: Asked) -> (Change, String) {
    let (change, margin) = (evidence.change_pct, asked.margin_pct);
    let worse = if (change > 0.0) == (better == Better::Smaller) { Change::Regressed } else { Change::Improved };
    let beyond = change.abs() > margin;
    let (told, margin) = (percent(change), format!("{margin} %"));
    let Some((interval, p)) = evidence.statistics else {
        return if beyond {
            (worse, format!("the medians differ by {told}, more than {margin}; no statistics stand behind this"))
        } else {
            let why = format!(
                "within the margin: the medians differ by {told}, no more than {margin}; no statistics stand behind this"
            );
            (Change::Equivalent, why)
        };
    };
    if !asked.can_tell() {
        return (Change::Inconclusive, too_few(asked));
    }
    let Interval { low_pct, high_pct } = interval;
    let significant = p < LEVEL;
    let excludes_none = low_pct > 0.0 || high_pct < 0.0;
    let within = -asked.margin_pct <= low_pct && high_pct <= asked.margin_pct;
    let (told_p, told_interval) = (p_value(p), told_interval(interval));
    if significant && excludes_none && beyond {
        let why = format!("{told} ({told_interval}) is more than {margin}, and p is {told_p}");
        return (worse, why);
    }
    if within {
        return (Change::Equivalent, format!("the whole interval ({told_interval}) lies within {margin} either way"));
    }
    let why = if significant && excludes_none {
        format!("there is a change (p {told_p}), but whether by more than {margin} is open: {told_interval}")
    } else {
        let missing = if significant { "its interval does not exclude 0" } else { "no change is proven" };
        format!("{missing} (p {told_p}), and none beyond {margin} is ruled out: {told_interval}; more runs would tell")
    };
    (Change::Inconclusive, why)
}

/// What so few runs cannot do, and how many can.
fn too_few(asked: Asked) -> String {
    let Asked { runs: (base, new), metrics, .. } = asked;
    let single = p_value(smallest_p(base, new));
    let times = match metrics {
        1 => format!("{single} at best"),
        _ => format!("{single} x {metrics} metrics = {} at best", p_value(asked.smallest_p().min(1.0))),
    };
    let needed = runs_needed(metrics);
    format!(
        "{base} v {new} runs cannot prove a change: p is {times}, and has to be below {LEVEL}. {needed} v {needed} can \
         (run --repeat {needed}); --margin-only compares medians without statistics"
    )
}

/// A change as `+16.7 %`.
pub(super) fn percent(change: f64) -> String {
    if change.is_infinite() { "infinite, from 0".to_owned() } else { format!("{change:+.1} %") }
}

fn told_interval(interval: Interval) -> String {
    let Interval { low_pct, high_pct } = interval;
    format!("95 % interval {} to {}", percent(low_pct), percent(high_pct))
}

/// A p as people write it.
fn p_value(p: f64) -> String {
    if p < 0.001 { "below 0.001".to_owned() } else { format!("{p:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(change_pct: f64, interval: Option<(f64, f64)>, p: f64, asked: Asked) -> (Change, String) {
        let statistics = interval.map(|(low_pct, high_pct)| (Interval { low_pct, high_pct }, p));
        judge(Better::Smaller, Evidence { change_pct, statistics }, asked)
    }

    const FIVE: Asked = Asked { margin_pct: 10.0, runs: (5, 5), metrics: 3 };

    #[test]
    fn a_verdict_of_change_takes_all_three() {
        for (change, interval, p, expected) in [
            (20.0, (15.0, 25.0), 0.024, Change::Regressed),
            (20.0, (15.0, 25.0), 0.051, Change::Inconclusive),
            (20.0, (-1.0, 25.0), 0.024, Change::Inconclusive),
            (9.0, (5.0, 12.0), 0.024, Change::Inconclusive),
            (9.0, (5.0, 10.0), 0.024, Change::Equivalent),
            (11.0, (5.0, 15.0), 0.024, Change::Regressed),
            (-20.0, (-25.0, -15.0), 0.024, Change::Improved),
            (1.0, (-3.0, 4.0), 0.5, Change::Equivalent),
            (1.0, (-13.0, 4.0), 0.5, Change::Inconclusive),
            (f64::INFINITY, (f64::INFINITY, f64::INFINITY), 0.024, Change::Regressed),
        ] {
            let (found, why) = verdict(change, Some(interval), p, FIVE);
            assert_eq!(found, expected, "{change} {interval:?} {p}: {why}");
        }
        let statistics = Some((Interval { low_pct: 15.0, high_pct: 25.0 }, 0.024));
        let evidence = Evidence { change_pct: 20.0, statistics };
        assert_eq!(judge(Better::Bigger, evidence, FIVE).0, Change::Improved);
    }

    #[test]
    fn so_few_runs_prove_nothing_and_are_told_how_many_would() {
        for (runs, metrics, can) in [
            ((5, 5), 3, true),
            ((5, 5), 6, true),
            ((5, 5), 7, false),
            ((4, 4), 1, true),
            ((4, 4), 3, false),
            ((3, 3), 1, false),
        ] {
            let asked = Asked { margin_pct: 10.0, runs, metrics };
            assert_eq!(asked.can_tell(), can, "{asked:?}");
            // Not even that there is no change.
            let (found, why) = verdict(0.0, Some((0.0, 0.0)), 1.0, asked);
            assert_eq!(found == Change::Inconclusive, !can, "{why}");
        }
        let (_, why) = verdict(50.0, Some((40.0, 60.0)), 0.1, Asked { runs: (3, 3), ..FIVE });
        assert_eq!(
            why,
            "3 v 3 runs cannot prove a change: p is 0.100 x 3 metrics = 0.300 at best, and has to be below 0.05. 5 v 5 can \
             (run --repeat 5); --margin-only compares medians without statistics"
        );
        assert_eq!([1, 2, 3, 6, 7].map(runs_needed), [4, 5, 5, 5, 6]);
    }

    #[test]
    fn the_margin_alone_needs_one_run_and_says_what_it_is_worth() {
        let one = Asked { runs: (1, 1), ..FIVE };
        for (change, expected) in [(10.1, Change::Regressed), (-10.1, Change::Improved), (10.0, Change::Equivalent)] {
            let (found, why) = verdict(change, None, 1.0, one);
            assert!(found == expected && why.ends_with("no statistics stand behind this"), "{change}: {why}");
        }
    }
}

//! What a figure of a run that goes on can still come to.

use crate::measure::{Distribution, RunResult, SeriesData};
use crate::policy::{Comparison, FaultFigure, Metric, Outcome, RolloutFigure, Statistic, Threshold};

/// A mean of fewer samples is too little to call a threshold broken: as many as a median needs.
const ENOUGH: u64 = 20;

/// The values that a figure can still take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outlook {
    least: f64,
    most: f64,
}

impl Outlook {
    /// Nothing is certain of it before the end.
    const OPEN: Self = Self { least: f64::NEG_INFINITY, most: f64::INFINITY };

    /// It can only grow.
    const fn grows(from: f64) -> Self {
        Self { least: from, most: f64::INFINITY }
    }

    /// It can only fall.
    const fn falls(from: f64) -> Self {
        Self { least: 0.0, most: from }
    }

    /// It may go either way, and is taken for what it is.
    const fn stands(at: f64) -> Self {
        Self { least: at, most: at }
    }

    /// Whether one of these values stands in `comparison` to `limit`.
    pub(super) fn can_hold(self, comparison: Comparison, limit: f64) -> bool {
        let Self { least, most } = self;
        match comparison {
            Comparison::Less | Comparison::LessOrEqual => comparison.holds(least, limit),
            Comparison::Greater | Comparison::GreaterOrEqual => comparison.holds(most, limit),
            // The ends are compared as values are, not to the last bit; infinity is no value.
            Comparison::Equal => {
                let is_end = |end: f64| end.is_finite() && comparison.holds(end, limit);
                (least..=most).contains(&limit) || is_end(least) || is_end(most)
            }
            Comparison::NotEqual => least < most || comparison.holds(least, limit),
        }
    }
}

/// What the figure of `threshold`, which has come to `value` so far, can still come to.
pub(super) fn outlook(threshold: &Threshold, value: f64, so_far: &RunResult) -> Outlook {
    match &threshold.metric {
        Metric::Series(series, statistic) => {
            of_statistic(*statistic, value, so_far.series.get(series).map_or(0, SeriesData::count))
        }
        Metric::Census(outcome) => Outlook { least: value, most: at_most(*outcome, so_far) as f64 },
        Metric::CensusPercent(outcome) => {
            let most = at_most(*outcome, so_far) as f64 * 100.0 / so_far.census.planned.max(1) as f64;
            Outlook { least: value, most }
        }
        Metric::ConnectedPercent => Outlook::falls(value),
        Metric::RateAchieved => {
            // Where no more was due yet, the schedule has still to come to what is asked for.
            let offered = so_far.rate.offered_per_s;
            let is_early = offered.is_some_and(|offered| !threshold.comparison.holds(offered, threshold.limit));
            Outlook { most: if is_early { f64::INFINITY } else { value }, ..Outlook::stands(value) }
        }
        // It is that of the whole run: what connecting took is made up for by a long load, and by how much nobody knows.
        Metric::GeneratorCpu => Outlook::OPEN,
        Metric::Fault(name, figure) => {
            let row = so_far.faults.iter().find(|row| row.name == *name);
            let samples = |of: Option<Option<Distribution>>| of.flatten().map_or(0, |distribution| distribution.count);
            match figure {
                FaultFigure::Updates | FaultFigure::Strikes | FaultFigure::Peak => Outlook::grows(value),
                // How many strikes and updates there will be in all, nobody knows: every share of them is early.
                FaultFigure::PeakPercent | FaultFigure::OutcomePercent(_) => Outlook::OPEN,
                FaultFigure::Recovery(statistic) => {
                    of_statistic(*statistic, value, samples(row.map(|row| row.recovery)))
                }
                FaultFigure::Found(statistic) => of_statistic(*statistic, value, samples(row.map(|row| row.found))),
            }
        }
        Metric::ConnectPolicyBack(policy, statistic) => {
            let row = so_far.retries.connect.iter().find(|row| row.policy == *policy);
            let back = row.and_then(|row| row.back.as_ref());
            of_statistic(*statistic, value, back.map_or(0, SeriesData::count))
        }
        Metric::Rollout(RolloutFigure::ExposedPercent) => Outlook { least: value, most: 100.0 },
        Metric::Retry(..)
        | Metric::ConnectPolicy(..)
        | Metric::Rollout(_)
        | Metric::LossesUnexplained
        | Metric::ReportsDropped
        | Metric::InvariantViolations
        | Metric::OffDiagonal
        | Metric::Messages(..) => Outlook::grows(value),
        Metric::Goodput(_) => Outlook::OPEN,
    }
}

/// How many updates can end in `outcome`: those that have, and all that have not ended.
fn at_most(outcome: Outcome, so_far: &RunResult) -> u64 {
    let open = u64::try_from(so_far.census.unaccounted()).unwrap_or(0);
    so_far.census.count(outcome) + open
}

/// A statistic of so many samples. A percentile that has a value has enough of them.
const fn of_statistic(statistic: Statistic, value: f64, samples: u64) -> Outlook {
    match statistic {
        Statistic::Count | Statistic::Max => Outlook::grows(value),
        Statistic::Min => Outlook::falls(value),
        Statistic::Mean if samples < ENOUGH => Outlook::OPEN,
        Statistic::Mean | Statistic::Percentile(_) => Outlook::stands(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_values_can_hold_where_one_of_them_does() {
        for (least, most, text, can_hold) in [
            (3.0, 5.0, "<", [false, true, true, true]),
            (3.0, 5.0, "<=", [true, true, true, true]),
            (3.0, 5.0, ">", [true, true, false, false]),
            (3.0, 5.0, ">=", [true, true, true, false]),
            (3.0, 5.0, "==", [true, true, true, false]),
            (3.0, 5.0, "!=", [true, true, true, true]),
            (3.0, 3.0, "!=", [false, true, true, true]),
            (3.0, f64::INFINITY, "==", [true, true, true, true]),
            (5.0, f64::INFINITY, "==", [false, false, true, true]),
            (0.0, 4.0, "==", [true, true, false, false]),
            (3.0, f64::INFINITY, "!=", [true, true, true, true]),
            (f64::NEG_INFINITY, f64::INFINITY, "!=", [true, true, true, true]),
            (f64::NEG_INFINITY, f64::INFINITY, "<", [true, true, true, true]),
        ] {
            let threshold: Threshold = format!("census.failed {text} 0").parse().unwrap();
            for (limit, expected) in [3.0, 4.0, 5.0, 6.0].into_iter().zip(can_hold) {
                let outlook = Outlook { least, most };
                assert_eq!(outlook.can_hold(threshold.comparison, limit), expected, "{least}..{most} {text} {limit}");
            }
        }
    }
}

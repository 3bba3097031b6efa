//! The value of a figure, found in a result.

use super::truth;
use crate::measure::{Census, LoadSpan, PhaseResult, RunResult, SeriesData};
use crate::policy::{Comparison, Metric, Series, Statistic};

/// What a figure is asked of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope<'a> {
    /// The whole run.
    Run,
    /// A phase of a drill.
    Phase(&'a PhaseResult),
}

/// A value in its metric's unit, and the statistic that stood in for the one asked for.
pub(super) type Observed = (Option<f64>, Option<Statistic>);

/// The value of `metric` that is to stand in `comparison`; none, if there is no evidence. What is known of the whole run
/// alone has no value in a phase: a profile that asks for it is refused.
pub(super) fn observe(metric: &Metric, comparison: Comparison, scope: Scope<'_>, result: &RunResult) -> Observed {
    let whole = matches!(scope, Scope::Run).then_some(result);
    let value = match metric {
        Metric::Series(series, _) if result.absent.contains(series) => None,
        Metric::Series(series, statistic) => {
            return match scope.series(*series, result) {
                Some(data) => of_series(data, *statistic, comparison),
                // Nothing happened that this series would have measured: a count of 0, and no other value.
                None => ((*statistic == Statistic::Count).then_some(0.0), None),
            };
        }
        Metric::Census(outcome) => Some(scope.census(result).count(*outcome) as f64),
        Metric::CensusPercent(outcome) => scope.census(result).percent(*outcome),
        Metric::ConnectedPercent => scope.span(result).and_then(|span| connected(span, result)),
        Metric::RateAchieved => whole.and_then(|result| result.rate.achieved_per_s),
        Metric::GeneratorCpu => whole.and_then(|result| generator_cpu(result, comparison)),
        metric => return whole.map_or((None, None), |result| truth::of_run(metric, comparison, result)),
    };
    (value, None)
}

impl<'a> Scope<'a> {
    fn census(self, result: &'a RunResult) -> &'a Census {
        match self {
            Self::Run => &result.census,
            Self::Phase(phase) => &phase.data.census,
        }
    }

    fn series(self, series: Series, result: &'a RunResult) -> Option<&'a SeriesData> {
        match self {
            Self::Run => result.series.get(&series),
            Self::Phase(phase) => phase.data.series.get(&series),
        }
    }

    fn span(self, result: &RunResult) -> Option<LoadSpan> {
        match self {
            Self::Run => result.load,
            Self::Phase(phase) => Some(LoadSpan { from_s: phase.from_s, to_s: phase.to_s }),
        }
    }
}

/// The share of the fleet that was connected in the second of `span` in which fewest were. How many are is noted at the
/// end of each second.
fn connected(span: LoadSpan, result: &RunResult) -> Option<f64> {
    let devices: u32 = result.shards.iter().map(|shard| shard.devices).sum();
    let within = result.intervals.iter().filter(|interval| span.from_s < interval.t_s && interval.t_s <= span.to_s);
    let fewest = within.map(|interval| interval.connected).min()?;
    (devices > 0).then(|| f64::from(fewest) * 100.0 / f64::from(devices))
}

/// What the generator used. Where the embedded hub was within its process, the figure is that of both, which the
/// generator's own lies below: it can show that there was not too much, and nothing else.
fn generator_cpu(result: &RunResult, comparison: Comparison) -> Option<f64> {
    let bounds = matches!(comparison, Comparison::Less | Comparison::LessOrEqual);
    (bounds || !result.hub_is_within_generator()).then_some(result.generator.cpu_percent)
}

/// A statistic of a series.
fn of_series(data: &SeriesData, statistic: Statistic, comparison: Comparison) -> Observed {
    of_distribution(|statistic| data.statistic(statistic), statistic, comparison)
}

/// A percentile with too few samples is no number; but it lies between minimum and maximum, and the one of these
/// that is worse for the threshold judges in its place. What holds for that one holds for the percentile.
pub(super) fn of_distribution(
    figures: impl Fn(Statistic) -> Option<f64>,
    statistic: Statistic,
    comparison: Comparison,
) -> Observed {
    let value = figures(statistic);
    let worse = match comparison {
        Comparison::Less | Comparison::LessOrEqual => Statistic::Max,
        Comparison::Greater | Comparison::GreaterOrEqual => Statistic::Min,
        Comparison::Equal | Comparison::NotEqual => return (value, None),
    };
    match value {
        Some(_) => (value, None),
        None => {
            let stand_in = figures(worse);
            (stand_in, stand_in.map(|_| worse))
        }
    }
}

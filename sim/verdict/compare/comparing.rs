//! From results on two sides to verdicts.

use std::collections::BTreeSet;

use super::capacity::{capacity, looked_for};
use super::error::told;
use super::evidence::value;
use super::judge::{Asked, Evidence, judge};
use super::plans::{Parts, differences};
use super::{Change, CompareError, ComparisonResult, Difference, Interval, MetricRow, RunRow, SeriesRow};
use crate::measure::{RunResult, SeriesData, Verdict};
use crate::policy::{CapacityOf, Metric, Series};
use crate::profile::ComparePlan;
use crate::verdict::ExitCode;
use crate::verdict::statistics::{holm, median, rank_test, ratio_interval};

/// A result, and where it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The file, as the user knows it.
    pub path: String,
    /// The result.
    pub result: RunResult,
}

/// How to compare.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CompareOptions {
    /// The metrics to judge by; empty for those that the results' plans name.
    pub metrics: Vec<Metric>,
    /// A change counts if it is larger than so many percent; `None` for what the results' plans say.
    pub margin_pct: Option<f64>,
    /// Hold medians against the margin alone.
    pub margin_only: bool,
    /// Whether an inconclusive comparison ends in success all the same.
    pub inconclusive_passes: bool,
    /// Compare what would be refused: results that do not count, and plans that differ.
    pub force: bool,
}

/// Compares `new` results with those of a `base`.
///
/// # Errors
/// They cannot be compared.
pub fn compare(
    base: &[Candidate],
    new: &[Candidate],
    options: &CompareOptions,
) -> Result<ComparisonResult, CompareError> {
    distinct(base.iter().chain(new))?;
    let (metrics, margin_pct) = settings(base, new, options)?;
    let mut forced = Vec::new();
    let searched = looked_for(base.iter().chain(new))?;
    let hub = plans(base, new, searched, options.force, &mut forced)?;
    let (mut capacity_change, mut metric_rows, mut series_rows) = (None, Vec::new(), Vec::new());
    if let Some(of) = searched {
        if !options.metrics.is_empty() {
            let why = "searches are compared by the capacities that they found, as loads differ: leave --metric out";
            return Err(CompareError::Metric(why.to_owned()));
        }
        capacity_change = Some(capacity(of, base, new, margin_pct));
    } else {
        validity(base.iter().chain(new), options.force, &mut forced)?;
        let asked = Asked { margin_pct, runs: (base.len(), new.len()), metrics: metrics.len() };
        metric_rows = judged(base, new, metrics, asked, options.margin_only);
        series_rows = series(base, new);
    }
    let of_capacity = capacity_change.iter().map(|change| change.verdict);
    let verdict = Change::of(metric_rows.iter().map(|row| row.verdict).chain(of_capacity));
    let exit = match verdict {
        Change::Regressed => ExitCode::Regressed,
        Change::Inconclusive if !options.inconclusive_passes => ExitCode::Invalid,
        Change::Inconclusive | Change::Improved | Change::Equivalent => ExitCode::Success,
    };
    Ok(ComparisonResult {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        verdict,
        exit_code: exit.code(),
        margin_pct,
        margin_only: options.margin_only && searched.is_none(),
        forced,
        warnings: warnings(base, new),
        hub,
        base: base.iter().map(RunRow::of).collect(),
        new: new.iter().map(RunRow::of).collect(),
        capacity: capacity_change,
        metrics: metric_rows,
        series: series_rows,
    })
}

impl RunRow {
    fn of(candidate: &Candidate) -> Self {
        let Candidate { path, result } = candidate;
        Self {
            path: path.clone(),
            name: result.name.clone(),
            started_at: result.began_at(),
            duration_s: result.took_s(),
            version: result.version.clone(),
            seed: result.seed,
            cores: result.generator.cores,
            valid: result.valid,
            verdict: result.verdict,
        }
    }
}

/// Refuses a run that is there twice. Two runs never measure the very same.
fn distinct<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> Result<(), CompareError> {
    let mut seen: Vec<&Candidate> = Vec::new();
    for candidate in candidates {
        if let Some(twin) = seen.iter().find(|other| other.result == candidate.result) {
            return Err(CompareError::SameRun(twin.path.clone(), candidate.path.clone()));
        }
        seen.push(candidate);
    }
    Ok(())
}

/// The metrics and the margin: those asked for, else those of the plans, which have to agree.
fn settings(
    base: &[Candidate],
    new: &[Candidate],
    options: &CompareOptions,
) -> Result<(Vec<Metric>, f64), CompareError> {
    let plans: Vec<ComparePlan> = base.iter().chain(new).map(|candidate| asks_for(&candidate.result)).collect();
    let first = plans.first().ok_or(CompareError::Empty("base"))?;
    let names = |metrics: &[Metric]| metrics.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut metrics = options.metrics.clone();
    if metrics.is_empty() {
        metrics.clone_from(&first.metrics);
        if let Some(other) = plans.iter().find(|plan| plan.metrics != first.metrics) {
            let (one, other) = (names(&first.metrics), names(&other.metrics));
            return Err(CompareError::Settings { what: "the metrics to judge by", one, other, flag: "--metric" });
        }
    }
    let mut seen = Vec::new();
    for metric in &metrics {
        ComparePlan::judges(metric).map_err(CompareError::Metric)?;
        if seen.contains(&metric) {
            return Err(CompareError::Metric(format!("`{metric}` is named twice")));
        }
        seen.push(metric);
    }
    if let Some(margin) = options.margin_pct {
        return Ok((metrics, margin));
    }
    if let Some(other) = plans.iter().find(|plan| plan.margin_pct != first.margin_pct) {
        let [one, other] = [first, other].map(|plan| format!("{} %", plan.margin_pct));
        return Err(CompareError::Settings { what: "the margin", one, other, flag: "--margin" });
    }
    Ok((metrics, first.margin_pct))
}

/// What a result's plan says of comparisons; the usual where it is of a version that knew of none.
fn asks_for(result: &RunResult) -> ComparePlan {
    serde_json::from_value(result.plan["compare"].clone()).unwrap_or_default()
}

/// How the hubs of the two sides differ. Refuses plans that differ in anything else, and a side with several hubs.
fn plans(
    base: &[Candidate],
    new: &[Candidate],
    searched: Option<CapacityOf>,
    force: bool,
    forced: &mut Vec<String>,
) -> Result<Vec<Difference>, CompareError> {
    let part = |one: &Candidate| {
        let parts = Parts::of(&one.result.plan);
        searched.map_or(parts.clone(), |of| parts.of_a_search(of))
    };
    let parts = |side: &[Candidate]| side.iter().map(part).collect::<Vec<_>>();
    let sides = [(base, parts(base)), (new, parts(new))];
    let [(first, its), (_, of_new)] = [&sides[0], &sides[1]].map(|(side, parts)| (side.first(), parts.first()));
    let (Some(first), Some(its)) = (first, its) else { return Err(CompareError::Empty("base")) };
    let hub_of_new = &of_new.ok_or(CompareError::Empty("new"))?.hub;
    for ((side, parts), hub) in sides.iter().zip([&its.hub, hub_of_new]) {
        for (candidate, part) in side.iter().zip(parts) {
            let found = [differences("", &its.rest, &part.rest), differences("hub", hub, &part.hub)].concat();
            if found.is_empty() {
                continue;
            }
            if !force {
                let (first, other) = (first.path.clone(), candidate.path.clone());
                return Err(CompareError::Plans { first, other, differences: found });
            }
            let found = told(&found).replace("\n", ";");
            forced.push(format!("{} has another plan than {}:{found}", candidate.path, first.path));
        }
    }
    Ok(differences("hub", &its.hub, hub_of_new))
}

/// Refuses results that do not count.
fn validity<'a>(
    candidates: impl Iterator<Item = &'a Candidate>,
    force: bool,
    forced: &mut Vec<String>,
) -> Result<(), CompareError> {
    let mut reasons = Vec::new();
    for Candidate { path, result } in candidates {
        if result.verdict == Verdict::Aborted {
            reasons.push(format!("{path} was stopped before its end"));
        } else if !result.valid {
            reasons.push(format!("{path} is not valid: {}", result.invalid_reasons.join("; ")));
        }
    }
    if !reasons.is_empty() && !force {
        return Err(CompareError::NotValid(reasons));
    }
    forced.extend(reasons);
    Ok(())
}

/// What is not the same about the two sides' programs and machines.
fn warnings(base: &[Candidate], new: &[Candidate]) -> Vec<String> {
    let told = |what: &str, of: &dyn Fn(&RunResult) -> String| {
        let of_side = |side: &[Candidate]| side.iter().map(|one| of(&one.result)).collect::<BTreeSet<_>>();
        let (base, new) = (of_side(base), of_side(new));
        let words = |side: BTreeSet<String>| side.into_iter().collect::<Vec<_>>().join(", ");
        (base != new || base.len() > 1).then(|| format!("{what}: base {}, new {}", words(base), words(new)))
    };
    let mut warnings: Vec<String> = Vec::new();
    warnings.extend(told("versions of twinstorm differ", &|result| result.version.clone()));
    warnings.extend(told("machines differ in cores", &|result| result.generator.cores.to_string()));
    warnings.extend(told("the hub's place differs", &|result| {
        let same = result.generator.hub_on_same_machine;
        if same { "on the generator's machine" } else { "on another machine" }.to_owned()
    }));
    warnings
}

/// The verdicts on all metrics, which are corrected for one another.
fn judged(
    base: &[Candidate],
    new: &[Candidate],
    metrics: Vec<Metric>,
    asked: Asked,
    margin_only: bool,
) -> Vec<MetricRow> {
    let mut rows: Vec<MetricRow> = metrics.into_iter().filter_map(|metric| row(metric, base, new)).collect();
    if !margin_only {
        // What could not be tested is corrected for all the same: nobody gains by a metric that is missing.
        let corrected = holm(&rows.iter().map(|row| row.p.unwrap_or(1.0)).collect::<Vec<_>>());
        rows.iter_mut().zip(corrected).for_each(|(row, p)| row.p_holm = row.p.map(|_| p));
    }
    for row in &mut rows {
        let statistics = row.interval.zip(row.p_holm);
        if margin_only {
            (row.interval, row.p) = (None, None);
        } else if !asked.can_tell() {
            // The few resamples that there are would make it look surer than it is.
            row.interval = None;
        }
        if let Some(change_pct) = row.change_pct {
            let evidence = Evidence { change_pct, statistics };
            (row.verdict, row.reason) = judge(row.better, evidence, asked);
        }
    }
    rows
}

/// A metric's figures, without a verdict unless there is no evidence. `None` for a metric that has no better side.
fn row(metric: Metric, base: &[Candidate], new: &[Candidate]) -> Option<MetricRow> {
    let better = metric.better()?;
    let mut missing = Vec::new();
    let mut values = |side: &[Candidate]| -> Vec<Option<f64>> {
        let of =
            |one: &Candidate| value(&metric, &one.result).map_err(|why| missing.push(format!("{}: {why}", one.path)));
        side.iter().map(of).map(Result::ok).collect()
    };
    let (base, new) = (values(base), values(new));
    let whole = |side: &[Option<f64>]| side.iter().copied().collect::<Option<Vec<f64>>>();
    let sides = whole(&base).zip(whole(&new));
    let tested = sides.as_ref().and_then(|(base, new)| rank_test(base, new));
    let ratio = sides.as_ref().and_then(|(base, new)| ratio_interval(base, new));
    let pct = |ratio: f64| (ratio - 1.0) * 100.0;
    let reason = missing.first().map(|first| match missing.len() {
        1 => format!("no evidence in {first}"),
        count => format!("no evidence in {count} runs, the first of them {first}"),
    });
    Some(MetricRow {
        better,
        base_median: whole(&base).and_then(|base| median(&base)),
        new_median: whole(&new).and_then(|new| median(&new)),
        change_pct: ratio.map(|ratio| pct(ratio.estimate)),
        interval: ratio.map(|ratio| Interval { low_pct: pct(ratio.low), high_pct: pct(ratio.high) }),
        p: tested.map(|tested| tested.p),
        p_holm: None,
        verdict: Change::Inconclusive,
        reason: reason.unwrap_or_default(),
        metric,
        base,
        new,
    })
}

/// Every series that any run has, each side's samples together.
fn series(base: &[Candidate], new: &[Candidate]) -> Vec<SeriesRow> {
    let merged = |side: &[Candidate], series: Series| {
        let mut all = SeriesData::default();
        side.iter().filter_map(|one| one.result.series.get(&series)).for_each(|data| all.merge(data));
        all
    };
    let rows = Series::ALL.into_iter().map(|series| SeriesRow {
        series,
        base: merged(base, series),
        new: merged(new, series),
    });
    rows.filter(|row| row.base.count() + row.new.count() > 0).collect()
}

//! `[compare]`: what comparisons of runs judge by.

use serde::{Deserialize, Serialize};

use super::error::Problem;
use super::metric::Scene;
use super::reader::Field;
use crate::driver::Via;
use crate::policy::{Metric, Series, Statistic};

/// What comparisons of runs judge by. It says nothing of the run itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparePlan {
    /// The metrics that a verdict is given on.
    pub metrics: Vec<Metric>,
    /// A change counts if it is larger than so many percent.
    pub margin_pct: f64,
}

impl ComparePlan {
    /// The margin unless another is asked for, in percent.
    pub const MARGIN_PCT: f64 = 10.0;

    /// What a plan gets that does not say: of the usual metrics those that a load by `via` measures.
    pub(super) fn of(via: Via) -> Self {
        let usual = [
            (Series::UpdateOverhead, Statistic::Percentile(5_000)),
            (Series::MethodResponse, Statistic::Percentile(5_000)),
            (Series::MethodResponse, Statistic::Percentile(9_900)),
        ];
        let measured = usual.into_iter().filter(|(series, _)| via == Via::Calls || !series.needs_calls());
        let metrics = measured.map(|(series, statistic)| Metric::Series(series, statistic)).collect();
        Self { metrics, margin_pct: Self::MARGIN_PCT }
    }

    /// Reads a margin: a share above 0 %, and up to 1000 %.
    ///
    /// # Errors
    /// What it has to be.
    pub fn parse_margin(text: &str) -> Result<f64, &'static str> {
        let number = text.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        number.filter(|margin| *margin > 0.0 && *margin <= 1000.0).ok_or("must be a share like \"10%\", above 0%")
    }

    /// Refuses what cannot be judged by: a metric that has no better side.
    ///
    /// # Errors
    /// Why not.
    pub fn judges(metric: &Metric) -> Result<(), String> {
        match metric.better() {
            Some(_) => Ok(()),
            None => Err(format!("`{metric}` gets neither better nor worse: no verdict can be given on it")),
        }
    }
}

impl Default for ComparePlan {
    /// That of results of versions that had no such section.
    fn default() -> Self {
        Self::of(Via::Calls)
    }
}

pub(super) fn read(field: &Field<'_>, scene: Scene<'_>) -> Result<ComparePlan, Problem> {
    let section = field.section(&["metrics", "margin"])?;
    let mut plan = ComparePlan::of(scene.via);
    if let Some(field) = section.optional("metrics") {
        plan.metrics = field.list()?.map(|item| metric(&item, scene)).collect::<Result<_, _>>()?;
        if plan.metrics.is_empty() {
            return Err(field.problem("must name at least one metric, like \"update.overhead.p50\""));
        }
        if let Some((at, twice)) = plan.metrics.iter().enumerate().find(|(at, one)| plan.metrics[..*at].contains(one)) {
            return Err(field.problem(format_args!("names `{twice}` a second time as its entry {at}")));
        }
    }
    if let Some(field) = section.optional("margin") {
        plan.margin_pct = ComparePlan::parse_margin(field.text()?).map_err(|why| field.problem(why))?;
    }
    Ok(plan)
}

fn metric(field: &Field<'_>, scene: Scene<'_>) -> Result<Metric, Problem> {
    let metric: Metric = field.text()?.parse().map_err(|error| field.problem(format_args!("is wrong: {error}")))?;
    scene.check_metric(field, &metric)?;
    ComparePlan::judges(&metric).map_err(|why| field.problem(format_args!("cannot be judged by: {why}")))?;
    Ok(metric)
}

#[cfg(test)]
mod tests {
    use crate::profile::parse;

    fn plan(text: &str) -> Result<super::ComparePlan, String> {
        parse("x.toml", text, &[]).map(|plan| plan.compare).map_err(|error| error.to_string())
    }

    fn names(text: &str) -> Vec<String> {
        plan(text).unwrap().metrics.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_usual_metrics_are_those_that_the_load_measures() {
        assert_eq!(names(""), ["update.overhead.p50", "method.response.p50", "method.response.p99"]);
        assert_eq!(plan("").unwrap().margin_pct, 10.0);
        assert_eq!(names("[load]\nvia = 'job'\njob_devices = 100"), ["update.overhead.p50"]);
        let asked = "[compare]\nmetrics = ['rate.achieved', 'update.total.p99.9']\nmargin = '7.5 %'";
        assert_eq!(names(asked), ["rate.achieved", "update.total.p99_9"]);
        assert_eq!(plan(asked).unwrap().margin_pct, 7.5);
    }

    #[test]
    fn what_no_verdict_can_be_given_on_is_refused() {
        for (text, says) in [
            ("metrics = []", "`compare.metrics` must name at least one metric"),
            ("metrics = ['update.totl.p50']", "`compare.metrics.0` is wrong: unknown series `update.totl`"),
            ("metrics = ['connect.count']", "`connect.count` gets neither better nor worse"),
            ("metrics = ['connect.p50', 'connect.p50']", "names `connect.p50` a second time as its entry 1"),
            ("metrics = ['faults.fail.fail.pct']", "unknown outcome `fail`"),
            ("metrics = ['faults.fail.failed.pct']", "names the unknown fault `fail`: there are none"),
            ("margin = '10'", "`compare.margin` must be a share like \"10%\""),
            ("margin = '0%'", "above 0%"),
            ("metric = 3", "unknown key `metric` in `compare`: allowed are metrics, margin"),
        ] {
            let error = plan(&format!("[compare]\n{text}")).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}

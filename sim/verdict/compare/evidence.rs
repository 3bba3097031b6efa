//! A metric's value in a run, or why there is none.

use crate::measure::RunResult;
use crate::policy::{Comparison, Metric, Statistic};
use crate::verdict::observe::{Scope, observe};

/// The value of `metric` in a run, in its unit; no other statistic stands in for a percentile with too few samples.
///
/// # Errors
/// Why there is none.
pub fn value(metric: &Metric, result: &RunResult) -> Result<f64, String> {
    // Asked as for equality, which no other statistic may stand in for.
    match observe(metric, Comparison::Equal, Scope::Run, result).0 {
        Some(value) => Ok(value),
        None => Err(why_not(metric, result)),
    }
}

fn why_not(metric: &Metric, result: &RunResult) -> String {
    let Metric::Series(series, statistic) = metric else { return "nothing was measured".to_owned() };
    if result.absent.contains(series) {
        return format!("`{series}` could not be measured in this run");
    }
    let count = result.series.get(series).map_or(0, |data| data.count());
    match statistic {
        Statistic::Percentile(hundredths) if count > 0 => {
            let takes = 100_000_u64.div_ceil(10_000 - u64::from(*hundredths));
            format!("it has {count} samples, and {} takes {takes}", statistic.name())
        }
        _ => "nothing was measured".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::policy::Series;

    #[test]
    fn a_value_or_the_reason_why_there_is_none() {
        let mut result = RunResult { absent: vec![Series::UpdateOverhead], ..RunResult::default() };
        let data = result.series.entry(Series::MethodResponse).or_default();
        (0..999).for_each(|_| data.record(Duration::from_millis(50)));
        let value = |metric: &str| value(&metric.parse().unwrap(), &result);
        assert!((value("method.response.p50").unwrap() - 0.05).abs() < 1e-4);
        assert_eq!(value("census.completed"), Ok(0.0));
        for (metric, why) in [
            ("update.overhead.p50", "`update.overhead` could not be measured in this run"),
            ("method.response.p99", "it has 999 samples, and p99 takes 1000"),
            ("method.response.p99_9", "it has 999 samples, and p99_9 takes 10000"),
            ("update.total.p50", "nothing was measured"),
            ("rate.achieved", "nothing was measured"),
        ] {
            assert_eq!(value(metric).unwrap_err(), why, "{metric}");
        }
        let data = result.series.entry(Series::MethodResponse).or_default();
        data.record(Duration::from_millis(50));
        assert!(super::value(&"method.response.p99".parse().unwrap(), &result).is_ok(), "as the reason says");
    }
}

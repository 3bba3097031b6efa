//! `benchmark-smaller.json` and `benchmark-bigger.json`: a few figures for the trend that github-action-benchmark draws,
//! one file for each direction (`customSmallerIsBetter`, `customBiggerIsBetter`).

use serde::Serialize;

use super::capacity::{headline, is_generators};
use super::human::three_digits;
use super::{ReportError, Reporter};
use crate::measure::{RunResult, Verdict};
use crate::policy::{FirmwareStatus, Outcome, Series, Statistic};

const P50: Statistic = Statistic::Percentile(5000);
const P99: Statistic = Statistic::Percentile(9900);

/// The durations of the trend, in the order of the file.
const DURATIONS: [(Series, Statistic); 8] = [
    (Series::UpdateOverhead, P50),
    (Series::UpdateOverhead, P99),
    (Series::MethodResponse, P50),
    (Series::MethodResponse, P99),
    (Series::TwinVisible(FirmwareStatus::Completed), P50),
    (Series::TwinVisible(FirmwareStatus::Completed), P99),
    (Series::Connect, P99),
    (Series::Reconnect, P99),
];

/// The figures of one direction. A result that does not count, and one of a run that was stopped, has none: the list is
/// empty, which that action refuses, so that no trend shows what was not measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Benchmark {
    /// The less, the better: durations, and what an update costs.
    Smaller,
    /// The more, the better: what was achieved.
    Bigger,
}

/// An entry. One run does not know how far its figures scatter from run to run, so none of them says a `range`.
#[derive(Debug, Serialize)]
struct Entry {
    /// The same for as long as there are trends.
    name: String,
    unit: &'static str,
    value: f64,
    extra: String,
}

impl Reporter for Benchmark {
    fn render(&self, result: &RunResult) -> Result<Vec<u8>, ReportError> {
        let counts = result.valid && !matches!(result.verdict, Verdict::Invalid | Verdict::Aborted);
        let entries = match self {
            _ if !counts => Vec::new(),
            Self::Smaller => smaller(result),
            Self::Bigger => bigger(result),
        };
        let mut bytes = serde_json::to_vec_pretty(&entries)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

fn smaller(result: &RunResult) -> Vec<Entry> {
    let duration = |(series, statistic): (Series, Statistic)| {
        let data = result.series.get(&series)?;
        let name = format!("{series} {}", statistic.name());
        let seconds = data.statistic(statistic)?;
        Some(entry(result, &name, "ms", seconds * 1e3, &format!("{} samples", data.count())))
    };
    let ended = result.census.ended();
    let cost = |name: &str, seconds: Option<f64>| {
        let each = seconds.filter(|seconds| *seconds > 0.0 && ended > 0)? * 1e3 / ended as f64;
        Some(entry(result, name, "ms/update", each, &format!("CPU over {ended} updates")))
    };
    DURATIONS
        .into_iter()
        .filter_map(duration)
        .chain(cost("generator CPU", Some(result.generator.cpu_seconds)))
        .chain(cost("hub CPU", result.hub.as_ref().and_then(|hub| hub.cpu_seconds)))
        .collect()
}

fn bigger(result: &RunResult) -> Vec<Entry> {
    let census = &result.census;
    let rate = result.rate.achieved_per_s.map(|rate| {
        let offered = result
            .rate
            .offered_per_s
            .map_or_else(|| "closed load".to_owned(), |rate| format!("offered {}/s", three_digits(rate)));
        entry(result, "rate achieved", "calls/s", rate, &offered)
    });
    let completed = census.percent(Outcome::Completed).map(|percent| {
        let of = format!("{} of {} updates", census.count(Outcome::Completed), census.planned);
        entry(result, "updates completed", "%", percent, &of)
    });
    capacity(result).into_iter().chain(rate).chain(completed).collect()
}

/// The load that a hub is known to bear. What a search that did not finish knows depends on when it ended, and where the
/// generator ends says nothing of the hub: neither is in a trend.
fn capacity(result: &RunResult) -> Option<Entry> {
    let capacity = result.capacity.as_ref().filter(|found| found.finished && !is_generators(found))?;
    Some(entry(result, "capacity", capacity.of.unit(), capacity.low?, &headline(capacity)))
}

fn entry(result: &RunResult, name: &str, unit: &'static str, value: f64, what: &str) -> Entry {
    // What is measured has three significant digits; more would be noise in every comparison of files.
    let digits = if value == 0.0 { 0 } else { 3 - 1 - value.abs().log10().floor() as i32 };
    let scale = 10_f64.powi(digits.clamp(0, 9));
    Entry {
        name: format!("{}: {name}", result.name),
        unit,
        value: (value * scale).round() / scale,
        extra: format!("{what}\nseed {}\ntwinstorm {}\n{}", result.seed, result.version, result.command),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::sample::{aborted, capacity, invalid, sample};
    use super::*;

    fn entries(benchmark: Benchmark, result: &RunResult) -> Vec<Value> {
        serde_json::from_slice(&benchmark.render(result).unwrap()).unwrap()
    }

    #[test]
    fn a_full_result_has_its_figures() {
        let mut result = sample();
        let data = result.series[&Series::UpdateTotal].clone();
        result.series.insert(Series::UpdateOverhead, data);
        for (name, benchmark) in [("smaller", Benchmark::Smaller), ("bigger", Benchmark::Bigger)] {
            insta::assert_snapshot!(name, String::from_utf8(benchmark.render(&result).unwrap()).unwrap());
            for entry in entries(benchmark, &result) {
                assert!(entry["name"].as_str().unwrap().starts_with("quickstart: "));
                assert!(entry["value"].as_f64().unwrap() > 0.0 && entry["unit"].is_string(), "{entry}");
            }
        }
    }

    #[test]
    fn what_does_not_count_is_in_no_trend() {
        for result in [invalid(), aborted(), RunResult::default()] {
            for benchmark in [Benchmark::Smaller, Benchmark::Bigger] {
                assert_eq!(benchmark.render(&result).unwrap(), b"[]\n");
            }
        }
        let mut failed = sample();
        (failed.verdict, failed.exit_code) = (Verdict::NotRecovered, 99);
        assert!(!entries(Benchmark::Bigger, &failed).is_empty(), "a bad figure is a figure");
    }

    #[test]
    fn only_a_capacity_of_the_hub_that_was_found_is_in_a_trend() {
        let told = |found| entries(Benchmark::Bigger, &capacity::with(found));
        for found in [capacity::capacity(), capacity::widened()] {
            let low = found.low.unwrap();
            let first = &told(found)[0];
            assert_eq!((&first["name"], &first["unit"]), (&"quickstart: capacity".into(), &"calls/s".into()));
            assert_eq!(first["value"].as_f64(), Some(low));
        }
        for found in
            [capacity::unfinished(), capacity::by_generator(), capacity::nothing_kept(), capacity::nothing_broken()]
        {
            assert!(told(found).iter().all(|entry| entry["name"] != "quickstart: capacity"));
        }
    }

    #[test]
    fn three_digits_are_kept_and_no_more() {
        for (value, kept) in [(0.0, 0.0), (0.012_345, 0.0123), (12.345, 12.3), (1234.56, 1235.0), (98.501, 98.5)] {
            assert_eq!(entry(&sample(), "x", "ms", value, "").value, kept);
        }
    }
}

//! What several runs of one plan showed together.

use std::path::Path;

use super::comparison::cells::value as cell;
use super::human::percent;
use super::table::{Align, columns, paragraph};
use super::terminal::{Terminal, Tone, titled};
use crate::measure::{RunResult, Verdict};
use crate::policy::Metric;
use crate::verdict::compare::value;
use crate::verdict::statistics::median;

/// Shown beside what comparisons judge by.
const HEADLINES: [&str; 5] =
    ["update.total.p50", "update.total.p99", "census.completed.pct", "rate.achieved", "generator.cpu"];

/// A run's end in a line, with why it does not count in further ones.
#[must_use]
pub fn one_line(result: &RunResult, file: &Path) -> String {
    let mut lines = vec![format!("{} {} (exit code {})", word(result.verdict), file.display(), result.exit_code)];
    lines.extend(result.invalid_reasons.iter().flat_map(|reason| paragraph("  - ", reason.split(' '), " ")));
    lines.join("\n")
}

/// How many of the `planned` runs there are and how they ended, and the medians of headline metrics over them, with the
/// smallest and the largest.
#[must_use]
pub fn repeats(results: &[&RunResult], planned: u32, exit_code: u8, metrics: &[Metric], color: bool) -> String {
    let painter = Terminal { color };
    let tone = match exit_code {
        0 => Tone::Good,
        97 => Tone::Doubtful,
        _ => Tone::Bad,
    };
    let mut ends: Vec<(&str, usize)> = Vec::new();
    for result in results {
        match ends.iter_mut().find(|(end, _)| *end == word(result.verdict)) {
            Some((_, count)) => *count += 1,
            None => ends.push((word(result.verdict), 1)),
        }
    }
    let ends: Vec<String> = ends.into_iter().map(|(end, count)| format!("{count} {end}")).collect();
    let ends = painter.paint(tone, &ends.join(", "));
    let name = results.first().map_or("", |result| result.name.as_str());
    let head = format!("{} of {planned} runs of {name}: {ends} (exit code {exit_code})", results.len());
    let headlines = HEADLINES.iter().filter_map(|name| name.parse::<Metric>().ok());
    let mut shown: Vec<Metric> = metrics.to_vec();
    shown.extend(headlines.filter(|metric| !metrics.contains(metric)));
    let mut rows = vec![["", "runs", "median", "min", "max", "spread"].map(str::to_owned).to_vec()];
    rows.extend(shown.iter().map(|metric| row(metric, results)));
    let mut align = [Align::Right; 6];
    align[0] = Align::Left;
    let table = titled("Medians over runs", columns(&align, &rows));
    [vec![head, String::new()], table].concat().join("\n") + "\n"
}

fn row(metric: &Metric, results: &[&RunResult]) -> Vec<String> {
    let mut values: Vec<f64> = results.iter().filter_map(|result| value(metric, result).ok()).collect();
    values.sort_by(f64::total_cmp);
    let (least, middle, most) = (values.first().copied(), median(&values), values.last().copied());
    let spread = match (least, middle, most) {
        (Some(least), Some(middle), Some(most)) if middle > 0.0 => {
            format!("{} %", percent((most - least) / middle * 100.0))
        }
        _ => "-".to_owned(),
    };
    let [middle, least, most] = [middle, least, most].map(|value| cell(metric, value));
    vec![metric.to_string(), values.len().to_string(), middle, least, most, spread]
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::NotRecovered => "not recovered",
        Verdict::Invalid => "invalid",
        Verdict::Aborted => "aborted",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::policy::Series;

    #[test]
    fn medians_and_how_far_runs_lie_apart() {
        let runs: Vec<RunResult> = [50, 56, 52]
            .into_iter()
            .map(|ms| {
                let mut result = super::super::sample::sample();
                let data = result.series.entry(Series::MethodResponse).or_default();
                data.histogram.reset();
                (0..100).for_each(|_| data.record(Duration::from_millis(ms)));
                result
            })
            .collect();
        let runs: Vec<&RunResult> = runs.iter().collect();
        let metrics = ["method.response.p50", "method.response.p99"].map(|name| name.parse().unwrap());
        insta::assert_snapshot!("repeats", repeats(&runs, 5, 99, &metrics, false));
    }

    #[test]
    fn a_run_that_does_not_count_says_why() {
        let mut result = super::super::sample::sample();
        assert_eq!(one_line(&result, Path::new("x/run-01/results.json")), "fail x/run-01/results.json (exit code 99)");
        result.invalid_reasons = vec!["the embedded hub died".to_owned()];
        assert!(one_line(&result, Path::new("x")).ends_with("\n  - the embedded hub died"));
    }
}

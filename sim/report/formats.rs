//! Which files each format makes, and who renders them: the one place that says so.

use std::collections::BTreeSet;

use super::{Benchmark, HistogramLog, Html, Junit, Markdown, OpenMetrics, Reporter, ResultsJson};
use crate::policy::ReportFormat;

/// A file that is made of a result.
#[derive(Clone, Copy)]
pub struct FormatFile {
    /// Its name in the results' folder.
    pub name: &'static str,
    /// Who makes its content.
    pub reporter: &'static dyn Reporter,
}

/// The file that every other one can be made of again.
pub const RESULTS: &str = "results.json";

/// The page for people that job summaries show.
pub const SUMMARY: &str = "summary.md";

/// The files of a format; none of one that can only be written while the run goes on.
#[must_use]
pub fn files_of(format: ReportFormat) -> &'static [FormatFile] {
    match format {
        ReportFormat::Json => &[FormatFile { name: RESULTS, reporter: &ResultsJson }],
        ReportFormat::Hlog => &[FormatFile { name: "histograms.hlog", reporter: &HistogramLog }],
        ReportFormat::Html => &[FormatFile { name: "report.html", reporter: &Html }],
        ReportFormat::Markdown => &[FormatFile { name: SUMMARY, reporter: &Markdown::WHOLE }],
        ReportFormat::Junit => &[FormatFile { name: "TEST-twinstorm.xml", reporter: &Junit }],
        ReportFormat::Metrics => &[FormatFile { name: "metrics.txt", reporter: &OpenMetrics }],
        ReportFormat::Benchmark => &[
            FormatFile { name: "benchmark-smaller.json", reporter: &Benchmark::Smaller },
            FormatFile { name: "benchmark-bigger.json", reporter: &Benchmark::Bigger },
        ],
        // Written while the run goes on.
        ReportFormat::Events => &[],
    }
}

/// The files that a run leaves behind which wants `formats`: `results.json` first and in any case, as every other one can
/// be made of it again.
#[must_use]
pub fn files(formats: &BTreeSet<ReportFormat>) -> Vec<FormatFile> {
    let others =
        ReportFormat::ALL.into_iter().filter(|format| *format != ReportFormat::Json && formats.contains(format));
    std::iter::once(ReportFormat::Json).chain(others).flat_map(files_of).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_first_and_always_and_no_file_has_two_makers() {
        let names = |formats: &[ReportFormat]| -> Vec<&str> {
            files(&formats.iter().copied().collect()).iter().map(|file| file.name).collect()
        };
        assert_eq!(names(&[]), ["results.json"]);
        assert_eq!(names(&[ReportFormat::Hlog]), ["results.json", "histograms.hlog"]);
        let all = names(&ReportFormat::ALL);
        assert_eq!(all[0], "results.json");
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
    }
}

//! Which files each format makes, and who renders them: the one place that says so.

use std::collections::BTreeSet;

use super::{HistogramLog, Reporter, ResultsJson};
use crate::policy::ReportFormat;

/// A file that is made of a result.
#[derive(Clone, Copy)]
pub struct FormatFile {
    /// Its name in the results' folder.
    pub name: &'static str,
    /// Who makes its content.
    pub reporter: &'static dyn Reporter,
}

/// The files of a format.
#[must_use]
pub fn files_of(format: ReportFormat) -> &'static [FormatFile] {
    match format {
        ReportFormat::Json => &[FormatFile { name: "results.json", reporter: &ResultsJson }],
        ReportFormat::Hlog => &[FormatFile { name: "histograms.hlog", reporter: &HistogramLog }],
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

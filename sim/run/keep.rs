//! Keeping a result: its files are rendered and written one by one.

use super::output::{Output, OutputError};
use crate::measure::RunResult;
use crate::report::{FormatFile, ReportError};

/// Why a file of a result is missing.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] OutputError),
    /// The result cannot be put into its format.
    #[error("cannot make {name}: {source}")]
    Render {
        /// The file's name.
        name: &'static str,
        /// Why.
        source: ReportError,
    },
}

/// Writes `files` of `result`, in their order. Without the first, `results.json`, there is no result and no other file is
/// written either; any other that fails keeps none of the rest from being written, as it can be made again.
///
/// # Errors
/// Why the first one that is missing is.
pub fn keep(output: &Output, files: &[FormatFile], result: &RunResult) -> Result<(), KeepError> {
    let write = |file: &FormatFile| {
        let bytes = file.reporter.render(result).map_err(|source| KeepError::Render { name: file.name, source })?;
        output.write(file.name, &bytes)?;
        Ok(())
    };
    let Some((first, others)) = files.split_first() else { return Ok(()) };
    write(first)?;
    // Each is tried, and only then the first failure is looked for.
    let tried: Vec<Result<(), KeepError>> = others.iter().map(write).collect();
    tried.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Reporter;

    struct Fails;

    impl Reporter for Fails {
        fn render(&self, _: &RunResult) -> Result<Vec<u8>, ReportError> {
            Err(ReportError::Bounds)
        }
    }

    struct Works;

    impl Reporter for Works {
        fn render(&self, _: &RunResult) -> Result<Vec<u8>, ReportError> {
            Ok(b"here".to_vec())
        }
    }

    #[test]
    fn without_the_result_itself_there_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let output = Output::open(folder.path().to_owned(), &[]).unwrap();
        let files =
            [FormatFile { name: "first.txt", reporter: &Fails }, FormatFile { name: "second.txt", reporter: &Works }];
        keep(&output, &files, &RunResult::default()).unwrap_err();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn one_format_that_fails_costs_no_other_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let output = Output::open(folder.path().to_owned(), &[]).unwrap();
        let files = [
            FormatFile { name: "first.txt", reporter: &Works },
            FormatFile { name: "second.txt", reporter: &Fails },
            FormatFile { name: "third.txt", reporter: &Works },
        ];
        let error = keep(&output, &files, &RunResult::default()).unwrap_err().to_string();
        assert_eq!(error, "cannot make second.txt: a histogram holds values beyond one hour");
        for (name, is_there) in [("first.txt", true), ("second.txt", false), ("third.txt", true)] {
            assert_eq!(folder.path().join(name).exists(), is_there, "{name}");
        }
    }
}

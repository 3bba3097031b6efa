//! Reading a result that a run has left behind.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::measure::RunResult;
use crate::report::{self, RESULTS, ReportError};

/// Why there is no result to be had.
#[derive(Debug, thiserror::Error)]
pub enum ResultsFileError {
    /// Nothing is there, or it cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder that no run has written.
    #[error("{0} is a folder without a {RESULTS}: name one that a run has written, or the file itself")]
    NotARun(PathBuf),
    /// A folder of the folders of several runs.
    #[error(
        "{folder} is not the folder of one run but of {}: name one of them, e.g. {}",
        runs.len(), runs.first().map(|run| run.display().to_string()).unwrap_or_default()
    )]
    Several {
        /// The folder.
        folder: PathBuf,
        /// Those of the runs, sorted by name.
        runs: Vec<PathBuf>,
    },
    /// What is there is no result.
    #[error("cannot use {path}: {source}{}", if source.is_cut_off() { "; the file ends too early" } else { "" })]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ReportError,
    },
}

/// The `results.json` that `path` names: itself, or the one in the folder that it is.
///
/// # Errors
/// There is none.
pub fn find_results(path: &Path) -> Result<PathBuf, ResultsFileError> {
    let failed = |source| ResultsFileError::Read { path: path.to_owned(), source };
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(path.to_owned());
    }
    let file = path.join(RESULTS);
    if file.exists() {
        return Ok(file);
    }
    let entries = fs::read_dir(path).map_err(failed)?;
    let mut runs: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.join(RESULTS).exists()).collect();
    runs.sort();
    let folder = path.to_owned();
    Err(if runs.is_empty() { ResultsFileError::NotARun(folder) } else { ResultsFileError::Several { folder, runs } })
}

/// Reads a `results.json`.
///
/// # Errors
/// It cannot be read, is no result, one of another version, or damaged.
pub fn read_results(file: &Path) -> Result<RunResult, ResultsFileError> {
    let path = || file.to_owned();
    let bytes = fs::read(file).map_err(|source| ResultsFileError::Read { path: path(), source })?;
    report::from_json(&bytes).map_err(|source| ResultsFileError::Content { path: path(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Reporter, ResultsJson};

    #[test]
    fn a_result_is_found_by_its_name_and_by_that_of_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (runs, run) = (folder.path(), folder.path().join("run-01"));
        let tell = |path: &Path| find_results(path).unwrap_err().to_string();
        assert!(tell(&run).starts_with(&format!("cannot read {}: ", run.display())));
        fs::create_dir(&run).unwrap();
        assert!(tell(runs).contains("is a folder without a results.json: name one that"));
        let result = RunResult { name: "mine".to_owned(), ..RunResult::default() };
        let file = run.join(RESULTS);
        fs::write(&file, ResultsJson.render(&result).unwrap()).unwrap();
        assert_eq!((find_results(&run).unwrap(), find_results(&file).unwrap()), (file.clone(), file.clone()));
        assert!(tell(runs).ends_with(&format!("of 1: name one of them, e.g. {}", run.display())), "{}", tell(runs));
        assert_eq!(read_results(&file).unwrap(), result);
    }

    #[test]
    fn a_file_that_is_no_whole_result_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.json");
        let whole = String::from_utf8(ResultsJson.render(&RunResult::default()).unwrap()).unwrap();
        for (text, says) in [
            (&whole[..whole.len() / 2], "; the file ends too early"),
            ("", "; the file ends too early"),
            ("{\"schema\": \"twinstorm.results/2\"}", "this program reads `twinstorm.results/1`"),
            ("{\"name\": 7}", "not a result: missing field `schema`"),
            ("# A page", "not a result: expected value"),
        ] {
            fs::write(&file, text).unwrap();
            let error = read_results(&file).unwrap_err().to_string();
            assert!(error.starts_with(&format!("cannot use {}: ", file.display())) && error.contains(says), "{error}");
        }
    }
}

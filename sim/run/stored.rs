//! Results as they lie on disk: one file, a folder with one, or a folder with the runs of a series.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::results_file::{ResultsFileError, read_results};
use crate::measure::RunResult;
use crate::report::RESULTS;

/// How the folder of one run of a series begins; its number follows.
const RUN: &str = "run-";

/// A result, and the file that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The file.
    pub path: PathBuf,
    /// The result.
    pub result: RunResult,
}

/// Why there is no result to be had.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// Nothing can be read there.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be read, or holds something else.
    #[error(transparent)]
    File(#[from] ResultsFileError),
    /// The folder holds no result.
    #[error(
        "{0} holds no results: neither a results.json, nor folders run-01, run-02, ... as `run --repeat` makes them"
    )]
    NoResults(PathBuf),
    /// The folder holds the result of a single run beside those of a series.
    #[error(
        "{0} holds a results.json and the runs of a series: name the one that is meant, that file or the folders run-NN"
    )]
    Ambiguous(PathBuf),
    /// A run of a series without a result.
    #[error(
        "{0} holds no results.json: the series came to no end; run it again, or name the runs that count one by one"
    )]
    Unfinished(PathBuf),
}

/// Reads the results at `path`: a file, a folder that holds a `results.json`, or one that holds folders `run-NN`, in their
/// order.
///
/// # Errors
/// There is none, one cannot be read, or it is not clear which are meant.
pub fn read(path: &Path) -> Result<Vec<Stored>, StoredError> {
    let unreadable = |source| StoredError::Read { path: path.to_owned(), source };
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![read_file(path)?]);
    }
    let single = path.join(RESULTS);
    let runs = runs_in(path).map_err(unreadable)?;
    match (single.is_file(), runs.is_empty()) {
        (true, true) => Ok(vec![read_file(&single)?]),
        (true, false) => Err(StoredError::Ambiguous(path.to_owned())),
        (false, true) => Err(StoredError::NoResults(path.to_owned())),
        (false, false) => {
            let read = |(_, folder): (u32, PathBuf)| match folder.join(RESULTS) {
                file if file.is_file() => read_file(&file),
                _ => Err(StoredError::Unfinished(folder)),
            };
            runs.into_iter().map(read).collect()
        }
    }
}

/// Reads one file.
pub(super) fn read_file(path: &Path) -> Result<Stored, StoredError> {
    Ok(Stored { path: path.to_owned(), result: read_results(path)? })
}

/// The folder of a series' `number`-th run, from 1.
pub(super) fn run_folder(series: &Path, number: u32) -> PathBuf {
    series.join(format!("{RUN}{number:02}"))
}

/// The runs of a series in a folder, by number.
pub(super) fn runs_in(folder: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let mut runs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_prefix(RUN).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
        if let Some(Ok(number)) = number.map(str::parse)
            && path.is_dir()
        {
            runs.push((number, path));
        }
    }
    runs.sort();
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Reporter as _, ResultsJson};

    fn write(path: &Path, name: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let result = RunResult { name: name.to_owned(), ..RunResult::default() };
        fs::write(path, ResultsJson.render(&result).unwrap()).unwrap();
    }

    fn names(path: &Path) -> Result<Vec<String>, String> {
        let stored = read(path).map_err(|error| error.to_string())?;
        Ok(stored.into_iter().map(|stored| stored.result.name).collect())
    }

    #[test]
    fn a_file_a_folder_and_a_series_are_read_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let single = folder.path().join("single");
        write(&single.join(RESULTS), "one");
        assert_eq!(names(&single), Ok(vec!["one".to_owned()]));
        assert_eq!(names(&single.join(RESULTS)), names(&single));
        let series = folder.path().join("series");
        for number in [2, 10, 1] {
            write(&run_folder(&series, number).join(RESULTS), &number.to_string());
        }
        // What else lies there is none of ours.
        fs::create_dir(series.join("run-of-the-mill")).unwrap();
        fs::write(series.join("run-07"), "").unwrap();
        assert_eq!(names(&series), Ok(["1", "2", "10"].map(str::to_owned).into()));
    }

    #[test]
    fn what_is_missing_or_unclear_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert!(names(&root.join("nowhere")).unwrap_err().starts_with("cannot read "));
        assert!(names(root).unwrap_err().contains("holds no results: neither"));
        write(&root.join("run-01").join(RESULTS), "one");
        fs::create_dir(root.join("run-02")).unwrap();
        assert!(names(root).unwrap_err().contains("run-02 holds no results.json: the series came to no end"));
        write(&root.join(RESULTS), "single");
        assert!(names(root).unwrap_err().contains("name the one that is meant"));
        fs::write(root.join(RESULTS), "{}").unwrap();
        let error = names(&root.join(RESULTS)).unwrap_err();
        assert!(error.contains("results.json: not a result"), "{error}");
    }
}

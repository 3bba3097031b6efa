//! The folder that a run's results go to. It is made, and proven writable, before the run starts.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::policy::ReportFormat;
use crate::report::{EVENTS_FILE, RESULTS, files_of, is_result};

/// Why results cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The folder or a file in it.
    #[error("cannot write to {path}: {source}{}", way_out(source))]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What helps against `error`.
pub(super) fn way_out(error: &io::Error) -> &'static str {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded => "; make room there, or name another folder with --out",
        FileTooLarge => "; raise the limit of file sizes (`ulimit -f`), or name another folder with --out",
        _ => "; name another folder with --out",
    }
}

/// An open output folder.
#[derive(Debug)]
pub struct Output {
    folder: PathBuf,
}

impl Output {
    /// Makes the folder and proves that the files `names` can be made in it. Results that it holds already will be
    /// replaced.
    ///
    /// # Errors
    /// It cannot be made or written to.
    pub fn open(folder: PathBuf, names: &[&str]) -> Result<Self, OutputError> {
        fs::create_dir_all(&folder).map_err(|source| OutputError::Write { path: folder.clone(), source })?;
        for name in names {
            let (path, part) = (folder.join(name), folder.join(format!("{name}.part")));
            let failed = |source| OutputError::Write { path: path.clone(), source };
            File::create(&part).and_then(|_| fs::remove_file(&part)).map_err(failed)?;
            if path.is_dir() {
                return Err(failed(io::ErrorKind::IsADirectory.into()));
            }
        }
        Ok(Self { folder })
    }

    /// Removes what an earlier run left in the folder, whatever formats it was told in: until this run has its own result, there
    /// is none here, and no report of another run ever lies beside it. Nothing is touched where `results.json` is none of ours.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove_earlier(&self) -> Result<(), OutputError> {
        if !fs::read(self.folder.join(RESULTS)).is_ok_and(|bytes| is_result(&bytes)) {
            return Ok(());
        }
        self.remove_reports()?;
        self.remove(RESULTS)
    }

    /// Removes all that is made of `results.json`, which stays.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove_reports(&self) -> Result<(), OutputError> {
        let names = ReportFormat::ALL.into_iter().flat_map(files_of).map(|file| file.name).chain([EVENTS_FILE]);
        names.filter(|name| *name != RESULTS).try_for_each(|name| self.remove(name))
    }

    fn remove(&self, name: &str) -> Result<(), OutputError> {
        let path = self.folder.join(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(OutputError::Write { path, source }),
            _ => Ok(()),
        }
    }

    /// Makes a folder of its own for a run of `profile` that was told no other: two runs never share one.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open_own(profile: &str, now: Timestamp, names: &[&str]) -> Result<Self, OutputError> {
        let time = now.to_zoned(TimeZone::system()).strftime("%Y%m%d-%H%M%S").to_string();
        let runs = Path::new("reports").join("runs");
        fs::create_dir_all(&runs).map_err(|source| OutputError::Write { path: runs.clone(), source })?;
        let mut folder = runs.join(format!("{profile}-{time}"));
        for number in 2.. {
            match fs::create_dir(&folder) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    folder = runs.join(format!("{profile}-{time}-{number}"));
                }
                Err(source) => return Err(OutputError::Write { path: folder, source }),
            }
        }
        Self::open(folder, names)
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file whole: it appears under its name once everything is in it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, OutputError> {
        let path = self.folder.join(name);
        let part = self.folder.join(format!("{name}.part"));
        File::create(&part)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&part, &path))
            .map_err(|source| {
                // Half a file helps nobody; if it cannot be removed, nothing is lost.
                let _ = fs::remove_file(&part);
                OutputError::Write { path: path.clone(), source }
            })?;
        Ok(path)
    }

    /// Opens a file to write while the run goes on.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(&self, name: &str) -> Result<File, OutputError> {
        let path = self.folder.join(name);
        File::create(&path).map_err(|source| OutputError::Write { path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_written_is_found_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Output::open(file.join("below"), &[]).unwrap_err().to_string();
        assert!(error.contains("file/below") && error.contains("--out"), "{error}");
        fs::create_dir(folder.path().join("x.json")).unwrap();
        let error = Output::open(folder.path().to_owned(), &["x.json"]).unwrap_err().to_string();
        assert!(error.contains("x.json"), "{error}");
    }

    #[test]
    fn reports_of_an_earlier_run_go_and_those_of_nobody_knows_whom_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let output = Output::open(folder.path().to_owned(), &[]).unwrap();
        let theirs = ["results.json", "report.html", "events.ndjson", "notes.txt"];
        theirs.iter().for_each(|name| fs::write(path(name), "{}").unwrap());
        output.remove_earlier().unwrap();
        assert!(theirs.iter().all(|name| path(name).exists()), "none of ours");
        fs::write(path("results.json"), r#"{"schema":"twinstorm.results/1"}"#).unwrap();
        output.remove_earlier().unwrap();
        assert_eq!(theirs.map(|name| path(name).exists()), [false, false, false, true]);
    }

    #[test]
    fn files_appear_whole() {
        let folder = tempfile::tempdir().unwrap();
        let output = Output::open(folder.path().join("a/b"), &["x.json"]).unwrap();
        let path = output.write("x.json", b"{}").unwrap();
        assert_eq!(fs::read(path).unwrap(), b"{}");
        assert_eq!(fs::read_dir(output.folder()).unwrap().count(), 1);
    }
}

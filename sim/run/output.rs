//! The folder that a run's results go to. It is made, and proven writable, before the run starts.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Why results cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The folder or a file in it.
    #[error("cannot write to {path}: {source}; name another folder with --out")]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// An open output folder.
#[derive(Debug)]
pub struct Output {
    folder: PathBuf,
}

impl Output {
    /// Makes the folder and proves that files can be made in it.
    ///
    /// # Errors
    /// It cannot be made or written to.
    pub fn open(folder: PathBuf) -> Result<Self, OutputError> {
        let failed = |source| OutputError::Write { path: folder.clone(), source };
        fs::create_dir_all(&folder).map_err(failed)?;
        let probe = folder.join(".writable");
        File::create(&probe).and_then(|_| fs::remove_file(&probe)).map_err(failed)?;
        Ok(Self { folder })
    }

    /// Where results go unless told otherwise.
    #[must_use]
    pub fn default_folder(profile: &str, now: Timestamp) -> PathBuf {
        let time = now.to_zoned(TimeZone::system()).strftime("%Y%m%d-%H%M%S").to_string();
        Path::new("reports").join("runs").join(format!("{profile}-{time}"))
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
            .map_err(|source| OutputError::Write { path: path.clone(), source })?;
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
        let error = Output::open(file.join("below")).unwrap_err().to_string();
        assert!(error.contains("file/below") && error.contains("--out"), "{error}");
    }

    #[test]
    fn files_appear_whole() {
        let folder = tempfile::tempdir().unwrap();
        let output = Output::open(folder.path().join("a/b")).unwrap();
        let path = output.write("x.json", b"{}").unwrap();
        assert_eq!(fs::read(path).unwrap(), b"{}");
        assert_eq!(fs::read_dir(output.folder()).unwrap().count(), 1);
    }
}

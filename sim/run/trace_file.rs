//! The file that a followed device's events go to while the run goes on.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use super::output::{Output, OutputError, way_out};

/// A file of lines. A full disk must not stop the run: the trace ends short then, and is renamed so that nobody takes it
/// for whole.
#[derive(Debug)]
pub(super) struct TraceFile {
    path: PathBuf,
    /// Until a line could not be written.
    file: Option<File>,
}

impl TraceFile {
    /// Opens the file `name` in the folder of results.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn create(output: &Output, name: &str) -> Result<Self, OutputError> {
        Ok(Self { path: output.folder().join(name), file: Some(output.create(name)?) })
    }

    /// Writes a line.
    pub(super) fn line(&mut self, line: fmt::Arguments<'_>) {
        if let Some(file) = &mut self.file
            && let Err(error) = file.write_all(format!("{line}\n").as_bytes())
        {
            self.file = None;
            self.give_up(&error);
        }
    }

    fn give_up(&self, error: &io::Error) {
        let part = self.path.with_extension("txt.part");
        // If even that fails, the warning has to do.
        let kept = if fs::rename(&self.path, &part).is_ok() { &part } else { &self.path };
        tracing::warn!("the trace ends short: cannot write to {}: {error}{}", kept.display(), way_out(error));
    }
}
